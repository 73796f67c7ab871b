import { IonoError } from "@iono/core";
import * as fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { ActorPoolBase, type PoolRuntime } from "./actor-pool.ts";
import type { ObjectRef } from "./types.ts";

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A call under way: the test decides when and how it ends. */
interface FakeRef extends PromiseWithResolvers<unknown> {
  settled: boolean;
  readonly actor: FakeActor;
  readonly value: number;
}

class FakeActor {
  readonly name: string;
  readonly calls: FakeRef[] = [];
  constructor(name: string) {
    this.name = name;
  }
  call(value: number): ObjectRef<string> {
    const ref: FakeRef = { ...Promise.withResolvers<unknown>(), settled: false, actor: this, value };
    const done = () => (ref.settled = true);
    ref.promise.then(done, done);
    this.calls.push(ref);
    return ref as unknown as ObjectRef<string>;
  }
  /** Ends the call with this value. */
  async end(value: number, error?: Error): Promise<void> {
    const ref = this.calls.find((each) => each.value === value && !each.settled);
    if (ref === undefined) throw new Error(`${this.name} has no call of ${value}`);
    if (error === undefined) ref.resolve(`${this.name}:${value}`);
    else ref.reject(error);
    await settle();
  }
}

const fake = (ref: ObjectRef<unknown>) => ref as unknown as FakeRef;

class FakeRuntime implements PoolRuntime {
  readonly cancelled: number[] = [];

  get<T>(ref: ObjectRef<T>): Promise<T> {
    return fake(ref).promise as Promise<T>;
  }

  cancel(ref: ObjectRef<unknown>): void {
    if (!fake(ref).settled) this.cancelled.push(fake(ref).value);
  }
}

class TestPool extends ActorPoolBase<FakeActor, string> {
  protected override runtime(): PoolRuntime {
    return runtimes.at(-1)!;
  }
}

const runtimes: FakeRuntime[] = [];

function setUp(count: number) {
  const runtime = new FakeRuntime();
  runtimes.push(runtime);
  const actors = Array.from({ length: count }, (_, at) => new FakeActor("abcdef"[at]));
  return { runtime, actors, pool: new TestPool(actors) };
}

const call = (actor: FakeActor, value: number) => actor.call(value);

