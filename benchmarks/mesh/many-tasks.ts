/** Runs `programs/many-tasks.ts` on a cluster, and looks around just before and after. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Plan } from "../plan.ts";
import { outputOf } from "./bench.ts";
import type { Nodes } from "./nodes.ts";

const LIMIT_MS = 300_000;

export interface ManyTasks {
  /** Given to the cluster at once. */
  tasks: number;
  /** How long each of them waits. */
  ms?: number;
  rounds?: number;
}

/** What came of them, a round, and what `look` saw just before and after. */
export interface Looked<T> {
  rounds: { seconds: number; nodes: number }[];
  before: T;
  after: T;
}

export async function manyTasks<T>(
  nodes: Nodes,
  plan: Plan,
  { tasks, ms = 0, rounds = 1 }: ManyTasks,
  look: () => T,
): Promise<Looked<T>> {
  const out = join(plan.folder, "many-tasks.json");
  const flags = ["--out", out, "--tasks", String(tasks), "--ms", String(ms), "--rounds", String(rounds)];
  const { argv, cwd, env } = nodes.program("mesh/programs/many-tasks.ts", ...flags);
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const ended = once(child, "close");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const hear = async (wanted: string): Promise<void> => {
    for (let line = await lines.next(); line.value !== wanted; line = await lines.next())
      if (line.done === true) throw new Error(`the program ended before it was ${wanted}`);
  };
  try {
    await hear("ready");
    const before = look();
    child.stdin.write("go\n");
    await hear("done");
    const after = look();
    return { rounds: outputOf<Looked<T>["rounds"]>(out), before, after };
  } finally {
    child.stdin.end();
    await ended;
    clearTimeout(timer);
  }
}
