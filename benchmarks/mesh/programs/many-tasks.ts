/**
 * `node mesh/programs/many-tasks.ts --out <file> --tasks <n>` gives the cluster so many tasks at once; it prints "ready"
 * when one task was done, waits for a line on its input, and writes `{ seconds, nodes }`: how long all took, and on how
 * many nodes they ran. It ends with its input.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { get, init, remote, runtimeContext, shutdown } from "iono";

const { values } = parseArgs({ options: { out: { type: "string" }, tasks: { type: "string" } } });
const { out } = values;
if (out === undefined) throw new Error("--out <file> is missing");
const count = Number(values.tasks);

const where = remote(() => runtimeContext().nodeId);

await init();
await get(where.remote());
console.log("ready");
await once(process.stdin, "data");
const start = performance.now();
const nodes = await get(Array.from({ length: count }, () => where.remote()));
const seconds = (performance.now() - start) / 1000;
writeFileSync(out, JSON.stringify({ seconds, nodes: new Set(nodes).size }));
console.log("done");
await once(process.stdin.resume(), "end");
await shutdown();
