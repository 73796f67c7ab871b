/** The figures of several nodes that are no rates: each in a cluster of its own. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { median, spread } from "../core/figure.ts";
import type { Figure } from "../core/figure.ts";
import { isWanted } from "../core/only.ts";
import type { Failed } from "../core/row.ts";
import type { Installation } from "../iono/install.ts";
import { run } from "../outside/run.ts";
import type { Plan } from "../plan.ts";
import { outputOf } from "./bench.ts";
import type { Bench } from "./bench.ts";
import { broadcast } from "./broadcast.ts";
import { manyAgents } from "./many-agents.ts";
import { headLoad } from "./head-load.ts";
import { Nodes, runtimeFolder } from "./nodes.ts";
import { names } from "./names.ts";

const GiB = 2 ** 30;

const measures: { names: readonly string[]; measure(bench: Bench): Promise<Figure[]> }[] = [
  { names: [names.transfer, names.bare, names.transferByBare], measure: transfer },
  { names: [names.broadcastTime, names.broadcastBytes], measure: broadcast },
  { names: [names.join], measure: joining },
  { names: [names.headCpu, names.headBytes], measure: headLoad },
  { names: [names.agentJoin, names.agentsJoined, names.agentsTasks], measure: manyAgents },
];

/** The figures that are wanted; one that fails does not cost the others. */
export async function meshFigures(installation: Installation, plan: Plan): Promise<(Figure | Failed)[]> {
  const figures: (Figure | Failed)[] = [];
  for (const { names: of, measure } of measures) {
    if (!of.some((name) => isWanted(name, plan.only))) continue;
    const home = join(plan.folder, "home");
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    try {
      const measured = await measure({ installation, plan, home });
      for (const { name, value, unit, note } of measured)
        console.log(`${name}: ${value.toPrecision(4)} ${unit} (${note ?? ""})`);
      figures.push(...measured);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      figures.push({ name: of[0], error: text });
      console.log(`${of[0]}: ${text}`);
    }
  }
  return figures;
}

async function transfer({ installation, plan, home }: Bench): Promise<Figure[]> {
  const bytes = plan.quick ? GiB / 4 : GiB;
  const rounds = String(plan.quick ? 2 : 5);
  const out = join(plan.folder, "transfer.json");
  const args = ["--out", out, "--bytes", String(bytes), "--rounds", rounds];
  await using nodes = new Nodes(installation, home);
  await nodes.start("head", ["--cpus", "0"]);
  for (const name of ["source", "sink"])
    await nodes.start(name, ["--cpus", "1", "--host", "127.0.0.1", "--object-store", "3GiB"]);
  const { cwd, nodeArgs } = installation;
  const bare = {
    argv: [
      process.execPath,
      ...nodeArgs,
      "mesh/programs/bare.ts",
      ...args,
      "--zeromq",
      runtimeFolder(installation),
    ],
    cwd,
  };
  await run(bare, { echo: true });
  const bareRates = rates(bytes, outputOf<number[]>(out));
  await run(nodes.program("mesh/programs/transfer.ts", ...args), { echo: true });
  const own = rates(bytes, outputOf<number[]>(out));
  const size = `${bytes / 2 ** 20} MiB`;
  return [
    { name: names.transfer, value: median(own), unit: "MB/s", note: `${size} each; ${spread(own, 0)}` },
    {
      name: names.bare,
      value: median(bareRates),
      unit: "MB/s",
      note: `${size} each; ${spread(bareRates, 0)}`,
    },
    {
      name: names.transferByBare,
      value: median(bareRates) / median(own),
      unit: "×",
      note: "1.25 is 0.8 of its rate",
    },
  ];
}

function rates(bytes: number, seconds: number[]): number[] {
  return seconds.map((each) => bytes / 1e6 / each);
}

/** From the command to a node that works, as who types it sees it. */
async function joining({ installation, plan, home }: Bench): Promise<Figure[]> {
  await using nodes = new Nodes(installation, home);
  await nodes.start("head", ["--cpus", "0"]);
  const seconds: number[] = [];
  for (let i = 0; i < (plan.quick ? 2 : 10); i++) {
    const start = performance.now();
    await nodes.start(`node-${i}`, ["--cpus", "1", "--object-store", "64MiB"]);
    seconds.push((performance.now() - start) / 1000);
  }
  return [
    {
      name: names.join,
      value: median(seconds),
      unit: "s",
      note: `\`iono start\` to its end: ${spread(seconds, 2)}`,
    },
  ];
}
