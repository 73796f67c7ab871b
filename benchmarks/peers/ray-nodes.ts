/** Ray on several nodes of this machine: its fixture for that, and its client. */
import { join } from "node:path";
import { median, spread } from "../core/figure.ts";
import type { Figure } from "../core/figure.ts";
import { isWanted } from "../core/only.ts";
import type { Failed, Measured } from "../core/row.ts";
import { names } from "../mesh/names.ts";
import { clientRowNames, farRowNames } from "../mesh/row-names.ts";
import { run } from "../outside/run.ts";
import type { Plan } from "../plan.ts";
import { failure, RAY_ENVIRONMENT, timedRows } from "./ray.ts";

const GiB = 2 ** 30;

/** The rows of work on another node, and those of Ray's client, that are wanted. */
export async function rayMeshRows(python: string, plan: Plan): Promise<(Measured | Failed)[]> {
  const rows: (Measured | Failed)[] = [];
  if (farRowNames.some((name) => isWanted(name, plan.only)))
    rows.push(...(await timedRows(python, plan, "multi_node.py")));
  if (clientRowNames.some((name) => isWanted(name, plan.only)))
    rows.push(...(await timedRows(python, plan, "client_microbenchmark.py")));
  return rows;
}

/** Ray's rate between two nodes, and how long a node takes to join. */
export async function rayMeshFigures(python: string, plan: Plan): Promise<(Figure | Failed)[]> {
  const isTransfer = isWanted(names.transfer, plan.only);
  const isJoin = isWanted(names.join, plan.only);
  if (!isTransfer && !isJoin) return [];
  const bytes = plan.quick ? GiB / 4 : GiB;
  const few = plan.quick ? 2 : 5;
  const figures: Figure[] = [];
  const failed = await failure("Ray's figures of several nodes", async () => {
    const file = join(import.meta.dirname, "multi_node_figures.py");
    const argv = [python, file, String(bytes), String(isTransfer ? few : 0), String(isJoin ? few : 0)];
    const output = await run({ argv, cwd: plan.folder, env: RAY_ENVIRONMENT });
    const line = /^figures: (.*)$/m.exec(output)?.[1]; // Ray's own messages may stand before and after it
    if (line === undefined) throw new Error("Ray's program did not print its figures");
    const { transfer, join: joins } = JSON.parse(line) as { transfer: number[]; join: number[] };
    const rates = transfer.map((seconds) => bytes / 1e6 / seconds);
    if (rates.length > 0)
      figures.push({ name: names.transfer, value: median(rates), unit: "MB/s", note: spread(rates, 0) });
    if (joins.length > 0)
      figures.push({
        name: names.join,
        value: median(joins),
        unit: "s",
        note: `Cluster.add_node: ${spread(joins, 2)}`,
      });
  });
  return [...figures, ...failed];
}
