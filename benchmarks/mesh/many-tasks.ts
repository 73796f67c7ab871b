/** Runs `programs/many-tasks.ts` on a cluster, and looks around just before and after. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Plan } from "../plan.ts";
import { outputOf } from "./bench.ts";
import type { Nodes } from "./nodes.ts";

const LIMIT_MS = 300_000;

export interface ManyTasks<T> {
  seconds: number;
  /** On how many nodes they ran. */
  nodes: number;
  before: T;
  after: T;
}

/** Gives the cluster `tasks` tasks at once. */
export async function manyTasks<T>(
  nodes: Nodes,
  plan: Plan,
  tasks: number,
  look: () => T,
): Promise<ManyTasks<T>> {
  const out = join(plan.folder, "many-tasks.json");
  const { argv, cwd, env } = nodes.program(
    "mesh/programs/many-tasks.ts",
    "--out",
    out,
    "--tasks",
    String(tasks),
  );
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
    return { ...outputOf<{ seconds: number; nodes: number }>(out), before, after };
  } finally {
    child.stdin.end();
    await ended;
    clearTimeout(timer);
  }
}
