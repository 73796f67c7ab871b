/**
 * A mixed load for minutes on end, which must end with what it started with: bytes in the store, file
 * descriptors, mappings, memory, processes. `node --expose-gc --conditions=iono-source benchmarks/soak.ts`;
 * `--help` tells the rest.
 */
import { availableParallelism } from "node:os";
import { get, init, remote, shutdown } from "iono";
import yargs from "yargs";
import { activities } from "./soak/activities.ts";
import { describe, footprint, leaks, restingFootprint } from "./soak/footprint.ts";
import { numbersFrom } from "./soak/random.ts";

const options = yargs(process.argv.slice(2))
  .scriptName("benchmarks/soak.ts")
  .usage("$0 [options]\n\nA mixed load that must leave nothing behind.")
  .options({
    minutes: { type: "number", default: 20, describe: "how long" },
    seed: { type: "number", default: 1, describe: "of the mixture" },
    storeMiB: { type: "number", default: 1024, describe: "size of the object store" },
  })
  .check(({ minutes }) => {
    if (minutes > 0) return true;
    throw new Error(`--minutes must be more than 0, not ${minutes}`);
  })
  .version(false)
  .strict()
  .parseSync();

const MINUTE_MS = 60_000;
const warmupMs = Math.min(MINUTE_MS, (options.minutes * MINUTE_MS) / 4);
/** Activities at the same time. */
const LANES = 4;

const random = numbersFrom(options.seed);
const names = Object.keys(activities);
const done: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));

await init({ objectStore: `${options.storeMiB}MiB` });
// Workers inherit --expose-gc. As many tasks at once as there are CPUs reach all of them, or nearly so.
const collect = remote(async () => {
  // The last resort gives back the pages that V8 keeps of a heap that was larger once.
  const thorough = { type: "major", execution: "sync", flavor: "last-resort" } as const;
  globalThis.gc?.(thorough);
  await new Promise((resolve) => setTimeout(resolve, 200));
  globalThis.gc?.(thorough);
});
const collectWorkers = async (): Promise<void> => {
  await get(Array.from({ length: availableParallelism() }, () => collect.remote()));
};

await mix(warmupMs); // code compiled, heaps grown, workers started
const start = await restingFootprint(collectWorkers);
console.log(`start: ${describe(start)}`);
const minuteLines = setInterval(() => void printMinute(), MINUTE_MS);
await mix(options.minutes * MINUTE_MS);
clearInterval(minuteLines);
const end = await restingFootprint(collectWorkers);
console.log(`end:   ${describe(end)}`);
console.log(`done:  ${names.map((name) => `${name} ${done[name]}`).join(", ")}`);
const leaked = leaks(start, end);
for (const leak of leaked) console.log(`LEAK ${leak}`);
if (leaked.length > 0) process.exitCode = 1;
await shutdown();

async function mix(durationMs: number): Promise<void> {
  const until = performance.now() + durationMs;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      const name = names[random(names.length)];
      await activities[name](random);
      done[name]++;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function printMinute(): Promise<void> {
  const minute = Math.round(performance.now() / MINUTE_MS);
  try {
    console.log(`${String(minute).padStart(4)} min: ${describe(await footprint())}`);
  } catch (error) {
    console.log(`${String(minute).padStart(4)} min: ${String(error)}`); // a line less is no reason to stop
  }
}
