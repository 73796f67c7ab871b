/** One machine of a test: an address, a name, processes, mounts and a directory of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Machine } from "./machine.ts";
import type { Connection } from "./machine.ts";
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
  forget(host: string, connections: readonly Connection[]): Promise<void>;
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

export class Host {
  readonly name: string;
  readonly address: string;
  readonly namespace: string;
  readonly directory: string;
  /** Nobody can open a connection to it; it can open them to others. */
  readonly nat: boolean;
  readonly #machine: Machine;
  readonly #network: HostNetwork;
  readonly #children = new Set<ChildProcess>();

  constructor({ name, address, namespace, directory, hostsFile, nat, network }: HostOptions) {
    this.name = name;
    this.address = address;
    this.namespace = namespace;
    this.directory = directory;
    this.nat = nat;
    this.#machine = new Machine({ name, namespace, hostsFile });
    this.#network = network;
  }

  /** Not for users. */
  boot(): Promise<void> {
    return this.#machine.boot();
  }

  /**
   * Starts a process on this host. It sees the other hosts by their names, only the processes of this host, and the
   * files of all but with its own TMPDIR, XDG_RUNTIME_DIR, HOME and /dev/shm. The child's pid is of a process that
   * stands for it and ends as it does; its `kill` reaches the command itself.
   */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const { cwd = this.directory } = options;
    const directory = cwd instanceof URL ? fileURLToPath(cwd) : cwd;
    const [program, ...rest] = this.#machine.enterCommand(directory, command, args);
    const env = { ...process.env, ...this.environment, ...options.env };
    const child = spawn(program, rest, { ...options, cwd: "/", env });
    const killWaiting = child.kill.bind(child);
    child.kill = (signal) => {
      const pid = child.pid === undefined ? undefined : this.#machine.entered(child.pid);
      // One that stands for a stopped process is stopped as well, and has to be told first.
      if (pid === undefined || signal === "SIGCONT") return killWaiting(signal);
      return process.kill(pid, signal);
    };
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

  /**
   * As if its router had forgotten the connections that there are: nothing passes on them any more and nobody is told,
   * while new ones work. Until `heal`.
   */
  forgetConnections(): Promise<void> {
    return this.#network.forget(this.name, this.#machine.connections());
  }

  /** Sends a signal to every process of the host, such as SIGSTOP to freeze it; how many there were. */
  signal(signal: NodeJS.Signals): number {
    const pids = this.#machine.processes();
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended meanwhile.
      }
    }
    if (signal === "SIGCONT") for (const child of this.#children) child.kill(signal);
    return pids.length;
  }

  /** Ids of the processes that run here, as this process calls them. */
  processes(): number[] {
    return this.#machine.processes();
  }

  /** As if its power were cut: nobody hears of the end of what ran on it. Then it is up again, its link down. */
  async crash(): Promise<void> {
    await this.linkDown();
    await this.#machine.halt();
    await this.boot();
  }

  /** Not for users: ends everything. */
  halt(): Promise<void> {
    return this.#machine.halt();
  }

  /** Not for users: settles when every child has ended that was spawned here. */
  async ended(): Promise<void> {
    await Promise.all(
      [...this.#children].map((child) => new Promise<void>((resolve) => child.once("exit", () => resolve()))),
    );
  }
}
