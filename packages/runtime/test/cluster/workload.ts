/** Work on several nodes whose every step leaves a mark, to be run while the network is in trouble. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { get, nodes, remote, runtimeContext, type ActorHandle } from "../../src/index.ts";

const on = (node: string) => ({ scheduling: { node } }) as const;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const make = remote((length: number, value: number) => new Float64Array(length).fill(value));
export const sum = remote((values: Float64Array) => values.reduce((total, each) => total + each, 0));
export const where = remote(() => runtimeContext().nodeId);

const marks = remote(async (file: string, i: number) => {
  await sleep(20);
  appendFileSync(file, `${i}\n`);
  return i;
});
const counts = remote(async function* (n: number) {
  for (let i = 0; i < n; i++) {
    await sleep(20);
    yield i;
  }
});
export const Ledger = remote(
  class {
    #seen: number[] = [];
    add(i: number): number {
      return this.#seen.push(i);
    }
    seen(): number[] {
      return this.#seen;
    }
  },
);

export interface Amounts {
  readonly tasks: number;
  /** Of each actor. */
  readonly calls: number;
  /** Of the stream. */
  readonly items: number;
  /** Objects go around so often. */
  readonly rounds: number;
  /** Of the arrays that go around. */
  readonly length: number;
}

const usual: Amounts = { tasks: 120, calls: 150, items: 60, rounds: 3, length: 250_000 };

export interface Workload {
  /** Where it runs; objects go from each to the next. */
  readonly on: readonly string[];
  /** Comes when work is under way on all of them. */
  trouble(): Promise<void>;
  readonly amounts?: Amounts;
}

/**
 * Tasks that mark a file, calls of an actor that keeps a ledger, a stream, and objects that go around. Everything has to
 * arrive, and nothing may have been done twice; all nodes and the actor live on.
 */
export async function expectThrough({ on: names, trouble, amounts = usual }: Workload): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "iono-marks-"));
  const file = join(folder, "marks");
  const { tasks, calls, items, rounds, length } = amounts;
  try {
    const before = (await nodes()).map(({ id }) => id);
    const ledgers = names.map((name) => Ledger.options(on(name)).remote());
    await get(names.map((name) => marks.options(on(name)).remote(file, -1)));
    await Promise.all(ledgers.map((ledger) => ledger.ready()));
    const started = Array.from({ length: tasks }, (_, i) =>
      marks.options(on(names[i % names.length])).remote(file, i),
    );
    const called = Promise.all(ledgers.map((ledger) => callAll(ledger, calls)));
    const streamed = readStream(names[0], items);
    const carried = carry(names, amounts);
    await get(started.slice(0, names.length * 2));
    await trouble();
    expect(await get(started)).toEqual(Array.from({ length: tasks }, (_, i) => i));
    const answers = Array.from({ length: calls }, (_, i) => i + 1);
    expect(await called).toEqual(names.map(() => answers));
    expect(await streamed).toEqual(Array.from({ length: items }, (_, i) => i));
    expect(await carried).toEqual(Array.from({ length: rounds }, (_, i) => names.map(() => length * i)));

    const marked = readFileSync(file, "utf8").trim().split("\n").map(Number);
    const once = Array.from({ length: tasks }, (_, i) => i);
    expect(marked.filter((i) => i >= 0).toSorted((a, b) => a - b)).toEqual(once);
    for (const ledger of ledgers)
      expect(await get(ledger.seen.remote())).toEqual(Array.from({ length: calls }, (_, i) => i));
    expect((await nodes()).map(({ id }) => id)).toEqual(before);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A few at a time, so that there are always some under way. */
async function callAll(ledger: ActorHandle<typeof Ledger>, calls: number): Promise<number[]> {
  const answers: number[] = [];
  for (let i = 0; i < calls; i += 5) {
    answers.push(...(await get(Array.from({ length: 5 }, (_, j) => ledger.add.remote(i + j)))));
    await sleep(10);
  }
  return answers;
}

async function readStream(name: string, items: number): Promise<number[]> {
  const read: number[] = [];
  for await (const item of counts.options({ ...on(name), numCpus: 0 }).remote(items))
    read.push(await get(item));
  return read;
}

/** Objects made on each node are read on the next. */
async function carry(names: readonly string[], { rounds, length }: Amounts): Promise<number[][]> {
  const sums: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const made = names.map((name) => make.options({ ...on(name), numCpus: 0 }).remote(length, round));
    const next = (i: number) => names[(i + 1) % names.length];
    sums.push(await get(made.map((ref, i) => sum.options({ ...on(next(i)), numCpus: 0 }).remote(ref))));
  }
  return sums;
}
