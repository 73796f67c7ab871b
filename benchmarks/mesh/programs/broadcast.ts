/**
 * An object of node "source" to one node, and to many:
 * `node mesh/programs/broadcast.ts --out <file> --bytes <n> --sinks <name>,<name>,…` writes
 * `{ one: { seconds, sent }, all: { seconds, sent } }`; `sent` is what the link of the source has carried.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { get, init, remote, shutdown, wait } from "iono";

const { values } = parseArgs({
  options: { out: { type: "string" }, bytes: { type: "string" }, sinks: { type: "string" } },
});
const { out, sinks: names } = values;
if (out === undefined || names === undefined) throw new Error("--out and --sinks are needed");
const length = Number(values.bytes) / 8;
const sinks = names.split(",");
const on = (node: string) => ({ scheduling: { node } }) as const;

const make = remote((count: number, value: number) => new Float64Array(count).fill(value));
const read = remote((array: Float64Array) => array[array.length - 1]);
/** Bytes that the first device but the loopback has sent. */
const sent = remote(async () => {
  const { readFile } = await import("node:fs/promises");
  const line = /^ *eth0: *(.*)$/m.exec(await readFile("/proc/self/net/dev", "utf8"))?.[1];
  if (line === undefined) throw new Error("there is no eth0");
  return Number(line.split(/ +/)[8]);
});

async function measure(to: string[], value: number): Promise<{ seconds: number; sent: number }> {
  using ref = make.options(on("source")).remote(length, value);
  await wait([ref]);
  const before = await get(sent.options(on("source")).remote());
  const start = performance.now();
  const read_ = await get(to.map((name) => read.options(on(name)).remote(ref)));
  const seconds = (performance.now() - start) / 1000;
  if (read_.some((last) => last !== value)) throw new Error(`read ${read_.join(", ")} and not ${value}`);
  return { seconds, sent: (await get(sent.options(on("source")).remote())) - before };
}

await init();
// The workers are there, and have the function.
await get(sinks.map((name) => read.options(on(name)).remote(new Float64Array(1))));
const one = await measure(sinks.slice(0, 1), 1);
const all = await measure(sinks, 2);
writeFileSync(out, JSON.stringify({ one, all }));
await shutdown();
