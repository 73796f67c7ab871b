/**
 * Large objects from node "source" to node "sink":
 * `node mesh/programs/transfer.ts --out <file> [--quick]` writes the seconds of each as a JSON array.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { get, init, remote, shutdown, wait } from "iono";

const { values } = parseArgs({
  options: { out: { type: "string" }, bytes: { type: "string" }, rounds: { type: "string" } },
});
const { out } = values;
if (out === undefined) throw new Error("--out <file> is missing");
const length = Number(values.bytes) / 8;

const make = remote((count: number, value: number) => new Float64Array(count).fill(value));
const read = remote((array: Float64Array) => [array.length, array[array.length - 1]]);
const source = { scheduling: { node: "source" } } as const;
const sink = { scheduling: { node: "sink" } } as const;

await init();
await get(read.options(sink).remote(new Float64Array(1)));
const seconds: number[] = [];
for (let round = 1; round <= Number(values.rounds); round++) {
  using ref = make.options(source).remote(length, round);
  await wait([ref]);
  const start = performance.now();
  const [count, last] = await get(read.options(sink).remote(ref));
  seconds.push((performance.now() - start) / 1000);
  if (count !== length || last !== round) throw new Error(`read ${count} numbers, the last of them ${last}`);
}
writeFileSync(out, JSON.stringify(seconds));
await shutdown();
