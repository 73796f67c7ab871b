/** Ray's scalability envelope on one node: 10,000 arguments to one task, one `get` of 10,000 refs. */
import { get, put, remote } from "iono";
import { median, spread } from "../figure.ts";
import type { Figure } from "../figure.ts";
import { runProgram } from "./run-program.ts";

const COUNT = 10_000;
const REPEATS = 5;

const sum = remote((...values: number[]) => values.reduce((total, value) => total + value, 0));
const identity = remote((x: number) => x);

await runProgram(async (share) => {
  const count = Math.round(COUNT * share);
  const expected = (count * (count - 1)) / 2;
  const indices = Array.from({ length: count }, (_, i) => i);
  await get(sum.remote(1, 2));

  return [
    await timed(`${COUNT} refs as arguments of one task`, expected, async () => {
      return get(sum.remote(...indices.map((i) => put(i))));
    }),
    await timed(`one get of ${COUNT} refs of puts`, expected, async () => {
      return total(await get(indices.map((i) => put(i))));
    }),
    await timed(`one get of ${COUNT} refs of tasks`, expected, async () => {
      return total(await get(indices.map((i) => identity.remote(i))));
    }),
  ];
});

/** Milliseconds from the first `put` or `.remote()` to the checked answer. */
async function timed(name: string, expected: number, run: () => Promise<number>): Promise<Figure> {
  const durations: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const start = performance.now();
    const answer = await run();
    durations.push(performance.now() - start);
    if (answer !== expected) throw new Error(`${name}: ${answer}, not ${expected}`);
  }
  return {
    name,
    value: median(durations),
    unit: "ms",
    note: `${spread(durations, 1)}, puts and submits included`,
  };
}

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
