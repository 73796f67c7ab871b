/** What the soak does, mixed at random: each activity checks its results and lets go of everything. */
import { cancel, get, isTaskError, kill, map, put, remote, wait } from "iono";
import type { ObjectRef } from "iono";

/** Bytes, an eighth of them in each number. */
const filled = (bytes: number, value: number): Float64Array => new Float64Array(bytes / 8).fill(value);

const increment = remote((x: number) => x + 1);
const total = remote((array: Float64Array) => array.reduce((sum, value) => sum + value, 0));
const make = remote((bytes: number, value: number) => filled(bytes, value));
const fail = remote((message: string): void => {
  throw new RangeError(message);
});
const rest = remote(() => new Promise<never>(() => setInterval(() => {}, 1_000)));
const count = remote(function* (n: number) {
  for (let i = 0; i < n; i++) yield filled(200_000, i);
});
const tree = remote(async (depth: number): Promise<number> => {
  if (depth === 0) return 1;
  const parts = await get([subtree(depth - 1), subtree(depth - 1)]);
  return parts[0] + parts[1];
});
const subtree = (depth: number): ObjectRef<number> => tree.remote(depth);

const Counter = remote(
  class {
    total = 0;
    held: ObjectRef<Float64Array>[] = [];
    add(x: number): number {
      return (this.total += x);
    }
    hold(refs: ObjectRef<Float64Array>[]): number {
      this.held = refs;
      return refs.length;
    }
  },
  { numCpus: 0 },
);

/** A whole number from 0 to `below`, not included. */
export type Random = (below: number) => number;

export const activities: Record<string, (random: Random) => Promise<void>> = {
  async "small tasks"(random) {
    const n = 1 + random(5_000);
    const values = await get(Array.from({ length: n }, (_, i) => increment.remote(i)));
    expect(
      values.every((value, i) => value === i + 1),
      "small tasks",
    );
  },

  async "large arguments"(random) {
    const bytes = 8 * (1 + random(1_000_000));
    const ref = put(filled(bytes, 3));
    const sums = await get([total.remote(ref), total.remote(ref), total.remote(filled(bytes, 3))]);
    expect(
      sums.every((sum) => sum === (3 * bytes) / 8),
      "large arguments",
    );
  },

  async "large results"(random) {
    const bytes = 8 * (1 + random(1_000_000));
    const arrays = await get([make.remote(bytes, 1), make.remote(bytes, 2)]);
    expect(
      arrays.every((array, i) => array.length === bytes / 8 && array[0] === i + 1),
      "large results",
    );
  },

  async "results nobody gets"(random) {
    for (let i = 0; i < 20; i++) make.remote(8 * random(100_000), i);
    fail.remote("nobody reads this");
    await get(increment.remote(0));
  },

  async errors(random) {
    const message = `error ${random(1_000)}`;
    const error: unknown = await get(fail.options({ retries: 0 }).remote(message)).catch(
      (reason: unknown) => reason,
    );
    expect(error instanceof RangeError && error.message === message && isTaskError(error), "errors");
  },

  async "cancelled tasks"(random) {
    const refs = Array.from({ length: 1 + random(8) }, () => rest.remote());
    for (const ref of refs) cancel(ref, { force: random(4) === 0 });
    const outcomes = await Promise.allSettled(refs.map((ref) => get(ref)));
    expect(
      outcomes.every(({ status }) => status === "rejected"),
      "cancelled tasks",
    );
  },

  async "nested tasks"(random) {
    const depth = random(6);
    expect((await get(tree.remote(depth))) === 2 ** depth, "nested tasks");
  },

  async actors(random) {
    const actor = Counter.remote();
    const n = 1 + random(500);
    const values = await get(Array.from({ length: n }, () => actor.add.remote(1)));
    expect(values[n - 1] === n, "actors");
    const refs = Array.from({ length: 3 }, (_, i) => put(filled(800_000, i)));
    expect((await get(actor.hold.remote(refs))) === 3, "actors that hold refs");
    if (random(2) === 0) kill(actor);
  },

  async wait(random) {
    let pending: ObjectRef<number>[] = Array.from({ length: 1 + random(100) }, (_, i) => increment.remote(i));
    while (pending.length > 0) {
      const result = await wait(pending, { count: Math.min(10, pending.length) });
      pending = result.pending;
    }
  },

  async streams(random) {
    const n = random(20);
    let i = 0;
    for await (const part of count.remote(n)) expect((await get(part))[0] === i++, "streams");
    expect(i === n, "streams");
  },

  async map(random) {
    const items = Array.from({ length: random(2_000) }, (_, i) => i);
    const double = (batch: number[]): number[] => batch.map((x) => 2 * x);
    const doubled = await map(items, double, { batch: 16 }).toArray();
    expect(doubled.length === items.length && doubled.every((value, i) => value === 2 * i), "map");
  },
};

function expect(isTrue: boolean, activity: string): void {
  if (!isTrue) throw new Error(`${activity}: a wrong result`);
}