describe("submit and getNext", () => {
  it("answers in the order of submission", async () => {
    const { pool, actors } = setUp(2);
    const [a, b] = actors;
    for (const value of [1, 2, 3]) pool.submit(call, value);
    // The last idle one is taken first; what counts is that both are busy and one call waits.
    expect([a.calls.length, b.calls.length]).toEqual([1, 1]);
    expect(pool.hasFree()).toBe(false);
    const [first, second] = b.calls[0].value === 1 ? [b, a] : [a, b];
    await second.end(2);
    const next = pool.getNext();
    await settle();
    await first.end(1);
    expect(await next).toBe(`${first.name}:1`);
    expect(await pool.getNext()).toBe(`${second.name}:2`);
    await first.end(3);
    expect(pool.hasNext()).toBe(true);
    expect(await pool.getNext()).toBe(`${first.name}:3`);
    expect(pool.hasNext()).toBe(false);
    expect(pool.hasFree()).toBe(true);
  });

  it("answers as they come", async () => {
    const { pool, actors } = setUp(2);
    pool.submit(call, 1);
    pool.submit(call, 2);
    const second = actors.find((actor) => actor.calls[0].value === 2)!;
    const first = actors.find((actor) => actor.calls[0].value === 1)!;
    const next = pool.getNextUnordered();
    await settle();
    await second.end(2);
    expect(await next).toBe(`${second.name}:2`);
    // Ordered and unordered reading may be mixed.
    pool.submit(call, 3);
    await first.end(1);
    expect(await pool.getNext()).toBe(`${first.name}:1`);
    await second.end(3);
    expect(await pool.getNextUnordered()).toBe(`${second.name}:3`);
  });

  it("serves several readers, each another result", async () => {
    const { pool, actors } = setUp(1);
    for (const value of [1, 2, 3]) pool.submit(call, value);
    const readers = [pool.getNext(), pool.getNextUnordered(), pool.getNext()];
    expect(pool.hasNext()).toBe(false);
    await settle();
    for (const value of [1, 2, 3]) await actors[0].end(value);
    expect((await Promise.all(readers)).toSorted((x, y) => x.localeCompare(y))).toEqual([
      "a:1",
      "a:2",
      "a:3",
    ]);
    expect(pool.hasNext()).toBe(false);
  });

  it("stays usable after a timeout", async () => {
    const { pool, actors } = setUp(1);
    pool.submit(call, 1);
    pool.submit(call, 2);
    await expect(pool.getNext({ timeout: 5 })).rejects.toMatchObject({
      code: "GetTimeout",
      message: "no result of the pool after 5ms",
    });
    await expect(pool.getNextUnordered({ timeout: 0 })).rejects.toEqual(code("GetTimeout"));
    await actors[0].end(1);
    expect(await pool.getNext({ timeout: 5 })).toBe("a:1");
    const waits = pool.getNext({ timeout: 1 });
    await expect(waits).rejects.toEqual(code("GetTimeout"));
    await actors[0].end(2);
    expect(await pool.getNext()).toBe("a:2");
  });

  it("times out, and is aborted, while the call has no actor yet", async () => {
    const { pool } = setUp(0);
    pool.submit(call, 1);
    await expect(pool.getNext({ timeout: 1 })).rejects.toEqual(code("GetTimeout"));
    await expect(pool.getNextUnordered({ timeout: 1 })).rejects.toEqual(code("GetTimeout"));
    const stop = new AbortController();
    const next = pool.getNext({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
    await expect(pool.getNext({ signal: stop.signal })).rejects.toThrow("enough");
    await expect(pool.getNext({ timeout: "x" as never })).rejects.toEqual(code("BadOption"));
    const late = new FakeActor("l");
    pool.push(late);
    await late.end(1);
    expect(await pool.getNext()).toBe("l:1");
  });

  it("says when nothing is left", async () => {
    const { pool } = setUp(1);
    await expect(pool.getNext()).rejects.toEqual(code("InvalidCall"));
    await expect(pool.getNextUnordered()).rejects.toEqual(code("InvalidCall"));
  });

  it("passes on an error and keeps the actor", async () => {
    const { pool, actors } = setUp(1);
    pool.submit(call, 1);
    pool.submit(call, 2);
    await actors[0].end(1, new RangeError("bad 1"));
    await expect(pool.getNext()).rejects.toThrow("bad 1");
    await actors[0].end(2);
    expect(await pool.getNext()).toBe("a:2");
    expect(pool.hasFree()).toBe(true);
  });

  it("forgets an actor that died, and fails what waits for the last one", async () => {
    const { pool, actors } = setUp(1);
    for (const value of [1, 2, 3]) pool.submit(call, value);
    await actors[0].end(1, new IonoError("ActorDied", "gone"));
    await expect(pool.getNext()).rejects.toEqual(code("ActorDied"));
    await expect(pool.getNext()).rejects.toEqual(code("ActorDied"));
    await expect(pool.getNextUnordered()).rejects.toEqual(code("ActorDied"));
    expect(pool.hasNext()).toBe(false);
    expect(pool.hasFree()).toBe(false);
    pool.push(actors[0]);
    expect(pool.hasFree()).toBe(true);
  });

  it("throws what fn throws, at once or where it is read", async () => {
    const { pool, actors } = setUp(1);
    const broken = (): ObjectRef<string> => {
      throw new TypeError("fn");
    };
    expect(() => pool.submit(broken, 1)).toThrow("fn");
    expect(pool.hasFree()).toBe(true);
    expect(pool.hasNext()).toBe(false);
    pool.submit(call, 1);
    pool.submit(broken, 2);
    pool.submit(call, 3);
    await actors[0].end(1);
    expect(await pool.getNext()).toBe("a:1");
    await expect(pool.getNextUnordered()).rejects.toThrow("fn");
    await actors[0].end(3);
    expect(await pool.getNext()).toBe("a:3");
  });
});

describe("push and popIdle", () => {
  it("adds and takes actors", async () => {
    const { pool, actors } = setUp(1);
    const [a] = actors;
    expect(() => pool.push(a)).toThrow(code("InvalidCall"));
    expect(() => new TestPool([a, a])).toThrow(code("InvalidCall"));
    pool.submit(call, 1);
    expect(() => pool.push(a)).toThrow(code("InvalidCall"));
    expect(pool.popIdle()).toBeUndefined();
    const b = new FakeActor("b");
    pool.push(b);
    expect(pool.popIdle()).toBe(b);
    expect(pool.popIdle()).toBeUndefined();
    pool.submit(call, 2);
    pool.push(b);
    expect(b.calls.length).toBe(1);
    await a.end(1);
    await b.end(2);
    expect(await pool.getNext()).toBe("a:1");
    expect(await pool.getNext()).toBe("b:2");
    expect(pool.popIdle()).toBeInstanceOf(FakeActor);
  });
});

describe("map", () => {
  /** Ends every call as soon as it is there. */
  async function run(
    actors: FakeActor[],
    until: () => boolean,
    error?: (value: number) => Error | undefined,
  ) {
    while (!until()) {
      for (const actor of actors) {
        for (const ref of actor.calls) if (!ref.settled) await actor.end(ref.value, error?.(ref.value));
      }
      await settle();
    }
  }

  it("keeps the order, and does not without it", async () => {
    const { pool, actors } = setUp(3);
    const values = Array.from({ length: 10 }, (_, at) => at);
    for (const method of ["map", "mapUnordered"] as const) {
      const all = pool[method](call, values).toArray();
      let done = false;
      void all.finally(() => (done = true));
      await run(actors, () => done);
      const got = (await all).map((text) => Number(text.split(":")[1]));
      expect(method === "map" ? got : got.toSorted((a, b) => a - b)).toEqual(values);
      expect(pool.hasFree()).toBe(true);
    }
    expectTypeOf(pool.map(call, [1]).toArray()).resolves.toEqualTypeOf<string[]>();
  });

  it("yields what comes first when unordered, and pulls no more than the actors can take", async () => {
    const { pool, actors } = setUp(2);
    let pulled = 0;
    function* values() {
      for (;;) yield (pulled += 1);
    }
    const results = pool.mapUnordered(call, values());
    const first = results.next();
    await settle();
    expect(pulled).toBe(2);
    const second = actors.find((actor) => actor.calls[0].value === 2)!;
    await second.end(2);
    expect(await first).toEqual({ done: false, value: `${second.name}:2` });
    await results.return();
  });

  it("gives the actors back and cancels when the reader leaves", async () => {
    const { pool, actors, runtime } = setUp(2);
    const results = pool.map(call, [1, 2, 3, 4]);
    const next = results.next();
    await settle();
    await actors.find((actor) => actor.calls[0].value === 1)!.end(1);
    await next;
    await settle();
    await results.return();
    expect(runtime.cancelled).toEqual([2, 3]);
    expect([pool.popIdle(), pool.popIdle()].every((actor) => actor !== undefined)).toBe(true);
    expect(pool.popIdle()).toBeUndefined();
  });

  it("ends with the first error, and the pool goes on", async () => {
    const { pool, actors } = setUp(2);
    const all = pool.map(call, [1, 2, 3]).toArray();
    let done = false;
    void all.catch(() => {}).finally(() => (done = true));
    await run(
      actors,
      () => done,
      (value) => (value === 2 ? new RangeError("bad 2") : undefined),
    );
    await expect(all).rejects.toThrow("bad 2");
    pool.submit(call, 9);
    await actors.find((actor) => actor.calls.some((ref) => ref.value === 9))!.end(9);
    expect(await pool.getNext()).toMatch(/:9$/);
  });

  it("drops an actor that died in it", async () => {
    const { pool, actors } = setUp(2);
    const all = pool.map(call, [1, 2, 3]).toArray();
    let done = false;
    void all.catch(() => {}).finally(() => (done = true));
    await run(
      actors,
      () => done,
      (value) => (value === 1 ? new IonoError("ActorDied", "gone") : undefined),
    );
    await expect(all).rejects.toEqual(code("ActorDied"));
    expect(pool.popIdle()).toBeInstanceOf(FakeActor);
    expect(pool.popIdle()).toBeUndefined();
  });

  it("holds back what is submitted while it runs", async () => {
    const { pool, actors } = setUp(1);
    const results = pool.map(call, [1]);
    const next = results.next();
    await settle();
    pool.submit(call, 9);
    expect(actors[0].calls.length).toBe(1);
    await actors[0].end(1);
    expect((await next).value).toBe("a:1");
    expect(await results.next()).toEqual({ done: true, value: undefined });
    await actors[0].end(9);
    expect(await pool.getNext()).toBe("a:9");
  });

  it("refuses to begin while others use the pool", async () => {
    const { pool, actors } = setUp(1);
    pool.submit(call, 1);
    await expect(pool.map(call, [1]).toArray()).rejects.toMatchObject({
      message: expect.stringContaining("still to be taken"),
    });
    await actors[0].end(1);
    await pool.getNext();
    const first = pool.map(call, [1]);
    void first.next();
    await settle();
    await expect(pool.map(call, [1]).toArray()).rejects.toMatchObject({
      message: expect.stringContaining("another map"),
    });
    await first.return();
    await expect(setUp(0).pool.map(call, [1]).toArray()).rejects.toMatchObject({
      message: expect.stringContaining("no actors"),
    });
  });
});

it("takes every result once, however submits and reads are mixed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.constantFrom("submit", "submit", "ordered", "unordered", "end"), { maxLength: 40 }),
      async (count, steps) => {
        const { pool, actors } = setUp(count);
        const reads: Promise<string>[] = [];
        let submitted = 0;
        const endOne = async () => {
          const ref = actors.flatMap((actor) => actor.calls).find((each) => !each.settled);
          if (ref !== undefined) await ref.actor.end(ref.value);
          return ref !== undefined;
        };
        for (const step of steps) {
          if (step === "submit") pool.submit(call, (submitted += 1));
          else if (step === "end") await endOne();
          else if (pool.hasNext()) reads.push(step === "ordered" ? pool.getNext() : pool.getNextUnordered());
        }
        while (pool.hasNext()) reads.push(pool.getNext());
        // Each end may free an actor for the next call.
        for (let idle = 0; idle < 3; idle += 1) while (await endOne()) idle = 0;
        const values = (await Promise.all(reads)).map((text) => Number(text.split(":")[1]));
        expect(values.toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: submitted }, (_, at) => at + 1),
        );
        expect(pool.hasNext()).toBe(false);
      },
    ),
    { numRuns: 100 },
  );
});
