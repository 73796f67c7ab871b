/** iono, measured: the rows of Ray's microbenchmark, and the figures beside them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../core/figure.ts";
import { isWanted } from "../core/only.ts";
import type { Failed, Measured } from "../core/row.ts";
import { outsideFigures } from "../outside/figures.ts";
import { readJsonLines } from "../outside/json-lines.ts";
import { run } from "../outside/run.ts";
import type { Command } from "../outside/spawned.ts";
import type { Plan } from "../plan.ts";
import type { Installation } from "./install.ts";

/** Programs of figures, each in a process of its own, and the parts of the names they measure. */
const programs = [
  { file: "queued-tasks.ts", names: ["queued tasks"] },
  { file: "large-requests.ts", names: ["10000 refs as arguments", "one get of 10000 refs"] },
  { file: "working-set.ts", names: ["working set"] },
  { file: "killed-worker.ts", names: ["killed worker"] },
];

/** The rows that are wanted, all in one process. */
export async function ionoRows(installation: Installation, plan: Plan): Promise<(Measured | Failed)[]> {
  const out = join(plan.folder, `rows-${plan.round}.jsonl`);
  const args = ["--out", out, "--settle", String(plan.settleSeconds)];
  args.push(...plan.only.flatMap((part) => ["--only", part]), ...(plan.quick ? ["--quick"] : []));
  let died: string | undefined;
  try {
    await run(command(installation, "core/main.ts", ...args), { echo: true });
  } catch (error) {
    died = error instanceof Error ? error.message : String(error);
  }
  const rows = readJsonLines<Measured | Failed>(out);
  return died === undefined ? rows : [...rows, { name: "rows after these", error: died }];
}

/** The other figures that are wanted. */
export async function ionoFigures(installation: Installation, plan: Plan): Promise<(Figure | Failed)[]> {
  const figures: (Figure | Failed)[] = [];
  const first = command(installation, "core/programs/first-result.ts");
  const idle = command(installation, "core/programs/idle.ts");
  try {
    figures.push(...(await outsideFigures({ first, idle }, plan)));
  } catch (error) {
    figures.push({ name: "cold start and idle memory", error: String(error) });
  }
  for (const { file, names } of programs) {
    if (!names.some((name) => isWanted(name, plan.only) || plan.only.some((part) => part.includes(name))))
      continue;
    const out = join(plan.folder, `${file}-${plan.round}.json`);
    const args = ["--out", out, ...(plan.quick ? ["--quick"] : [])];
    try {
      await run(command(installation, `core/scale/${file}`, ...args), { echo: true });
    } catch (error) {
      figures.push({ name: names.join(", "), error: String(error) });
    }
    if (existsSync(out)) figures.push(...(JSON.parse(readFileSync(out, "utf8")) as Figure[]));
  }
  return figures;
}

function command({ cwd, nodeArgs }: Installation, file: string, ...args: string[]): Command {
  // The program of queued tasks weighs its memory after collections it asks for; the others run as users' do.
  const exposeGc = file.endsWith("queued-tasks.ts") ? ["--expose-gc"] : [];
  return { argv: [process.execPath, ...nodeArgs, ...exposeGc, file, ...args], cwd };
}
