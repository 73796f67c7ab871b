/**
 * Agents without a supervisor each: one process stands in for all of those (stand-in.ts). So a hundred nodes fit on a
 * small machine, and the time of an agent alone shows.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Installation } from "../iono/install.ts";
import { isSource, runtimeFolder } from "./nodes.ts";
import type { StandInAnswer, StandInOptions } from "./stand-in.ts";

const JOIN_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 20_000;

/** An agent that has joined. */
export interface JoinedAgent {
  pid: number;
  /** From its spawning to its report that it has joined. */
  seconds: number;
}

export class Agents {
  readonly joined: JoinedAgent[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<string, (answer: StandInAnswer) => void>();

  constructor(installation: Installation, { address, token }: { address: string; token: string }) {
    const { cwd, nodeArgs } = installation;
    const [folder, extension] = isSource(installation)
      ? [join(runtimeFolder(installation), "src"), "ts"]
      : [join(runtimeFolder(installation), "dist"), "js"];
    const options: StandInOptions = {
      agentFile: join(folder, `agent/cluster-bin.${extension}`),
      worker: { execArgv: nodeArgs, file: join(folder, `worker/bin.${extension}`) },
      directory: cwd,
      address,
      token,
    };
    const file = join(import.meta.dirname, "stand-in.ts");
    const argv = ["--conditions=iono-source", "--no-warnings", file, JSON.stringify(options)];
    const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#ended = once(child, "close");
    createInterface(child.stdout).on("line", (line) => {
      const answer = JSON.parse(line) as StandInAnswer;
      this.#waiting.get(answer.name)?.(answer);
    });
  }

  /** Starts one with one CPU and at most one worker. Resolves when it has joined. */
  async start(name: string): Promise<JoinedAgent> {
    const late = new Error(`${name} has not joined within ${JOIN_LIMIT_MS / 1000} s`);
    const answer = await new Promise<StandInAnswer>((resolve, reject) => {
      const timer = setTimeout(() => reject(late), JOIN_LIMIT_MS);
      this.#waiting.set(name, (heard) => {
        clearTimeout(timer);
        resolve(heard);
      });
      this.#child.stdin?.write(`${name}\n`);
    });
    this.#waiting.delete(name);
    if ("error" in answer) throw new Error(`${name} has not joined: ${answer.error}`);
    this.joined.push(answer);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    this.#child.stdin?.end();
    await this.#ended;
    clearTimeout(timer);
  }
}
