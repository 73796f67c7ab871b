/**
 * `node mesh/programs/many-tasks.ts --out <file> --tasks <n> [--ms <n>] [--rounds <n>]` gives the cluster so many tasks at
 * once, each of which waits so long; it prints "ready" when one task was done, waits for a line on its input, and writes
 * `{ seconds, nodes }` of each round: how long all took, and on how many nodes they ran. It ends with its input.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { get, init, remote, runtimeContext, shutdown } from "iono";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    tasks: { type: "string" },
    ms: { type: "string", default: "0" },
    rounds: { type: "string", default: "1" },
  },
});
const { out } = values;
if (out === undefined) throw new Error("--out <file> is missing");
const count = Number(values.tasks);
const ms = Number(values.ms);

const quick = remote(() => runtimeContext().nodeId);
const waiting = remote(async (milliseconds: number) => {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return runtimeContext().nodeId;
});
const submit = () => (ms === 0 ? quick.remote() : waiting.remote(ms));

await init();
await get(submit());
console.log("ready");
await once(process.stdin, "data");
const rounds: { seconds: number; nodes: number }[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const start = performance.now();
  const nodes = await get(Array.from({ length: count }, submit));
  rounds.push({ seconds: (performance.now() - start) / 1000, nodes: new Set(nodes).size });
}
writeFileSync(out, JSON.stringify(rounds));
console.log("done");
await once(process.stdin.resume(), "end");
await shutdown();
