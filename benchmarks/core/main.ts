/**
 * Times rows in this process, one after the other, as Ray's microbenchmark does:
 * `node core/main.ts --out <file> [--only <part of a name>]… [--settle <seconds>] [--quick]`.
 * Writes one JSON line a row to the file, so that what is printed by tasks does not get in between.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { isWanted } from "./only.ts";
import type { Failed, Measured } from "./row.ts";
import { rows } from "./rows/index.ts";
import { quickTiming, standardTiming, timeit } from "./timeit.ts";

const ROW_LIMIT_MS = 180_000;

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    settle: { type: "string", default: String(standardTiming.settleMs / 1000) },
    quick: { type: "boolean", default: false },
  },
});
const { out, only, quick } = values;
if (out === undefined) throw new Error("--out <file> is missing");
const timing = quick ? quickTiming : { ...standardTiming, settleMs: 1000 * Number(values.settle) };

for (const row of rows.filter(({ name }) => isWanted(name, only))) {
  let result: Measured | Failed;
  try {
    result = await Promise.race([timeit(row, timing), rowLimit(row.name)]);
  } catch (error) {
    result = {
      name: row.name,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
  appendFileSync(out, `${JSON.stringify(result)}\n`);
  console.log(describe(result));
}

/** A row that hangs is given up, so that those after it are measured. */
async function rowLimit(name: string): Promise<never> {
  await sleep(ROW_LIMIT_MS, undefined, { ref: false });
  throw new Error(`${name}: not finished within ${ROW_LIMIT_MS / 1000} s`);
}

function describe(result: Measured | Failed): string {
  if ("error" in result) return `${result.name}: ${result.error}`;
  return `${result.name}: ${result.mean.toFixed(2)} ± ${result.sd.toFixed(2)} ${result.unit}/s`;
}
