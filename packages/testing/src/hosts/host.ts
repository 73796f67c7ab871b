/** One machine of a test: a network namespace with an address, a name and a directory of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { namespacesDirectory } from "./commands.ts";
import { signalAll } from "./namespaces.ts";
import type { LinkSettings } from "./shape.ts";

export interface HostRunOptions {
  readonly cwd?: string;
  /** Added to the host's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** After this it is killed and `run` rejects. 25 s unless said: less than a test may take. */
  readonly timeoutMs?: number;
}

export interface HostRunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a host asks of the network that it is in. */
export interface HostNetwork {
  setLink(host: string, settings: LinkSettings): Promise<void>;
  setPort(host: string, up: boolean): Promise<void>;
}

export interface HostOptions {
  readonly name: string;
  /** IPv4. */
  readonly address: string;
  readonly namespace: string;
  /** Its TMPDIR, XDG_RUNTIME_DIR and HOME. */
  readonly directory: string;
  /** What it sees as /etc/hosts. */
  readonly hostsFile: string;
  readonly nat: boolean;
  readonly network: HostNetwork;
}

/** Takes the file of names and the host's name, then becomes the command. */
const enter = 'mount --bind "$1" /etc/hosts && echo "$2" >/proc/sys/kernel/hostname && shift 2 && exec "$@"';

export class Host {
  readonly name: string;
  readonly address: string;
  readonly namespace: string;
  readonly directory: string;
  /** Nobody can open a connection to it; it can open them to others. */
  readonly nat: boolean;
  readonly #hostsFile: string;
  readonly #network: HostNetwork;
  readonly #children = new Set<ChildProcess>();

  constructor({ name, address, namespace, directory, hostsFile, nat, network }: HostOptions) {
    this.name = name;
    this.address = address;
    this.namespace = namespace;
    this.directory = directory;
    this.nat = nat;
    this.#hostsFile = hostsFile;
    this.#network = network;
  }

  /**
   * Starts a process on this host, in its namespace and under its host name; the hosts are known to it by their names.
   * The child's pid is the command's own. Files are shared with all hosts, but for TMPDIR, XDG_RUNTIME_DIR and HOME.
   */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const { TMPDIR, XDG_RUNTIME_DIR, HOME } = this.environment;
    const env = { ...process.env, TMPDIR, XDG_RUNTIME_DIR, HOME, ...options.env };
    const namespace = `--net=${namespacesDirectory}/${this.namespace}`;
    const shell = ["sh", "-c", enter, "enter", this.#hostsFile, this.name, command, ...args];
    const child = spawn("nsenter", [namespace, "unshare", "--mount", "--uts", ...shell], {
      cwd: this.directory,
      ...options,
      env,
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    child.on("error", () => this.#children.delete(child));
    return child;
  }

  /** The variables that differ from host to host. */
  get environment(): { readonly TMPDIR: string; readonly XDG_RUNTIME_DIR: string; readonly HOME: string } {
    return { TMPDIR: this.directory, XDG_RUNTIME_DIR: this.directory, HOME: this.directory };
  }

  /**
   * Runs a command on this host to its end, stdin closed.
   * @throws Error with what was printed so far when it takes longer than `timeoutMs`.
   */
  run(
    command: string,
    args: readonly string[] = [],
    { cwd, env, timeoutMs = 25_000 }: HostRunOptions = {},
  ): Promise<HostRunResult> {
    return new Promise((resolve, reject) => {
      const child = this.spawn(command, args, {
        ...(cwd === undefined ? {} : { cwd }),
        ...(env === undefined ? {} : { env }),
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stdout = "";
      let stderr = "";
      child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        child.stdout?.destroy();
        child.stderr?.destroy();
        const line = [command, ...args].join(" ");
        reject(
          new Error(
            `${this.name}: ${line} did not end within ${timeoutMs} ms\nstdout: ${stdout}\nstderr: ${stderr}`,
          ),
        );
      }, timeoutMs);
      child.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on("close", (exitCode, signal) => {
        clearTimeout(timer);
        resolve({ stdout, stderr, exitCode, signal });
      });
    });
  }

  /** What its link does from now on; what is left out is as without. */
  setLink(settings: LinkSettings): Promise<void> {
    return this.#network.setLink(this.name, settings);
  }

  /** A blackout: nothing passes either way, and the host is not told. */
  linkDown(): Promise<void> {
    return this.#network.setPort(this.name, false);
  }

  linkUp(): Promise<void> {
    return this.#network.setPort(this.name, true);
  }

  /** Sends a signal to every process of the host, such as SIGSTOP to freeze it; how many there were. */
  signal(signal: NodeJS.Signals): number {
    return signalAll(this.namespace, signal);
  }

  /** As if its power were cut: nobody hears of the end of what ran on it. `linkUp` connects it again. */
  async crash(): Promise<void> {
    await this.linkDown();
    while (this.signal("SIGKILL") > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Not for users: settles when every child has ended that was spawned here. */
  async ended(): Promise<void> {
    await Promise.all(
      [...this.#children].map((child) => new Promise<void>((resolve) => child.once("exit", () => resolve()))),
    );
  }
}
