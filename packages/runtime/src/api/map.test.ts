import { Readable } from "node:stream";
import { IonoError } from "@iono/core";
import * as fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { createMap, type MapRuntime } from "./map.ts";
import type { ActorHandle, AnyClass, AnyFunction, ObjectRef, Remote } from "./types.ts";

interface FakeRef {
  readonly id: string;
  readonly value: Promise<unknown>;
  settled: boolean;
  cancelled: boolean;
}

/** Runs tasks and actors in this process, and counts what is outstanding. */
class FakeRuntime implements MapRuntime {
  outstanding = 0;
  mostOutstanding = 0;
  submitted = 0;
  readonly cancelled: string[] = [];
  readonly actors: object[] = [];
  readonly killed: object[] = [];
  readonly written: string[] = [];
  time = 0;
  readonly progressOutput = { write: (text: string) => this.written.push(text) };
  cpus = () => 4;
  now = () => this.time;

  remote(target: AnyFunction | AnyClass): object {
    const isClass = /^class\b/.test(Function.prototype.toString.call(target));
    return isClass
      ? { remote: (...args: never[]) => this.#create(target as AnyClass, args), local: target }
      : { remote: (...args: never[]) => this.#submit(() => (target as AnyFunction)(...args)), local: target };
  }

  get(ref: ObjectRef<unknown>): Promise<unknown> {
    return (ref as unknown as FakeRef).value;
  }

  cancel(ref: ObjectRef<unknown>): void {
    const fake = ref as unknown as FakeRef;
    if (!fake.settled) this.cancelled.push(fake.id);
  }

  kill(actor: object): void {
    this.killed.push(actor);
  }

  #submit(run: () => unknown): FakeRef {
    this.submitted += 1;
    this.outstanding += 1;
    this.mostOutstanding = Math.max(this.mostOutstanding, this.outstanding);
    const ref: FakeRef = {
      id: `1-${this.submitted}`,
      settled: false,
      cancelled: false,
      value: Promise.resolve()
        .then(run)
        .finally(() => {
          this.outstanding -= 1;
          ref.settled = true;
        }),
    };
    ref.value.catch(() => {});
    return ref;
  }

  #create(target: AnyClass, args: never[]): object {
    const died = () => new IonoError("ActorDied", "the actor died");
    let instance: object | undefined;
    let dead = false;
    const ready = Promise.resolve().then(() => {
      try {
        instance = new target(...args);
      } catch (error) {
        dead = true;
        throw new IonoError("ActorDied", "the constructor failed", { cause: error });
      }
    });
    ready.catch(() => {});
    const handle = new Proxy(
      { ready: () => ready },
      {
        get: (base, name) =>
          name in base
            ? Reflect.get(base, name)
            : typeof target.prototype[name] === "function" && {
                remote: (...callArgs: unknown[]) =>
                  this.#submit(async () => {
                    await ready;
                    if (dead) throw died();
                    const result: unknown = Reflect.get(instance!, name).apply(instance, callArgs);
                    if (result === "die") {
                      dead = true;
                      throw died();
                    }
                    return result;
                  }),
              },
      },
    );
    this.actors.push(handle);
    return handle;
  }
}

function setUp() {
  const runtime = new FakeRuntime();
  return { runtime, map: createMap(runtime), remote: runtime.remote.bind(runtime) as unknown as Remote };
}

