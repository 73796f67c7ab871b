/**
 * What one task costs, in CPU time and allocations, driver and worker apart, against budgets. Exits with 1
 * when a cost is over its budget by more than a quarter. `node --conditions=iono-source
 * benchmarks/profile-gate.ts`; `--help` tells the rest.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { init } from "iono";
import yargs from "yargs";
import { actorLoad, tasksLoad } from "./gate/loads.ts";
import { measure } from "./gate/measure.ts";
import type { Cost } from "./gate/measure.ts";

const BUDGETS = join(import.meta.dirname, "gate", "budgets.json");
const TOLERANCE = 1.25;
const costs: (keyof Cost)[] = ["driverCpuUs", "workerCpuUs", "otherCpuUs", "driverBytes", "workerBytes"];

const { update, batches } = yargs(process.argv.slice(2))
  .scriptName("benchmarks/profile-gate.ts")
  .usage("$0 [options]\n\nCPU time and allocations of one task, against gate/budgets.json.")
  .options({
    update: { type: "boolean", default: false, describe: "make what is measured the new budgets" },
    batches: { type: "number", default: 200, describe: "batches of 1,000 tasks" },
  })
  .check(({ batches }) => {
    if (Number.isInteger(batches) && batches >= 1) return true;
    throw new Error(`--batches must be a whole number from 1, not ${batches}`);
  })
  .example("$0 --update", "after a change that is worth its cost")
  .version(false)
  .strict()
  .parseSync();

await init({ numCpus: 1 });
const budgets = JSON.parse(readFileSync(BUDGETS, "utf8")) as Record<string, Cost>;
const measured: Record<string, Cost> = {};
let isOver = false;
for (const makeLoad of [tasksLoad, actorLoad]) {
  const load = makeLoad();
  const { tasksPerSecond, ...cost } = await measure(load, batches);
  measured[load.name] = cost;
  console.log(`${load.name}: ${Math.round(tasksPerSecond).toLocaleString("en")} tasks/s`);
  for (const name of costs) {
    const budget = budgets[load.name]?.[name];
    const over = budget !== undefined && cost[name] > budget * TOLERANCE;
    isOver ||= over;
    const against = budget === undefined ? "no budget" : `budget ${budget}`;
    console.log(
      `  ${name.padEnd(12)} ${cost[name].toFixed(2).padStart(8)}  ${against}${over ? "  OVER" : ""}`,
    );
  }
}

if (update) {
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toPrecision(3)) : value;
  writeFileSync(BUDGETS, `${JSON.stringify(measured, rounded, 2)}\n`);
  console.log(`Saved as the budgets: ${BUDGETS}`);
} else if (isOver) {
  console.log(
    "Over budget by more than a quarter: make it cheaper, or say why it is worth it and run with --update.",
  );
  process.exitCode = 1;
}
