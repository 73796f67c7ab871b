import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  cancel,
  free,
  get,
  init,
  put,
  putAsync,
  remote,
  runtimeContext,
  shutdown,
  wait,
  type ObjectRef,
} from "../../src/index.ts";
import { raise, raised, rejection, removeSignals, signal, signalFolder } from "./signals.ts";

const folder = signalFolder();
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
beforeAll(async () => {
  await init({ numCpus: 4 });
});
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

const gated = remote(async (name: string, value: unknown = name) => {
  await signal(folder, name);
  return value;
});
const failing = remote((message: string): number => {
  throw new RangeError(message);
});
const one = remote((x: number) => x);

describe("put and get", () => {
  it("puts a value anew each time (B1)", async () => {
    const value = { list: [1, 2, 3] };
    const [a, b] = [put(value), put(value)];
    expect(a).not.toBe(b);
    expect(a.id).not.toBe(b.id);
    expect(await get([a, b])).toEqual([value, value]);
    expect(await get(await putAsync(value))).toEqual(value);
  });

  it("gives a fresh copy at each get", async () => {
    const ref = put({ n: 1 });
    const first = await get(ref);
    first.n = 2;
    expect((await get(ref)).n).toBe(1);
  });

  it("times out while the task goes on (B2), and with 0 looks once (B3)", async () => {
    const ref = gated.remote("B2");
    const error = await rejection(get(ref, { timeout: 20 }));
    expect([error.code, error.name]).toEqual(["GetTimeout", "GetTimeoutError"]);
    expect((await rejection(get(ref, { timeout: 0 }))).code).toBe("GetTimeout");
    expect((await rejection(get([put(1), ref], { timeout: "1ms" }))).message).toMatch(
      /1 of 2 refs still pending/,
    );
    raise(folder, "B2");
    expect(await get(ref)).toBe("B2");
    expect(await get(ref, { timeout: 0 })).toBe("B2");
  });

  it("ends when its signal aborts, with the signal's reason", async () => {
    const ref = gated.remote("signal");
    const controller = new AbortController();
    const reading = rejection(get(ref, { signal: controller.signal }));
    controller.abort(new Error("no longer wanted"));
    expect((await reading).message).toBe("no longer wanted");
    expect((await rejection(get(ref, { signal: AbortSignal.abort(new Error("before")) }))).message).toBe(
      "before",
    );
    raise(folder, "signal");
    expect(await get(ref)).toBe("signal");
  });

  it("fails as soon as one ref has failed, without waiting for the others (B4)", async () => {
    const slow = gated.remote("B4");
    expect((await rejection(get([slow, failing.remote("quick")]))).message).toBe("quick");
    expect((await rejection(get([slow, put(1), failing.remote("again"), slow]))).message).toBe("again");
    const failed = failing.remote("before");
    await rejection(get(failed));
    expect((await rejection(get([slow, failed]))).message).toBe("before");
    expect(raised(folder, "B4")).toBe(false);
    raise(folder, "B4");
    expect(await get(slow)).toBe("B4");
  });

  it("gets 10,000 refs at once", async () => {
    const refs = Array.from({ length: 10_000 }, (_, i) => one.remote(i));
    expect((await get(refs)).every((value, i) => value === i)).toBe(true);
    expect((await get(refs)).length).toBe(10_000);
  });

  it("answers many gets, waits and puts at once (B9)", async () => {
    const ref = gated.remote("B9", 9);
    const reads = Promise.all([
      ...Array.from({ length: 500 }, () => get(ref)),
      ...Array.from({ length: 500 }, async () => (await wait([ref])).ready.length),
      ...Array.from({ length: 500 }, (_, i) => get(put([i])).then(([n]) => n)),
    ]);
    raise(folder, "B9");
    const out = await reads;
    expect(out.slice(0, 500).every((each) => each === 9)).toBe(true);
    expect(out.slice(500, 1000).every((each) => each === 1)).toBe(true);
    expect(out.slice(1000)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it("may be asked twice at once, and a failure gives each its own error (B10, B11)", async () => {
    const ref = failing.remote("twice");
    const [a, b] = await Promise.all([rejection(get(ref)), rejection(get(ref))]);
    expect([a.message, b.message, a === b]).toEqual(["twice", "twice", false]);
    expect("then" in ref).toBe(false);
  });

  it("works within tasks and with the failures of others (B10)", async () => {
    const reader = remote(async ({ refs }: { refs: ObjectRef<number>[] }) => {
      const results = await Promise.allSettled(refs.map((ref) => get(ref)));
      return results.map((each) =>
        each.status === "fulfilled" ? each.value : (each.reason as Error).message,
      );
    });
    expect(await get(reader.remote({ refs: [put(1), failing.remote("inner"), one.remote(3)] }))).toEqual([
      1,
      "inner",
      3,
    ]);
  });

  it("never raises unhandledRejection for refs that nobody gets (B12)", async () => {
    const dropped = [failing.remote("nobody asks"), failing.remote("nor here")];
    const dependents = dropped.map((ref) => one.remote(ref as unknown as number));
    const cancelled = gated.remote("never");
    cancel(cancelled);
    const { ready } = await wait([...dropped, ...dependents], { count: 4 });
    expect(ready.length).toBe(4);
    const freed = put([1]);
    free(freed);
    expect((await rejection(get([failing.remote("x"), freed]))).message).toMatch(/x|released/);
    await rejection(get([dropped[0], dropped[1], freed]));
    expect(unhandled).toEqual([]);
  });

  it("refuses what is not a ref, and a ref that was freed", async () => {
    for (const wrong of [5, null, undefined, "ref", {}, [1], [null]]) {
      expect((await rejection(get(wrong as never))).code).toBe("BadOption");
    }
    expect((await rejection(get(put(1), { timeout: -1 }))).code).toBe("BadOption");
    const ref = put({ n: 1 });
    free(ref);
    expect((await rejection(get(ref))).code).toBe("ObjectFreed");
    expect(() => put(put(1) as never)).toThrow(/is put already/);
  });
});

describe("wait", () => {
  it("tells ready from pending, in the order given, at most count ready (B5)", async () => {
    const refs = ["w0", "w1", "w2", "w3"].map((name) => gated.remote(name));
    raise(folder, "w2");
    expect(await wait(refs)).toEqual({ ready: [refs[2]], pending: [refs[0], refs[1], refs[3]] });
    raise(folder, "w1");
    const two = await wait(refs, { count: 2 });
    expect(two.ready).toEqual([refs[1], refs[2]]);
    raise(folder, "w0");
    raise(folder, "w3");
    const all = await wait(refs, { count: 4 });
    expect([all.ready, all.pending]).toEqual([refs, []]);
    expect((await wait(refs, { count: 1 })).ready).toEqual([refs[0]]);
  });

  it("counts a failed ref as ready", async () => {
    const ref = failing.remote("ready");
    expect((await wait([ref])).ready).toEqual([ref]);
  });

  it("refuses duplicates, bare refs and wrong counts; an empty list is an empty answer (B6)", async () => {
    const ref = put(1);
    for (const [refs, options] of [
      [[ref, ref]],
      [ref],
      [undefined],
      [[1]],
      [[ref], { count: 2 }],
      [[ref], { count: 0 }],
      [[ref], { counts: 1 }],
    ]) {
      expect((await rejection(wait(refs as never, options as never))).code).toBe("BadOption");
    }
    expect(await wait([])).toEqual({ ready: [], pending: [] });
  });

  it("gives up after its timeout (B7), and with 0 looks once", async () => {
    const ref = gated.remote("B7");
    expect(await wait([ref], { timeout: 30 })).toEqual({ ready: [], pending: [ref] });
    expect(await wait([ref, put(1)], { count: 2, timeout: 0 })).toMatchObject({ pending: [ref] });
    raise(folder, "B7");
    expect((await wait([ref], { timeout: "20s" })).ready).toEqual([ref]);
  });

  it("ends when its signal aborts", async () => {
    const ref = gated.remote("wait signal");
    const controller = new AbortController();
    const waiting = rejection(wait([ref], { signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect((await waiting).message).toBe("enough");
    raise(folder, "wait signal");
  });

  it("says that a large value is there without reading it (B8)", async () => {
    const large = remote(() => new Float64Array(500_000).fill(2));
    const ref = large.remote();
    expect((await wait([ref])).ready).toEqual([ref]);
    expect((await get(ref))[7]).toBe(2);
  });

  it("gives its turn up while a task waits", async () => {
    const waiter = remote(async (depth: number): Promise<number> => {
      if (depth === 0) return 0;
      const ref = waiter.remote(depth - 1);
      await wait([ref]);
      return (await get(ref)) + 1;
    });
    expect(await get(waiter.remote(20))).toBe(20);
    const context = remote(() => typeof runtimeContext().taskId);
    expect(await get(context.remote())).toBe("string");
  });
});
