/** Clusters of several nodes on this machine, started as their users start them: `iono start`. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Installation } from "../iono/install.ts";
import { processTree } from "../outside/process-tree.ts";
import type { Command } from "../outside/spawned.ts";

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;

/** What `iono start --json` prints. */
export interface Started {
  node: number;
  name: string;
  address: string;
  token: string;
  /** Of the supervisor, whose children are gateway, head and agent. */
  pid: number;
}

/** Where a command of a node runs: on this machine, or on one of several hosts in it. */
export interface Place {
  run(argv: string[], env: Record<string, string>): Promise<string>;
}

const START_ENDED = /^\{.*\}$/m;

/** The `iono` command of an installation: what its argument list begins with. */
export function ionoCommand({ cwd, nodeArgs }: Installation): string[] {
  const file = isSource({ nodeArgs })
    ? join(cwd, "..", "packages", "iono", "src", "cli", "main.ts")
    : join(cwd, "node_modules", "iono", "dist", "cli.js");
  return [process.execPath, ...nodeArgs, file];
}

/** Whether the packages' sources are measured. */
export function isSource({ nodeArgs }: Pick<Installation, "nodeArgs">): boolean {
  return nodeArgs.length > 0;
}

/** The folder of the package with the files of the runtime's processes. */
export function runtimeFolder(installation: Installation): string {
  const { cwd } = installation;
  return isSource(installation)
    ? join(cwd, "..", "packages", "runtime")
    : join(cwd, "node_modules", "@iono", "runtime");
}

/** Supervisors that run, for a measurement that is interrupted. */
const running = new Set<number>();
process.once("exit", () => {
  for (const pid of running) signal(pid, "SIGTERM");
});

/** Nodes of one cluster; ended in order by `await using`. */
export class Nodes {
  readonly started: Started[] = [];
  readonly #installation: Installation;
  readonly #home: string;

  /** `home`: a folder for keys and logs of the nodes, in the place of the user's own. */
  constructor(installation: Installation, home: string) {
    this.#installation = installation;
    this.#home = home;
  }

  get head(): Started {
    return this.started[0];
  }

  /** The first one is the head's. `args` are further flags of `iono start`. Resolves when it has joined. */
  async start(name: string, args: string[], place: Place = this.#here()): Promise<Started> {
    const joins =
      this.started.length === 0
        ? ["--head", "--port", "0", "--join-port", "0", "--token-life", "6h"]
        : ["--address", this.head.address, "--token", this.head.token];
    const argv = [...ionoCommand(this.#installation), "start", ...joins, "--name", name, ...args, "--json"];
    const output = await place.run(argv, { HOME: this.#home });
    const line = START_ENDED.exec(output)?.[0];
    if (line === undefined) throw new Error(`iono start did not say how it went:\n${output}`);
    const started = JSON.parse(line) as Started;
    this.started.push(started);
    running.add(started.pid);
    return started;
  }

  /** What a program needs to join. */
  get environment(): Record<string, string> {
    return { IONO_ADDRESS: this.head.address, IONO_TOKEN: this.head.token, HOME: this.#home };
  }

  /** A program of the installation that joins these nodes. */
  program(file: string, ...args: string[]): Command {
    const { cwd, nodeArgs } = this.#installation;
    return { argv: [process.execPath, ...nodeArgs, file, ...args], cwd, env: this.environment };
  }

  /** The process of a node whose title begins so: "iono head", "iono agent", "iono gateway". */
  processOf({ pid }: Started, title: string): number {
    const found = processTree(pid).find((each) => titleOf(each).startsWith(title));
    if (found === undefined) throw new Error(`there is no process "${title}" below ${pid}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [head, ...others] = this.started.splice(0);
    await Promise.all(others.map(({ pid }) => stop(pid)));
    if (head !== undefined) await stop(head.pid);
  }

  #here(): Place {
    const { cwd } = this.#installation;
    return {
      run: async ([file, ...args], env) => {
        const options = { cwd, env: { ...process.env, ...env }, timeout: START_LIMIT_MS };
        return (await promisify(execFile)(file, args, options)).stdout;
      },
    };
  }
}

/** Ends a node in order; kills what is left of it. */
async function stop(pid: number): Promise<void> {
  const tree = processTree(pid);
  signal(pid, "SIGTERM");
  for (let waited = 0; tree.some(isAlive) && waited < STOP_LIMIT_MS; waited += 50) await sleep(50);
  for (const each of tree) if (isAlive(each)) signal(each, "SIGKILL");
  running.delete(pid);
}

function isAlive(pid: number): boolean {
  // One that has ended and was not waited for by its parent has no command line.
  return titleOf(pid) !== "";
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
