/** Ray, measured on this machine: its microbenchmark, and what is timed and weighed from outside. */
import { join } from "node:path";
import { median, spread } from "../core/figure.ts";
import type { Figure } from "../core/figure.ts";
import { isWanted } from "../core/only.ts";
import type { Failed, Measured } from "../core/row.ts";
import { outsideFigures } from "../outside/figures.ts";
import { readJsonLines } from "../outside/json-lines.ts";
import { run } from "../outside/run.ts";
import type { Plan } from "../plan.ts";

/** One thread a process for numpy, which is Ray's default for its workers; and nothing sent home. */
export const RAY_ENVIRONMENT = { OMP_NUM_THREADS: "1", RAY_USAGE_STATS_ENABLED: "0" };

const here = (file: string): string => join(import.meta.dirname, file);

/** Ray's microbenchmark, but for the rows that are not wanted. */
export function rayRows(python: string, plan: Plan): Promise<(Measured | Failed)[]> {
  return timedRows(python, plan, "microbenchmark.py");
}

/** The rows that a program here has timed. */
export async function timedRows(python: string, plan: Plan, program: string): Promise<(Measured | Failed)[]> {
  const out = join(plan.folder, `ray-${program}-${plan.round}.jsonl`);
  const argv = [python, here(program), "--out", out, "--settle", String(plan.settleSeconds)];
  argv.push(...plan.only.flatMap((part) => ["--only", part]));
  if (plan.quick) argv.push("--quick");
  const failed = await failure(`Ray's ${program}`, () =>
    run({ argv, cwd: plan.folder, env: RAY_ENVIRONMENT }, { echo: true }),
  );
  const rows = readJsonLines<Omit<Measured, "unit">>(out).map((row) => ({ ...row, unit: "" }));
  return [...rows, ...failed];
}

/** Ray's cold start, idle memory and recovery, with its defaults; the first two also without its dashboard. */
export async function rayFigures(python: string, plan: Plan): Promise<(Figure | Failed)[]> {
  const command = (...args: string[]) => ({
    argv: [python, here("first_result.py"), ...args],
    cwd: plan.folder,
    env: RAY_ENVIRONMENT,
  });
  const lean = { ...plan, suffix: " (without dashboard)" };
  const figures: (Figure | Failed)[] = [];
  const failed = await failure("Ray's figures", async () => {
    figures.push(...(await outsideFigures({ first: command(), idle: command("idle") }, plan)));
    const leanCommands = { first: command("no-dashboard"), idle: command("idle", "no-dashboard") };
    figures.push(...(await outsideFigures(leanCommands, lean)));
    figures.push(...(await killedWorker(python, plan)));
  });
  return [...figures, ...failed];
}

/** A peer that fails must not cost what has been measured before it. */
export async function failure(name: string, attempt: () => Promise<unknown>): Promise<Failed[]> {
  try {
    await attempt();
    return [];
  } catch (error) {
    return [{ name, error: String(error) }];
  }
}

async function killedWorker(python: string, plan: Plan): Promise<Figure[]> {
  const name = "killed worker: its task runs again";
  if (!isWanted(name, plan.only)) return [];
  const argv = [python, here("killed_worker.py"), plan.quick ? "3" : "15"];
  const output = await run({ argv, cwd: plan.folder, env: RAY_ENVIRONMENT });
  const line = /^delays: (.*)$/m.exec(output)?.[1]; // Ray's own messages may stand before and after it
  if (line === undefined) throw new Error(`${name}: Ray's program did not print its delays`);
  const delays = JSON.parse(line) as number[];
  return [{ name, value: median(delays), unit: "s", note: `${spread(delays, 2)} s` }];
}
