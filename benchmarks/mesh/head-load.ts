/** What the head has to do with tasks that an owner sends to another node: next to nothing. */
import { readFileSync } from "node:fs";
import type { Figure } from "../core/figure.ts";
import { cpuMicros } from "../outside/process-tree.ts";
import type { Bench } from "./bench.ts";
import { manyTasks } from "./many-tasks.ts";
import { names } from "./names.ts";
import { Nodes } from "./nodes.ts";

export async function headLoad({ installation, plan, home }: Bench): Promise<Figure[]> {
  const tasks = plan.quick ? 20_000 : 1_000_000;
  await using nodes = new Nodes(installation, home);
  const started = await nodes.start("head", ["--cpus", "0"]);
  await nodes.start("other", ["--cpus", "1", "--host", "127.0.0.1"]);
  const head = nodes.processOf(started, "iono head");
  const gateway = nodes.processOf(started, "iono gateway");
  const look = () => ({ head: cpuMicros(head), gateway: cpuMicros(gateway), bytes: ioBytes(head) });
  const { before, after, rounds } = await manyTasks(nodes, plan, { tasks }, look);
  const [{ seconds }] = rounds;
  const thousands = tasks / 1000;
  const gatewayMicros = ((after.gateway - before.gateway) / thousands).toFixed(1);
  return [
    {
      name: names.headCpu,
      value: (after.head - before.head) / thousands,
      unit: "µs",
      note: `${tasks} tasks in ${seconds.toFixed(2)} s; its gateway ${gatewayMicros} µs; to a tick of 10 ms in all`,
    },
    {
      name: names.headBytes,
      value: (after.bytes - before.bytes) / thousands,
      unit: "B",
      note: "read and written by the head's process",
    },
  ];
}

/** Bytes that a process has read and written, of whatever kind. */
function ioBytes(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? 0);
  return field("rchar") + field("wchar");
}
