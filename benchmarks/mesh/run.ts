/**
 * Measures iono and Ray on several nodes of this machine, in this run, and prints and saves the table:
 * `node benchmarks/mesh/run.ts`; `--help` tells the rest.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import yargs from "yargs";
import { fromSource, fromTarballs, ionoVersion } from "../iono/install.ts";
import { rayMeshFigures, rayMeshRows } from "../peers/ray-nodes.ts";
import { RAY_VERSION, rayPython } from "../peers/venv.ts";
import type { Plan } from "../plan.ts";
import { compareFigures, compareRows } from "../report/comparison.ts";
import type { Round } from "../report/comparison.ts";
import { describeMachine } from "../report/machine.ts";
import { saveReport } from "../report/save.ts";
import { toMarkdown } from "../report/table.ts";
import type { Report } from "../report/table.ts";
import { meshFigures } from "./figures.ts";
import { meshRows } from "./rows.ts";

const options = yargs(process.argv.slice(2))
  .scriptName("benchmarks/mesh/run.ts")
  .usage(
    "$0 [options]\n\nMeasures iono, from packed tarballs, and Ray, from pip, in one run, on clusters of nodes on this machine.",
  )
  .options({
    only: { type: "string", array: true, default: [], describe: "rows and figures whose name holds this" },
    peers: { type: "boolean", default: true, describe: "also measure Ray (--no-peers: iono alone)" },
    quick: {
      type: "boolean",
      default: false,
      describe: "seconds instead of minutes; not for the record",
    },
    source: {
      type: "boolean",
      default: false,
      describe: "the workspace's sources instead of tarballs; not for the record",
    },
    settle: {
      type: "number",
      default: 10,
      describe: "seconds before each row, on both sides; Ray's default is 10",
    },
    rounds: { type: "number", default: 1, describe: "iono, Ray, iono, Ray, …; the table shows medians" },
    out: {
      type: "string",
      describe: "folder of the saved table; benchmarks/results for a full run, none for a part",
    },
  })
  .check(({ rounds, settle }) => {
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds must be a whole number from 1, not ${rounds}`);
    if (!(settle >= 0)) throw new Error(`--settle must be seconds, 0 or more, not ${settle}`);
    return true;
  })
  .example('$0 --only "to another node" --no-peers', "some rows, iono alone")
  .version(false)
  .strict()
  .parseSync();

const python = options.peers ? await rayPython() : undefined;
const machine = describeMachine({
  iono: ionoVersion(),
  ...(python !== undefined && {
    python: execFileSync(python, ["--version"], { encoding: "utf8" }).trim(),
    ray: RAY_VERSION,
  }),
});

const scratch = mkdtempSync(join(tmpdir(), "iono-mesh-"));
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => process.exit(1)); // ends the nodes
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
const report: Report = {
  machine,
  command: ["node benchmarks/mesh/run.ts", ...process.argv.slice(2)].join(" "),
  rounds: options.rounds,
  ...(await measure()),
};
console.log(`\n${toMarkdown(report)}`);
const isPart = options.quick || options.source || options.only.length > 0;
const folder = options.out ?? (isPart ? undefined : join(import.meta.dirname, "..", "results"));
if (folder !== undefined) console.log(`Saved: ${saveReport(report, folder, "mesh").markdown} and .json`);
const isComplete = [...report.rows, ...report.figures].every(({ error }) => error === undefined);
process.exitCode = isComplete ? 0 : 1;

async function measure(): Promise<Pick<Report, "rows" | "figures">> {
  const installation = options.source ? fromSource() : await fromTarballs(join(scratch, "installed"));
  const iono: Round[] = [];
  const ray: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const plan = planOf(round);
    console.log(`\nRound ${round}: iono`);
    iono.push({ rows: await meshRows(installation, plan), figures: await meshFigures(installation, plan) });
    if (python === undefined) continue;
    console.log(`\nRound ${round}: Ray`);
    ray.push({ rows: await rayMeshRows(python, plan), figures: await rayMeshFigures(python, plan) });
  }
  return { rows: compareRows(iono, ray), figures: compareFigures(iono, ray) };
}

function planOf(round: number): Plan {
  const folder = join(scratch, "measured");
  mkdirSync(folder, { recursive: true });
  return { folder, round, only: options.only, quick: options.quick, settleSeconds: options.settle };
}
