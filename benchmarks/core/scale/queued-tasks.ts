/** A million tasks queued by one driver in one synchronous loop: what each costs, and whether it comes back. */
import { get, remote } from "iono";
import type { ObjectRef } from "iono";
import { collected } from "../collected.ts";
import type { Figure } from "../figure.ts";
import { runProgram } from "./run-program.ts";

const TASKS = 1_000_000;
const SLICE = 10_000;

const increment = remote((x: number) => x + 1);

await runProgram(async (share) => {
  const count = Math.round(TASKS * share);
  await get(Array.from({ length: SLICE }, (_, i) => increment.remote(i))); // workers up, code sent and compiled

  const before = await collected();
  const start = performance.now();
  const refs = new Array<ObjectRef<number> | undefined>(count);
  for (let i = 0; i < count; i++) refs[i] = increment.remote(i);
  const submitMs = performance.now() - start;
  const queued = await collected();

  await getAll(refs);
  const allMs = performance.now() - start;
  refs.length = 0;
  const after = await collected();

  return [
    figure(
      "queued tasks: memory of one",
      (queued - before) / count,
      "bytes",
      `${count} at once, with its ref`,
    ),
    figure("queued tasks: not returned afterwards", (after - before) / count, "bytes", "a task"),
    figure("queued tasks: submitted", count / (submitMs / 1000), "tasks/s"),
    figure(
      "queued tasks: finished",
      count / (allMs / 1000),
      "tasks/s",
      "from the first submit, collections included",
    ),
  ];
});

/** Gets all, a slice at a time, lets go of each, and checks every value. */
async function getAll(refs: (ObjectRef<number> | undefined)[]): Promise<void> {
  for (let from = 0; from < refs.length; from += SLICE) {
    const slice = refs.slice(from, from + SLICE).filter((ref) => ref !== undefined);
    const values = await get(slice);
    const wrong = values.findIndex((value, i) => value !== from + i + 1);
    if (wrong !== -1) throw new Error(`task ${from + wrong} returned ${values[wrong]}`);
    refs.fill(undefined, from, from + SLICE);
  }
}

function figure(name: string, value: number, unit: string, note?: string): Figure {
  return { name, value, unit, note };
}
