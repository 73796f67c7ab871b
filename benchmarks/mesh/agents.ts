/**
 * Agents without supervisors: this process stands in for all of theirs. So many agents fit where as many `iono start`
 * would not, and the time of an agent alone shows.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Installation } from "../iono/install.ts";
import { isSource } from "./nodes.ts";

const JOIN_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 20_000;
const MiB = 2 ** 20;

/** An agent that has joined. */
export interface JoinedAgent {
  pid: number;
  /** From its spawning to its report that it has joined. */
  seconds: number;
}

export class Agents {
  readonly joined: JoinedAgent[] = [];
  readonly #installation: Installation;
  readonly #join: { address: string; token: string };
  readonly #children: ChildProcess[] = [];

  constructor(installation: Installation, join_: { address: string; token: string }) {
    this.#installation = installation;
    this.#join = join_;
  }

  /** Starts one with one CPU and at most one worker. Resolves when it has joined. */
  async start(name: string): Promise<JoinedAgent> {
    const { cwd, nodeArgs } = this.#installation;
    const runtime = runtimeFolder(this.#installation);
    const extension = isSource(this.#installation) ? "ts" : "js";
    const boot = {
      supervisorPid: process.pid,
      node: {
        name,
        resources: { CPU: 10_000 },
        labels: {},
        objectStoreBytes: 64 * MiB,
        spillDir: "",
        maxWorkers: 1,
      },
      directory: cwd,
      worker: { execArgv: nodeArgs, file: join(runtime, `worker/bin.${extension}`) },
      cluster: { ...this.#join, keys: null, gateway: null, endpoint: "" },
    };
    const start = performance.now();
    const argv = [...nodeArgs, "--no-warnings", join(runtime, `agent/cluster-bin.${extension}`)];
    const child = spawn(process.execPath, argv, {
      cwd,
      env: { ...process.env, IONO_BOOT: JSON.stringify(boot) },
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      detached: true,
    });
    this.#children.push(child);
    await report(name, child);
    const joined = { pid: child.pid ?? 0, seconds: (performance.now() - start) / 1000 };
    this.joined.push(joined);
    return joined;
  }

  /** They end when their supervisor does not speak to them any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.splice(0).map(stop));
  }
}

/** Where the files of the runtime's processes are. */
function runtimeFolder(installation: Installation): string {
  const { cwd } = installation;
  if (isSource(installation)) return join(cwd, "..", "packages", "runtime", "src");
  const folder = join(cwd, "node_modules", "@iono", "runtime", "dist");
  if (!existsSync(folder)) throw new Error(`${folder} is not there`);
  return folder;
}

/** Its first words to its supervisor: that it has joined, or why not. */
function report(name: string, child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`${name} has not joined in time`)), JOIN_LIMIT_MS);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    };
    (child.stdio[3] as Readable).on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("joined")) settle();
      else if (text.includes("failed")) settle(new Error(`${name} has not joined: ${text}`));
    });
    child.once("error", settle);
    child.once("exit", (code, signal) => settle(new Error(`${name} ended with ${signal ?? code}`)));
  });
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    (child.stdio[3] as Readable).destroy();
  });
}
