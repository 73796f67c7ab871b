/** Many nodes on this machine: how soon all have joined, and what they do with tasks that do nothing. */
import { median, spread, type Figure } from "../core/figure.ts";
import { pssBytes } from "../outside/process-tree.ts";
import { Agents } from "./agents.ts";
import type { Bench } from "./bench.ts";
import { manyTasks } from "./many-tasks.ts";
import { names } from "./names.ts";
import { Nodes } from "./nodes.ts";

/** So many start at a time. */
const AT_A_TIME = 4;
const ALONE = 5;
const TASK_MS = 5;

export async function manyAgents({ installation, plan, home }: Bench): Promise<Figure[]> {
  const count = plan.quick ? 10 : 100;
  const tasks = plan.quick ? 10_000 : 100_000;
  await using nodes = new Nodes(installation, home);
  const head = await nodes.start("head", ["--cpus", "0"]);
  await using agents = new Agents(installation, head);
  const start = performance.now();
  let begun = 0;
  const startOne = async (): Promise<void> => {
    while (begun < count) await agents.start(`agent-${++begun}`);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, startOne));
  const joined = (performance.now() - start) / 1000;
  const memory = agents.joined.reduce((sum, { pid }) => sum + pssBytes(pid), 0) / count / 1e6;
  // Tasks that do nothing would all be done by the first worker, before there is another.
  const work = { tasks, ms: TASK_MS, rounds: 2 };
  const [first, second] = (await manyTasks(nodes, plan, work, () => {})).rounds;
  // One at a time, when the others rest.
  const alone: number[] = [];
  for (let i = 1; i <= (plan.quick ? 2 : ALONE); i++) alone.push((await agents.start(`alone-${i}`)).seconds);
  const beside = `${AT_A_TIME} at a time, of ${memory.toFixed(0)} MB each`;
  return [
    {
      name: names.agentJoin,
      value: median(alone),
      unit: "s",
      note: `without a supervisor: ${spread(alone, 2)}`,
    },
    { name: names.agentsJoined, value: joined, unit: "s", note: `${count} agents, ${beside}` },
    {
      name: names.agentsTasks,
      value: second.seconds,
      unit: "s",
      note: `${tasks}, on ${second.nodes} nodes: at best ${(tasks * TASK_MS) / 1000 / count} s; the first time, with the start of their workers, ${first.seconds.toFixed(1)} s on ${first.nodes}`,
    },
  ];
}
