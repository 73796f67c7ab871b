/**
 * Times rows on the cluster of the environment (`IONO_ADDRESS`, `IONO_TOKEN`):
 * `node mesh/programs/rates.ts --out <file> --rows far|client [--only <part of a name>]… [--settle <seconds>] [--quick]`.
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { init, shutdown } from "iono";
import { isWanted } from "../../core/only.ts";
import type { Failed, Measured } from "../../core/row.ts";
import { quickTiming, standardTiming, timeit } from "../../core/timeit.ts";
import { clientRows, farRows } from "./far-rows.ts";

const ROW_LIMIT_MS = 120_000;

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    rows: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    settle: { type: "string", default: String(standardTiming.settleMs / 1000) },
    quick: { type: "boolean", default: false },
  },
});
const { out, only, quick } = values;
if (out === undefined) throw new Error("--out <file> is missing");
const rows = values.rows === "client" ? clientRows : farRows;
const timing = quick ? quickTiming : { ...standardTiming, settleMs: 1000 * Number(values.settle) };

await init();
for (const row of rows.filter(({ name }) => isWanted(name, only))) {
  let result: Measured | Failed;
  try {
    result = await Promise.race([timeit(row, timing), rowLimit(row.name)]);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    result = { name: row.name, error: text };
  }
  appendFileSync(out, `${JSON.stringify(result)}\n`);
  console.log("error" in result ? `${row.name}: ${result.error}` : describe(result));
}
await shutdown();

async function rowLimit(name: string): Promise<never> {
  await sleep(ROW_LIMIT_MS, undefined, { ref: false });
  throw new Error(`${name}: not finished within ${ROW_LIMIT_MS / 1000} s`);
}

function describe({ name, mean, sd, unit }: Measured): string {
  return `${name}: ${mean.toFixed(2)} ± ${sd.toFixed(2)} ${unit}/s`;
}
