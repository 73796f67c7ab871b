import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  cancel,
  get,
  init,
  remote,
  runtimeContext,
  shutdown,
  wait,
  type ObjectRef,
  type ObjectRefStream,
} from "../../src/index.ts";
import {
  note,
  notes,
  raise,
  raised,
  rejection,
  removeSignals,
  signal,
  signalFolder,
  until,
} from "./signals.ts";

const folder = signalFolder();
beforeAll(async () => {
  await init({ numCpus: 4 });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

/** All values; a failure as its message. */
async function drain<T>(stream: ObjectRefStream<T>): Promise<unknown[]> {
  const out: unknown[] = [];
  for await (const ref of stream) {
    out.push(
      await get(ref).then(
        (value) => value,
        (error: Error) => `failed: ${error.message}`,
      ),
    );
  }
  return out;
}
const count = remote(function* (n: number) {
  for (let i = 0; i < n; i++) yield i;
});
/** Yields 0, 1, 2 … and notes each before it does. */
const noted = remote(function* (list: string, n: number) {
  note(folder, `${list} pid`, String(process.pid));
  try {
    for (let i = 0; i < n; i++) {
      note(folder, list, String(i));
      yield i;
    }
  } finally {
    raise(folder, `${list} cleaned up`);
  }
});
const next = remote((x: number) => x + 1);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("generators", () => {
  it("give a stream of refs; an item is there before the task ends (E1)", async () => {
    const gated = remote(async function* () {
      yield "first";
      await signal(folder, "E1");
      yield "second";
    });
    const stream = gated.remote();
    const first = await stream.next();
    expect(await get(first.value as ObjectRef<string>)).toBe("first");
    expect((await wait([stream.completed], { timeout: 0 })).ready).toEqual([]);
    raise(folder, "E1");
    expect(await drain(stream)).toEqual(["second"]);
    expect(await get(stream.completed)).toBeUndefined();
  });

  it("run sync and async, empty too, and may hold refs that are passed on (E7)", async () => {
    expect(await drain(count.remote(5))).toEqual([0, 1, 2, 3, 4]);
    expect(await drain(count.remote(0))).toEqual([]);
    const later = remote(async function* (n: number) {
      for (let i = 0; i < n; i++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield next.remote(i);
      }
    });
    const values: number[] = [];
    for await (const ref of later.remote(3)) values.push(await get(await get(ref)));
    expect(values).toEqual([1, 2, 3]);
    const passed: ObjectRef<number>[] = [];
    for await (const ref of count.remote(3)) passed.push(next.remote(ref));
    expect(await get(passed)).toEqual([1, 2, 3]);
    const promises = remote(function* () {
      yield Promise.resolve("awaited");
    });
    expect(await drain(promises.remote())).toEqual(["awaited"]);
  });

  it("give what was yielded, then one failing ref, then the end (E3)", async () => {
    const failing = remote(function* failing() {
      yield 1;
      yield 2;
      throw new RangeError("after two");
    });
    const stream = failing.remote();
    expect(await drain(stream)).toEqual([1, 2, "failed: after two"]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    const error = await rejection(get(stream.completed));
    expect([error instanceof RangeError, error.remote?.["task"]]).toEqual([true, "failing"]);
    const unsendable = remote(function* (): Generator {
      try {
        yield 1;
        yield { p: new WeakSet() };
      } finally {
        raise(folder, "unsendable cleaned up");
      }
    });
    expect(String((await drain(unsendable.remote()))[1])).toMatch(/^failed: item 1 → p/);
    expect(raised(folder, "unsendable cleaned up")).toBe(true);
  });

  it("refuse numReturns (E5, E6, E8)", () => {
    expect(() =>
      remote(
        function* g() {
          yield 1;
        },
        { numReturns: 2 as 1 },
      ).remote(),
    ).toThrow(/g is a generator.*numReturns/);
    expect(() =>
      remote(
        function* g() {
          yield 1;
        },
        { backpressure: 0 },
      ),
    ).toThrow(/backpressure must be/);
  });

  it("cannot be passed on as a stream (E9)", () => {
    const stream = count.remote(1);
    const take = remote((_value: unknown) => 1);
    expect(() => take.remote(stream)).toThrow(/argument 0/);
    expect(() => take.remote({ deep: [stream] })).toThrow(/deep/);
    cancel(stream);
  });

  it("replay a retried attempt without delivering an item twice (E10), and only if retryOn says so (E11)", async () => {
    const flaky = remote(
      function* (list: string) {
        const { attempt } = runtimeContext();
        note(folder, list, String(attempt));
        for (let i = 0; i < 6; i++) {
          if (i === 2 + attempt * 2 && attempt < 2) throw new Error(`attempt ${attempt}`);
          yield { i, attempt };
        }
      },
      { backpressure: 1 },
    );
    const values = (await drain(flaky.options({ retryOn: true, retries: 3 }).remote("replay"))) as {
      i: number;
      attempt: number;
    }[];
    expect(values.map(({ i }) => i)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(values.map(({ attempt }) => attempt)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(notes(folder, "replay")).toEqual(["0", "1", "2"]);
    expect(await drain(flaky.remote("once"))).toEqual([
      { i: 0, attempt: 0 },
      { i: 1, attempt: 0 },
      "failed: attempt 0",
    ]);
    expect(await drain(flaky.options({ retryOn: true, retries: 1 }).remote("limited"))).toHaveLength(5);
    expect(notes(folder, "limited")).toEqual(["0", "1"]);
  });

  it("go on in another worker when theirs is lost, without delivering an item twice (E13)", async () => {
    const dying = remote(
      async function* () {
        const { attempt } = runtimeContext();
        for (let i = 0; i < 6; i++) {
          if (i === 3 && attempt === 0) {
            await signal(folder, "E13");
            process.exit(3);
          }
          yield { i, big: new Uint8Array(300_000).fill(i) };
        }
      },
      { backpressure: 2, retries: 1 },
    );
    const seen: number[][] = [];
    for await (const ref of dying.remote()) {
      const { i, big } = await get(ref);
      seen.push([i, big[299_999]]);
      if (i === 2) raise(folder, "E13");
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5].map((i) => [i, i]));
  });

  it("end after what was delivered when a later attempt gives fewer items (E14)", async () => {
    const shrinking = remote(
      function* () {
        const { attempt } = runtimeContext();
        for (let i = 0; i < (attempt === 0 ? 3 : 1); i++) yield i;
        if (attempt === 0) throw new Error("first");
      },
      { retryOn: true },
    );
    expect(await drain(shrinking.remote())).toEqual([0, 1, 2]);
  });

  it("stay at most backpressure items ahead; taking one lets one go (E15)", async () => {
    const stream = noted.options({ backpressure: 2 }).remote("E15", 50);
    await until(() => notes(folder, "E15").length === 2);
    // Others have their turn while it waits.
    expect(await get([1, 2, 3].map((x) => next.remote(x)))).toEqual([2, 3, 4]);
    for (let taken = 1; taken <= 5; taken++) {
      await stream.next();
      await until(() => notes(folder, "E15").length >= taken + 2);
      await get(next.remote(1));
      expect(notes(folder, "E15").length).toBe(taken + 2);
    }
    expect((await drain(stream)).length).toBe(45);
    expect(notes(folder, "E15").length).toBe(50);
  });

  it("stay within a bound when none was given", async () => {
    const endless = remote(function* () {
      for (let i = 0; ; i++) {
        if (i % 1024 === 0) note(folder, "endless", String(i));
        yield i;
      }
    });
    const stream = endless.remote();
    await stream.next();
    await until(() => notes(folder, "endless").length > 0);
    expect(await get(next.remote(1))).toBe(2);
    await stream.return();
    expect(notes(folder, "endless").length).toBeLessThanOrEqual(2);
  });

  it("release their producer when the reader leaves, and let it clean up (E15)", async () => {
    for await (const ref of noted.options({ backpressure: 3 }).remote("break", 1000)) {
      if ((await get(ref)) === 5) break;
    }
    await signal(folder, "break cleaned up");
    expect(notes(folder, "break").length).toBeLessThan(12);
    {
      await using stream = noted.options({ backpressure: 1 }).remote("using", 1000);
      await stream.next();
    }
    await signal(folder, "using cleaned up");
    const left = count.remote(10);
    await left.next();
    await left.return();
    expect(await left.next()).toEqual({ done: true, value: undefined });
  });

  it("end when their consumer fails or ends (E16)", async () => {
    const consumer = remote(
      async (list: string) => {
        const stream = noted.options({ backpressure: 1 }).remote(list, 1000);
        await stream.next();
        if (list === "killed") {
          await until(() => notes(folder, list).length >= 2);
          process.exit(1);
        }
        for await (const ref of stream) if ((await get(ref)) === 2) throw new Error("the consumer");
      },
      { retries: 0 },
    );
    await rejection(get(consumer.remote("failed")));
    await signal(folder, "failed cleaned up");
    expect((await rejection(get(consumer.remote("killed")))).code).toBe("WorkerDied");
    // The producer may have run in the very process that was killed: then it is gone with it.
    await until(
      () => raised(folder, "killed cleaned up") || !isAlive(Number(notes(folder, "killed pid")[0])),
    );
  });

  it("are ready for wait when their next item, or their end, is there (E17)", async () => {
    const gated = remote(async function* (name: string) {
      await signal(folder, name);
      yield name;
    });
    const [a, b] = [gated.remote("E17a"), gated.remote("E17b")];
    const ref = next.remote(1);
    await get(ref);
    expect(await wait([a, ref, b])).toEqual({ ready: [ref], pending: [a, b] });
    raise(folder, "E17b");
    expect((await wait([a, b])).ready).toEqual([b]);
    expect(await drain(b)).toEqual(["E17b"]);
    expect((await wait([a, b])).ready).toEqual([b]);
    expect((await wait([a], { timeout: 20 })).ready).toEqual([]);
    raise(folder, "E17a");
    expect((await wait([a, b], { count: 2 })).ready).toEqual([a, b]);
  });

  it("end early by return, and count only what was yielded (E19)", async () => {
    const mixed = remote(function* (): Generator<number, string | undefined> {
      yield 1;
      if (runtimeContext().attempt === 0) return "not an item";
      yield 2;
      return undefined;
    });
    expect(await drain(mixed.remote())).toEqual([1]);
  });

  it("stream large items with few of them alive (E2, E22)", async () => {
    const large = remote(
      function* (n: number) {
        for (let i = 0; i < n; i++) yield new Float64Array(250_000).fill(i);
      },
      { backpressure: 4 },
    );
    let sum = 0;
    for await (const ref of large.remote(60)) {
      using held = ref;
      sum += (await get(held))[0];
    }
    expect(sum).toBe(1770);
  });

  it("keep what was yielded when cancelled, then fail once, then end (D15)", async () => {
    const stream = noted.options({ backpressure: 4 }).remote("D15", 100);
    await until(() => notes(folder, "D15").length === 4);
    await wait([stream]);
    await until(() => notes(folder, "D15").length === 4);
    await get(next.remote(1));
    cancel(stream);
    const out = await drain(stream);
    expect(out.at(-1)).toMatch(/failed: .*was cancelled/);
    expect(out.slice(0, -1)).toEqual([0, 1, 2, 3].slice(0, out.length - 1));
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect((await rejection(get(stream.completed))).code).toBe("TaskCancelled");
    await signal(folder, "D15 cleaned up");
  });

  it("may be read by a task while all workers are busy with such tasks", async () => {
    const reader = remote(async (n: number) => {
      let total = 0;
      for await (const ref of count.options({ backpressure: 1 }).remote(n))
        total += await get(next.remote(ref));
      return total;
    });
    expect(await get(Array.from({ length: 6 }, () => reader.remote(5)))).toEqual(Array(6).fill(15));
  });
});
