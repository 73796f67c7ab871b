/**
 * What makes a host a machine of its own besides its network: process ids, mounts and a host name. A process called
 * keeper stands for it: it is process 1 there, so that its end is the end of everything that runs there.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readlinkSync } from "node:fs";
import { namespacesDirectory } from "./commands.ts";
import { tcpSockets } from "../tcp-table.ts";
import type { TcpSocket } from "../tcp-table.ts";
import { processesIn, signalAll } from "./namespaces.ts";

/** What is prepared in a new machine: its names, and shared memory of its own. For `sh`; takes a file and the name. */
const prepare = [
  'mount --bind "$1" /etc/hosts',
  "mount -t tmpfs tmpfs /dev/shm",
  'echo "$2" >/proc/sys/kernel/hostname',
].join(" && ");
// Process 1 gets the orphans and must wait for them: a zombie would look alive to whoever asks for its pid.
const keep = `${prepare} && echo up && { sleep infinity & wait; }`;

/** Another machine's mounts put the working directory at their root. */
const enter = 'cd "$1" && shift && exec "$@"';

/** The command that makes a machine in a namespace, and what it runs there. */
export function unshareCommand(namespace: string, script: string, args: readonly string[]): string[] {
  const enter = ["nsenter", `--net=${namespacesDirectory}/${namespace}`];
  const unshare = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return [...enter, ...unshare, "sh", "-c", script, "keeper", ...args];
}

/** For whoever wants to know whether machines can be made: takes the same arguments. */
export const prepareScript = prepare;

function parentOf(pid: number): number | undefined {
  try {
    // The name of the command, in brackets, may contain anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined; // It ended meanwhile.
  }
}

function pidNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

export type Connection = Pick<TcpSocket, "localPort" | "remoteAddress" | "remotePort">;

export interface MachineOptions {
  readonly name: string;
  readonly namespace: string;
  /** What becomes its /etc/hosts. */
  readonly hostsFile: string;
}

export class Machine {
  readonly #options: MachineOptions;
  #keeper: ChildProcess | undefined;
  /** Process 1 of the machine, as it is called outside. */
  #first: number | undefined;
  /** What process 1 waits for, besides orphans. */
  #idle: number | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** @throws Error with what was said when it does not come up. */
  async boot(): Promise<void> {
    const { name, namespace, hostsFile } = this.#options;
    const [command, ...args] = unshareCommand(namespace, keep, [hostsFile, name]);
    const keeper = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#keeper = keeper;
    let said = "";
    keeper.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const failed = once(keeper, "close").then(() => {
      throw new Error(`the host ${name} does not come up: ${said.trim()}`);
    });
    await Promise.race([once(keeper.stdout, "data"), failed]);
    failed.catch(() => {}); // Its end, later on, is wanted.
    this.#first = processesIn(namespace).find((pid) => parentOf(pid) === keeper.pid);
    // It starts after "up" has been said.
    while (this.#idle === undefined) {
      this.#idle = this.processes().find((pid) => parentOf(pid) === this.#first);
      await new Promise((resolve) => setImmediate(resolve));
    }
    keeper.unref();
    keeper.stdout.destroy();
    keeper.stderr.destroy();
  }

  /** The command line that runs a command here in a directory, as a process that waits for it and ends as it does. */
  enterCommand(directory: string, command: string, args: readonly string[]): string[] {
    if (this.#first === undefined) throw new Error(`the host ${this.#options.name} is down`);
    const target = ["nsenter", "--target", String(this.#first), "--net", "--mount", "--uts", "--pid"];
    return [...target, "sh", "-c", enter, "enter", directory, command, ...args];
  }

  /** The process that `enterCommand` made, as it is called outside; undefined before and after it is there. */
  entered(waiting: number): number | undefined {
    return this.processes().find((pid) => parentOf(pid) === waiting);
  }

  /** Everything that runs here but its keeper, by the numbers of outside. */
  processes(): number[] {
    if (this.#first === undefined) return [];
    const own = pidNamespaceOf(this.#first);
    return processesIn(this.#options.namespace).filter(
      (pid) => pid !== this.#first && pid !== this.#idle && own !== undefined && pidNamespaceOf(pid) === own,
    );
  }

  /** Established TCP connections of its network, IPv4, but those with itself. */
  connections(): Connection[] {
    if (this.#first === undefined) return [];
    return tcpSockets(this.#first).filter(
      ({ state, localAddress, remoteAddress }) =>
        state === "established" && remoteAddress !== localAddress && /^[\d.]+$/.test(remoteAddress),
    );
  }

  /** Everything ends at once. Settles when it has. */
  async halt(): Promise<void> {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    this.#first = undefined;
    this.#idle = undefined;
    if (keeper === undefined || keeper.exitCode !== null || keeper.signalCode !== null) return;
    keeper.ref();
    const ended = once(keeper, "exit");
    keeper.kill("SIGKILL");
    await ended;
    // Those that wait for what ran here end by themselves, if they were not stopped with it.
    while (signalAll(this.#options.namespace, "SIGCONT") > 0)
      await new Promise((resolve) => setImmediate(resolve));
  }
}
