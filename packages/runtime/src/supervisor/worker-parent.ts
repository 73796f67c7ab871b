/** The supervisor as the parent of workers: starts them for the agent, tells how they end, and what they print. */
import { spawn, type ChildProcess } from "node:child_process";
import type { FromChild, ToChild } from "./messages.ts";

/** How long the output of a process that has ended may take to arrive: a child of it may hold it open for ever. */
const lastOutputMs = 250;

export class WorkerParent {
  readonly #tell: (message: ToChild) => void;
  readonly #workers = new Map<number, ChildProcess>();

  /** @param tell to the agent. */
  constructor(tell: (message: ToChild) => void) {
    this.#tell = tell;
  }

  get pids(): number[] {
    return [...this.#workers.values()].map(({ pid }) => pid ?? 0);
  }

  start({ number, args, env }: Extract<FromChild, { t: "start worker" }>): void {
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#workers.set(number, child);
    for (const stream of ["stdout", "stderr"] as const)
      child[stream]
        ?.setEncoding("utf8")
        .on("data", (text: string) => this.#tell({ t: "worker output", number, stream, text }));
    let isOver = false;
    const ended = (code: number | null, signal: NodeJS.Signals | null, error: string): void => {
      if (isOver) return;
      isOver = true;
      this.#workers.delete(number);
      this.#tell({ t: "worker ended", number, code, signal, error });
    };
    child.on("error", ({ message }) => ended(null, null, message));
    child.on("exit", (code, signal) => {
      // What it had started, and still runs, goes with it.
      killGroup(child);
      const end = (): void => ended(code, signal, "");
      child.once("close", end);
      setTimeout(end, lastOutputMs);
    });
    if (child.pid !== undefined) this.#tell({ t: "worker started", number, pid: child.pid });
  }

  kill(number: number): void {
    const child = this.#workers.get(number);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (!killGroup(child)) child.kill("SIGKILL");
  }

  /** The agent is gone, and what its workers do is for nobody. Resolves when all have ended. */
  async killAll(): Promise<void> {
    const children = [...this.#workers.values()];
    const ends = children.map((child) => new Promise<void>((resolve) => child.once("exit", () => resolve())));
    for (const number of [...this.#workers.keys()]) this.kill(number);
    await Promise.all(ends);
  }
}

function killGroup({ pid }: ChildProcess): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}
