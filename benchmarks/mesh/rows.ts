/** The rows of work on another node, each kind on a cluster of its own. */
import { cpus } from "node:os";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isWanted } from "../core/only.ts";
import type { Failed, Measured } from "../core/row.ts";
import type { Installation } from "../iono/install.ts";
import { readJsonLines } from "../outside/json-lines.ts";
import { run } from "../outside/run.ts";
import type { Plan } from "../plan.ts";
import { Nodes } from "./nodes.ts";
import { farRowNames, clientRowNames } from "./row-names.ts";

/** The rows that are wanted. */
export async function meshRows(installation: Installation, plan: Plan): Promise<(Measured | Failed)[]> {
  const all = String(cpus().length);
  const far = await rowsOf("far", farRowNames, installation, plan, async (nodes) => {
    await nodes.start("head", ["--cpus", "0"]);
    await nodes.start("other", ["--cpus", all, "--host", "127.0.0.1"]);
  });
  const client = await rowsOf("client", clientRowNames, installation, plan, async (nodes) => {
    await nodes.start("head", ["--cpus", all]);
  });
  return [...far, ...client];
}

async function rowsOf(
  kind: "far" | "client",
  names: readonly string[],
  installation: Installation,
  plan: Plan,
  start: (nodes: Nodes) => Promise<void>,
): Promise<(Measured | Failed)[]> {
  if (!names.some((name) => isWanted(name, plan.only))) return [];
  const home = join(plan.folder, "home");
  mkdirSync(home, { recursive: true });
  const out = join(plan.folder, `${kind}-${plan.round}.jsonl`);
  const args = ["--out", out, "--rows", kind, "--settle", String(plan.settleSeconds)];
  args.push(...plan.only.flatMap((part) => ["--only", part]), ...(plan.quick ? ["--quick"] : []));
  const failed: Failed[] = [];
  try {
    await using nodes = new Nodes(installation, home);
    await start(nodes);
    await run(nodes.program("mesh/programs/rates.ts", ...args), { echo: true });
  } catch (error) {
    failed.push({ name: `${kind} rows after these`, error: String(error) });
    console.log(String(error));
  }
  return [...readJsonLines<Measured | Failed>(out), ...failed];
}