/** Lets everything that is due run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function* naturals(): Generator<number> {
  for (let n = 0; ; n += 1) yield n;
}

class Doubler {
  static made = 0;
  readonly by: number;
  constructor(by = 2) {
    this.by = by;
  }
  one(x: number): number {
    return x * this.by;
  }
  async many(xs: number[]): Promise<number[]> {
    return xs.map((x) => x * this.by);
  }
  dieAt3(x: number): number | "die" {
    return x === 3 ? "die" : x;
  }
}

describe("map over a function", () => {
  it("yields in order by default and as they come otherwise", async () => {
    const { map } = setUp();
    const later = async (x: number) => {
      for (let turns = 10 - x; turns > 0; turns -= 1) await settle();
      return x * 10;
    };
    expect(await map([1, 2, 3, 9], later).toArray()).toEqual([10, 20, 30, 90]);
    expect(await map([1, 2, 3, 9], later, { ordered: false }).toArray()).toEqual([90, 30, 20, 10]);
  });

  it("takes a remote function, and any kind of source", async () => {
    const { map, remote } = setUp();
    const square = remote((x: number) => x * x);
    async function* source() {
      yield 1;
      yield 2;
    }
    expect(await map(source(), square).toArray()).toEqual([1, 4]);
    expect(await map(new Set([3]), square).toArray()).toEqual([9]);
    expect(await map([Promise.resolve(4), 5], square).toArray()).toEqual([16, 25]);
    expect(await map(Float64Array.of(6), square).toArray()).toEqual([36]);
    expect(await map("ab", (c: string) => c.toUpperCase()).toArray()).toEqual(["A", "B"]);
    expect(await map(Readable.from(["x", "y"]), (c: string) => `${c}!`).toArray()).toEqual(["x!", "y!"]);
    expect(await map(new Blob(["abc"]).stream(), (bytes: Uint8Array) => bytes.length).toArray()).toEqual([3]);
    expect(await map([], square).toArray()).toEqual([]);
  });

  it("gives batches and yields their results one by one", async () => {
    const { map, runtime } = setUp();
    const sizes: number[] = [];
    const batches = map(
      Array.from({ length: 10 }, (_, at) => at),
      (xs: number[]) => {
        sizes.push(xs.length);
        return xs.map((x) => -x);
      },
      { batch: 4 },
    );
    expect(await batches.toArray()).toEqual([-0, -1, -2, -3, -4, -5, -6, -7, -8, -9]);
    expect(sizes).toEqual([4, 4, 2]);
    expect(runtime.submitted).toBe(3);
  });

  it.each([
    [
      (xs: number[]) => xs.slice(1),
      "given 2 items and returned 1 results; it must return one result per item",
    ],
    [() => 5 as unknown as number[], "given 2 items and returned number, not an array"],
  ])("names a batch of the wrong length, whatever onError says", async (fn, message) => {
    const { map } = setUp();
    const run = map([1, 2], fn, { batch: 2, onError: "skip" });
    await expect(run.toArray()).rejects.toMatchObject({
      code: "WrongResultCount",
      message: expect.stringContaining(message),
    });
  });

  it("is lazy, and read once", async () => {
    const { map, runtime } = setUp();
    const run = map([1], (x: number) => x);
    await settle();
    expect(runtime.submitted).toBe(0);
    expect(await run.toArray()).toEqual([1]);
    expect(() => run[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: "InvalidCall" }));
    expect(await run.next()).toEqual({ done: true, value: undefined });
  });

  it("refuses what cannot be mapped", async () => {
    const { map } = setUp();
    const bad = (items: unknown, target: unknown, options?: unknown) => () =>
      map(items as number[], target as (x: number) => number, options as undefined);
    const refused = (message: string) =>
      expect.objectContaining({ code: "BadOption", message: expect.stringContaining(message) });
    expect(bad(5, () => 1)).toThrow(refused("map: items must be an iterable"));
    expect(bad(null, () => 1)).toThrow(refused("map: items must be an iterable"));
    expect(bad([], 5)).toThrow(refused("map: the second argument must be a function"));
    expect(bad([], { actor: 5, method: "x" })).toThrow(refused("map: actor must be a class"));
    expect(bad([], { actor: Doubler })).toThrow(refused("map: method must be the name of a method"));
    expect(bad([], { actor: Doubler, method: "one", args: 5 })).toThrow(
      refused("map: args must be an array"),
    );
    expect(bad([], () => 1, { batch: 0 })).toThrow(refused("map option batch must be"));
    const stream = { remote: () => ({ id: "1-1", [Symbol.asyncIterator]: () => undefined }) };
    await expect(bad([1], stream, { onError: "skip" })().toArray()).rejects.toMatchObject({
      code: "InvalidCall",
    });
    await expect(bad([1], { remote: () => [] })().toArray()).rejects.toMatchObject({ code: "InvalidCall" });
  });
});

describe("back-pressure", () => {
  it("pulls no more than the window while nobody reads", async () => {
    const { map, runtime } = setUp();
    let pulled = 0;
    function* source() {
      for (const n of naturals()) {
        pulled += 1;
        yield n;
      }
    }
    const run = map(source(), (x: number) => x, { concurrency: 3 });
    expect(await run.next()).toEqual({ done: false, value: 0 });
    for (let turn = 0; turn < 10; turn += 1) await settle();
    expect(pulled).toBe(4);
    expect(await run.next()).toEqual({ done: false, value: 1 });
    await settle();
    expect(pulled).toBe(5);
    await run.return();
    expect(runtime.mostOutstanding).toBeLessThanOrEqual(3);
  });

  it("does not pull items for a batch that has no place", async () => {
    const { map } = setUp();
    let pulled = 0;
    function* source() {
      for (const n of naturals()) {
        pulled += 1;
        yield n;
      }
    }
    const run = map(source(), (xs: number[]) => xs, { concurrency: 2, batch: 10 });
    await run.next();
    for (let turn = 0; turn < 10; turn += 1) await settle();
    expect(pulled).toBe(30);
    await run.return();
  });

  it("keeps the window and loses nothing, whatever the order of completion", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(5), { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        fc.boolean(),
        async (turns, concurrency, batch, ordered) => {
          const { map, runtime } = setUp();
          const wait = async (at: number) => {
            for (let turn = 0; turn < turns[at]; turn += 1) await settle();
            return at;
          };
          const items = turns.keys();
          const run =
            batch === undefined
              ? map(items, wait, { concurrency, ordered })
              : map(items, (ats: number[]) => Promise.all(ats.map(wait)), { concurrency, ordered, batch });
          const results = await run.toArray();
          const all = [...turns.keys()];
          expect(ordered ? results : results.toSorted((a, b) => a - b)).toEqual(all);
          expect(runtime.mostOutstanding).toBeLessThanOrEqual(concurrency);
          expect(runtime.outstanding).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("errors", () => {
  const odd = (x: number) => {
    if (x % 2 === 1) throw new RangeError(`odd ${x}`);
    return x;
  };

  it("end the map where they stand, after the results before them", async () => {
    const { map, runtime } = setUp();
    const seen: number[] = [];
    const run = map([0, 2, 3, 4, 6], odd, { concurrency: 2 });
    await expect(
      (async () => {
        for await (const x of run) seen.push(x);
      })(),
    ).rejects.toThrow("odd 3");
    expect(seen).toEqual([0, 2]);
    expect(await run.next()).toEqual({ done: true, value: undefined });
    expect(runtime.submitted).toBeLessThan(6);
  });

  it("are skipped, or replaced by what a function answers", async () => {
    const { map } = setUp();
    expect(await map([1, 2, 3, 4], odd, { onError: "skip" }).toArray()).toEqual([2, 4]);
    const replaced = map([1, 2, 3], odd, {
      onError: async (error, item, index) => -index - (item === 3 ? 100 : 0),
    });
    expect(await replaced.toArray()).toEqual([-0, 2, -102]);
    const rethrown = map([1], odd, {
      onError: (error) => {
        throw new Error("mine", { cause: error });
      },
    });
    await expect(rethrown.toArray()).rejects.toThrow("mine");
  });

  it("of a batch concern each of its items", async () => {
    const { map } = setUp();
    const failing = (xs: number[]) => xs.map(odd);
    const calls: unknown[] = [];
    const run = map([2, 4, 5, 6, 8], failing, {
      batch: 2,
      onError: (error, item, index) => {
        calls.push([String(error), item, index]);
        return 0;
      },
    });
    expect(await run.toArray()).toEqual([2, 4, 0, 0, 8]);
    expect(calls).toEqual([
      ["RangeError: odd 5", 5, 2],
      ["RangeError: odd 5", 6, 3],
    ]);
  });

  it("of the source surface after the results of its items", async () => {
    const { map } = setUp();
    function* source() {
      yield 1;
      yield 2;
      throw new TypeError("source");
    }
    for (const ordered of [true, false]) {
      const seen: number[] = [];
      await expect(
        (async () => {
          for await (const x of map(source(), (n: number) => n, { ordered, onError: "skip" })) seen.push(x);
        })(),
      ).rejects.toThrow("source");
      expect(seen).toEqual([1, 2]);
    }
    await expect(map([Promise.reject(new Error("item"))], (n: number) => n).toArray()).rejects.toThrow(
      "item",
    );
  });

  it("of submitting concern the item", async () => {
    const { map } = setUp();
    const picky = {
      remote: (x: number) => {
        if (x === 2) throw new IonoError("CannotTravel", "2 cannot travel");
        return { id: `1-${x}`, value: Promise.resolve(x) };
      },
    } as unknown as (x: number) => number;
    expect(await map([1, 2, 3], picky, { onError: "skip" }).toArray()).toEqual([1, 3]);
    await expect(map([1, 2, 3], picky).toArray()).rejects.toMatchObject({ code: "CannotTravel" });
  });
});

describe("ending early", () => {
  it("break cancels what is outstanding and closes the source", async () => {
    const { map, runtime } = setUp();
    let closed = 0;
    function* source() {
      try {
        yield* naturals();
      } finally {
        closed += 1;
      }
    }
    const never = new Promise<never>(() => {});
    for await (const x of map(source(), (n: number) => (n === 0 ? n : never), { concurrency: 3 })) {
      expect(x).toBe(0);
      await settle();
      break;
    }
    expect(runtime.cancelled).toEqual(["1-2", "1-3", "1-4"]);
    expect(closed).toBe(1);
  });

  it("a signal ends it at once, even while the source hangs", async () => {
    const { map, runtime } = setUp();
    const stop = new AbortController();
    async function* source() {
      yield 1;
      await new Promise(() => {});
    }
    const run = map(source(), () => new Promise<number>(() => {}), { signal: stop.signal });
    const next = run.next();
    await settle();
    stop.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
    expect(runtime.cancelled).toEqual(["1-1"]);
    expect(await run.next()).toEqual({ done: true, value: undefined });
  });

  it("a signal that was aborted before submits nothing", async () => {
    const { map, runtime } = setUp();
    await expect(map([1], (x: number) => x, { signal: AbortSignal.abort("no") }).toArray()).rejects.toBe(
      "no",
    );
    expect(runtime.submitted).toBe(0);
  });

  it("return() frees a reader that waits", async () => {
    const { map, runtime } = setUp();
    const run = map([1], () => new Promise<number>(() => {}));
    const next = run.next();
    await settle();
    expect(await run.return()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    expect(runtime.cancelled).toEqual(["1-1"]);
  });

  it("return() before the first result submits nothing", async () => {
    const { map, runtime } = setUp();
    const run = map([1], (x: number) => x);
    await run[Symbol.asyncDispose]();
    expect(await run.next()).toEqual({ done: true, value: undefined });
    expect(runtime.submitted).toBe(0);
  });
});

describe("map over actors", () => {
  it("starts as many as it needs and ends them", async () => {
    const { map, runtime } = setUp();
    const items = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(await map(items, { actor: Doubler, args: [3], method: "one" }).toArray()).toEqual(
      items.map((x) => x * 3),
    );
    expect(runtime.actors.length).toBe(4);
    expect(runtime.killed).toEqual(runtime.actors);
    expect(runtime.mostOutstanding).toBeLessThanOrEqual(4);
  });

  it("works with batches, a remote class and fewer items than actors", async () => {
    const { map, runtime, remote } = setUp();
    const run = map([1, 2, 3], { actor: remote(Doubler), method: "many" }, { batch: 2, concurrency: 8 });
    expect(await run.toArray()).toEqual([2, 4, 6]);
    expect(runtime.actors.length).toBe(2);
    expect(runtime.killed.length).toBe(2);
  });

  it("ends them when the reader leaves", async () => {
    const { map, runtime } = setUp();
    for await (const x of map(naturals(), { actor: Doubler, method: "one" })) if (x > 10) break;
    expect(runtime.killed.length).toBe(runtime.actors.length);
  });

  it("replaces one that an item killed", async () => {
    const { map, runtime } = setUp();
    const run = map(
      [1, 2, 3, 4, 5],
      { actor: Doubler, method: "dieAt3" },
      { onError: "skip", concurrency: 1 },
    );
    expect(await run.toArray()).toEqual([1, 2, 4, 5]);
    expect(runtime.actors.length).toBe(2);
  });

  it("fails when the constructor does, whatever onError says", async () => {
    const { map, runtime } = setUp();
    class Broken {
      constructor() {
        throw new Error("no model");
      }
      one(x: number): number {
        return x;
      }
    }
    const run = map(naturals(), { actor: Broken, method: "one" }, { onError: "skip" });
    await expect(run.toArray()).rejects.toMatchObject({ code: "ActorDied", cause: { message: "no model" } });
    expect(runtime.actors.length).toBeLessThanOrEqual(8);
  });

  it("names a method that is not there", async () => {
    const { map } = setUp();
    const run = map([1], { actor: Doubler, method: "tow" as "one" });
    await expect(run.toArray()).rejects.toMatchObject({
      code: "InvalidCall",
      message: expect.stringContaining("tow"),
    });
  });
});

describe("progress", () => {
  it("counts items and says how it ended", async () => {
    const { map, runtime } = setUp();
    await map([1, 2, 3], (xs: number[]) => xs, { batch: 2, progress: true }).toArray();
    await map(naturals(), (x: number) => x, { progress: { label: "embed", total: 9 } }).next();
    for await (const _ of map([1, 2], (x: number) => x, { concurrency: 1, progress: { label: "part" } }))
      break;
    expect(runtime.written).toEqual(["map done: 3 in 0ms\n", expect.stringMatching(/^part stopped: \d/)]);
  });
});

it("infers results", () => {
  const { map, remote } = setUp();
  const refs: ObjectRef<number>[] = [];
  // Only the types matter; nothing is read, so nothing runs.
  expectTypeOf(map([1, 2], (x) => `${x}`).toArray()).resolves.toEqualTypeOf<string[]>();
  expectTypeOf(map([1, 2], async (x: number) => x > 1).toArray()).resolves.toEqualTypeOf<boolean[]>();
  expectTypeOf(map(["a"], (xs) => xs.map((x) => x.length), { batch: 2 }).toArray()).resolves.toEqualTypeOf<
    number[]
  >();
  expectTypeOf(
    map(["a"], async (xs: string[]) => xs.map(Number), { batch: 2, concurrency: 3 }).toArray(),
  ).resolves.toEqualTypeOf<number[]>();
  expectTypeOf(map(refs, (x: number) => [x]).toArray()).resolves.toEqualTypeOf<number[][]>();
  expectTypeOf(
    map(
      [1],
      remote((x: number) => new Date(x)),
    ).toArray(),
  ).resolves.toEqualTypeOf<Date[]>();
  expectTypeOf(map([1], { actor: Doubler, method: "one", args: [2] }).toArray()).resolves.toEqualTypeOf<
    number[]
  >();
  expectTypeOf(
    map([1], { actor: remote(Doubler), method: "many" }, { batch: 2 }).toArray(),
  ).resolves.toEqualTypeOf<number[]>();
  // @ts-expect-error items are numbers, the function takes texts
  map([1], (x: string) => x);
  // @ts-expect-error no such method
  map([1], { actor: Doubler, method: "three" });
  // @ts-expect-error the constructor takes a number
  map([1], { actor: Doubler, method: "one", args: ["2"] });
  // @ts-expect-error misspelt option
  expect(() => map([1], (x: number) => x, { concurency: 1 })).toThrow("did you mean concurrency?");
  expectTypeOf<ActorHandle<typeof Doubler>>().toHaveProperty("one");
});
