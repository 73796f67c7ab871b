import { IonoError, limits } from "@iono/core";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { QueueActor } from "./queue-actor.ts";
import { QueueClient, type QueueHandle, type QueueOptions, type QueueRuntime } from "./queue.ts";
import type { ObjectRef } from "./types.ts";

const code = (wanted: string) => expect.objectContaining({ code: wanted });

/** Lets everything that is due run, on fake timers too. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

/** Follows a promise: "waiting" until it has an outcome. */
function follow<T>(promise: Promise<T>): { outcome: T | IonoError | "waiting" } {
  const followed: { outcome: T | IonoError | "waiting" } = { outcome: "waiting" };
  promise.then(
    (value) => (followed.outcome = value),
    (error: IonoError) => (followed.outcome = error),
  );
  return followed;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("QueueActor", () => {
  it("is first in, first out", async () => {
    const queue = new QueueActor();
    await queue.put(1);
    await queue.putBatch([2, 3]);
    expect(await queue.size()).toBe(3);
    expect(await queue.empty()).toBe(false);
    expect(await queue.full()).toBe(false);
    expect(await queue.get()).toBe(1);
    expect(await queue.getBatch(2)).toEqual([2, 3]);
    expect(await queue.empty()).toBe(true);
  });

  it("keeps values that look like nothing", async () => {
    const queue = new QueueActor();
    for (const item of [undefined, null, 0, ""]) await queue.put(item);
    expect(await queue.getBatch(4)).toEqual([undefined, null, 0, ""]);
  });

  it("serves who waits in the order they came", async () => {
    const queue = new QueueActor();
    const gets = [queue.get(), queue.getBatch(2), queue.get()].map(follow);
    await queue.putBatch([1, 2]);
    await settle();
    // The second wants two and only one is left; the third does not overtake it.
    expect(gets.map((each) => each.outcome)).toEqual([1, "waiting", "waiting"]);
    await queue.putBatch([3, 4]);
    await settle();
    expect(gets.map((each) => each.outcome)).toEqual([1, [2, 3], 4]);
  });

  it("holds puts back while it is full, in order", async () => {
    const queue = new QueueActor(2);
    await queue.putBatch(["a", "b"]);
    expect(await queue.full()).toBe(true);
    const puts = [queue.putBatch(["c", "d"]), queue.put("e")].map(follow);
    expect(await queue.get()).toBe("a");
    await settle();
    expect(puts.map((each) => each.outcome)).toEqual(["waiting", "waiting"]);
    expect(await queue.get()).toBe("b");
    await settle();
    expect(puts.map((each) => each.outcome)).toEqual([undefined, "waiting"]);
    expect(await queue.getBatch(2)).toEqual(["c", "d"]);
    expect(await queue.get()).toBe("e");
  });

  it("does not wait with a timeout of 0", async () => {
    const queue = new QueueActor(1);
    await expect(queue.get(0)).rejects.toEqual(code("QueueEmpty"));
    await queue.put(1, 0);
    await expect(queue.put(2, 0)).rejects.toMatchObject({
      code: "QueueFull",
      message: "the queue holds 1 of at most 1 items",
    });
    await expect(queue.putBatch([2, 3], 0)).rejects.toEqual(code("QueueFull"));
    await expect(queue.getBatch(2, 0)).rejects.toEqual(code("QueueEmpty"));
    expect(await queue.get(0)).toBe(1);
  });

  it("refuses at once what can never fit", async () => {
    const queue = new QueueActor(2);
    await expect(queue.putBatch([1, 2, 3])).rejects.toMatchObject({
      message: "3 items can never fit a queue of at most 2",
    });
    await expect(queue.getBatch(3)).rejects.toMatchObject({ code: "QueueEmpty" });
    expect(await queue.size()).toBe(0);
    await queue.putBatch([]);
    expect(await queue.getBatch(0)).toEqual([]);
  });

  it("gives up after the timeout, and gives nothing to who has gone", async () => {
    const queue = new QueueActor(1);
    const late = follow(queue.get(1000));
    await vi.advanceTimersByTimeAsync(1000);
    expect(late.outcome).toMatchObject({
      code: "QueueEmpty",
      message: "the queue holds 0 of at most 1 items after 1s",
    });
    await queue.put("kept");
    const full = follow(queue.put("dropped", 500));
    await vi.advanceTimersByTimeAsync(500);
    expect(full.outcome).toEqual(code("QueueFull"));
    expect(await queue.get()).toBe("kept");
    expect(await queue.size()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("lets those behind pass when the first gives up", async () => {
    const queue = new QueueActor(2);
    await queue.put("a");
    const two = follow(queue.putBatch(["b", "c"], 100));
    const one = follow(queue.put("d"));
    const three = follow(queue.getBatch(2, 50));
    await settle();
    expect(three.outcome).toBe("waiting");
    await vi.advanceTimersByTimeAsync(100);
    expect(three.outcome).toEqual(code("QueueEmpty"));
    expect(two.outcome).toEqual(code("QueueFull"));
    expect(one.outcome).toBeUndefined();
    expect(await queue.getBatch(2)).toEqual(["a", "d"]);
  });

  it("withdraws a wait by its key", async () => {
    const queue = new QueueActor();
    const gone = follow(queue.get(5000, "mine"));
    const stays = follow(queue.get(Infinity, "other"));
    await queue.withdraw("mine");
    await queue.withdraw("nobody");
    await settle();
    expect(gone.outcome).toEqual(code("TaskCancelled"));
    await queue.put(1);
    await settle();
    expect(stays.outcome).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves the line when its call is cancelled", async () => {
    const stop = new AbortController();
    class Cancellable extends QueueActor {
      signal: AbortSignal | undefined = stop.signal;
      protected override callSignal(): AbortSignal | undefined {
        return this.signal;
      }
    }
    const queue = new Cancellable();
    const gone = follow(queue.get());
    stop.abort();
    await settle();
    expect(gone.outcome).toEqual(code("TaskCancelled"));
    await expect(queue.get()).rejects.toEqual(code("TaskCancelled"));
    queue.signal = undefined;
    await queue.put(1);
    expect(await queue.get()).toBe(1);
  });

  it("fails those who wait and those who come after it is shut down", async () => {
    const queue = new QueueActor(1);
    await queue.put(1);
    const waiting = [follow(queue.put(2)), follow(queue.getBatch(1, 100))];
    const blocked = new QueueActor();
    const get = follow(blocked.get(5000));
    await queue.shutdown();
    await blocked.shutdown();
    await settle();
    expect(waiting[0].outcome).toBeUndefined();
    expect(get.outcome).toEqual(code("QueueShutDown"));
    await expect(queue.put(1)).rejects.toEqual(code("QueueShutDown"));
    await expect(queue.get(0)).rejects.toEqual(code("QueueShutDown"));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("never loses, doubles or reorders an item, whoever gives up", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("put" as const),
        count: fc.integer({ min: 0, max: 3 }),
        timeoutMs: fc.constantFrom(0, 5, 20, Infinity),
      }),
      fc.record({
        kind: fc.constant("get" as const),
        count: fc.integer({ min: 0, max: 3 }),
        timeoutMs: fc.constantFrom(0, 5, 20, Infinity),
      }),
      fc.record({
        kind: fc.constant("pass" as const),
        count: fc.integer({ min: 1, max: 15 }),
        timeoutMs: fc.constant(0),
      }),
      fc.record({ kind: fc.constant("withdraw" as const), count: fc.nat(30), timeoutMs: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 5 }),
        fc.array(step, { maxLength: 40 }),
        async (maxSize, steps) => {
          const queue = new QueueActor(maxSize);
          const accepted: number[] = [];
          const received: number[] = [];
          let next = 0;
          for (const [at, { kind, count, timeoutMs }] of steps.entries()) {
            if (kind === "put") {
              const items = Array.from({ length: count }, () => (next += 1));
              queue.putBatch(items, timeoutMs, `k${at}`).then(
                () => accepted.push(...items),
                () => {},
              );
            } else if (kind === "get") {
              queue.getBatch(count, timeoutMs, `k${at}`).then(
                (items) => received.push(...(items as number[])),
                () => {},
              );
            } else if (kind === "pass") await vi.advanceTimersByTimeAsync(count);
            else await queue.withdraw(`k${count}`);
            await settle();
            expect(await queue.size()).toBeLessThanOrEqual(maxSize);
          }
          // Whoever still waits has its say, then what is left is taken out.
          await vi.advanceTimersByTimeAsync(100);
          for (let at = 0; at < steps.length; at += 1) await queue.withdraw(`k${at}`);
          await settle();
          received.push(...((await queue.getBatch(await queue.size())) as number[]));
          expect(received).toEqual(accepted.toSorted((a, b) => a - b));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Runs the actor in this process. */
class FakeRuntime implements QueueRuntime {
  readonly killed: object[] = [];
  readonly created: unknown[] = [];

  create(maxSize: number, options: QueueOptions["actor"]): QueueHandle {
    this.created.push([maxSize, options]);
    const actor = new QueueActor(maxSize);
    const dead = () => this.killed.length > 0;
    const handle = new Proxy(
      {},
      {
        get: (_target, name) => ({
          remote: (...args: unknown[]) => {
            const promise = dead()
              ? Promise.reject(new IonoError("ActorDied", "it was killed"))
              : (Reflect.get(actor, name) as (...args: unknown[]) => Promise<unknown>).apply(actor, args);
            promise.catch(() => {});
            return { promise };
          },
        }),
      },
    );
    return handle as QueueHandle;
  }

  get<T>(ref: ObjectRef<T>): Promise<T> {
    return (ref as unknown as { promise: Promise<T> }).promise;
  }

  kill(actor: object): void {
    this.killed.push(actor);
  }
}

const runtimes = new WeakMap<object, FakeRuntime>();
let current = new FakeRuntime();

class TestQueue<T> extends QueueClient<T> {
  protected override runtime(): QueueRuntime {
    return runtimes.get(this) ?? current;
  }
}

describe("Queue", () => {
  beforeEach(() => {
    current = new FakeRuntime();
  });

  it("puts and gets", async () => {
    const queue = new TestQueue<number>({ maxSize: 2, actor: { name: "q" } });
    expect(current.created).toEqual([[2, { name: "q" }]]);
    await queue.put(1);
    await queue.putNowait(2);
    await expect(queue.putNowait(3)).rejects.toEqual(code("QueueFull"));
    expect(await queue.full()).toBe(true);
    expect(await queue.size()).toBe(2);
    expect(await queue.getBatch(2)).toEqual([1, 2]);
    await queue.putBatch([4]);
    expect(await queue.getNowait()).toBe(4);
    await expect(queue.getNowait()).rejects.toEqual(code("QueueEmpty"));
    expect(await queue.empty()).toBe(true);
    expectTypeOf(queue.get()).resolves.toEqualTypeOf<number>();
    expectTypeOf(queue.getBatch(1)).resolves.toEqualTypeOf<number[]>();
  });

  it("times out", async () => {
    const queue = new TestQueue<string>();
    const get = follow(queue.get({ timeout: "2s" }));
    await vi.advanceTimersByTimeAsync(2000);
    expect(get.outcome).toEqual(code("QueueEmpty"));
    await expect(queue.get({ timeout: "2 s" as never })).rejects.toEqual(code("BadOption"));
  });

  it("ends a wait by its signal, and answers an item that was handed over before", async () => {
    const queue = new TestQueue<string>();
    const stop = new AbortController();
    const get = follow(queue.get({ signal: stop.signal }));
    stop.abort(new Error("enough"));
    await settle();
    expect(get.outcome).toEqual(new Error("enough"));
    await expect(queue.get({ signal: stop.signal })).rejects.toThrow("enough");
    const second = new AbortController();
    const handed = follow(queue.get({ signal: second.signal }));
    void queue.put("item");
    second.abort(new Error("too late"));
    await settle();
    expect(handed.outcome).toBe("item");
    expect(await queue.size()).toBe(0);
  });

  it("holds waits back beyond the limit, in order, within their time", async () => {
    const queue = new TestQueue<number>();
    const { value: places } = limits.queueWaits;
    const gets = Array.from({ length: places + 2 }, () => follow(queue.get()));
    const late = follow(queue.get({ timeout: 100 }));
    const stop = new AbortController();
    const aborted = follow(queue.get({ signal: stop.signal }));
    await vi.advanceTimersByTimeAsync(100);
    stop.abort(new Error("enough"));
    await settle();
    expect(late.outcome).toEqual(code("QueueEmpty"));
    expect(aborted.outcome).toEqual(new Error("enough"));
    await expect(queue.getNowait()).rejects.toEqual(code("QueueEmpty"));
    // Puts have places of their own, and each get that ends lets the next one wait.
    for (let at = 0; at < places + 2; at += 1) await queue.put(at);
    await settle();
    expect(gets.map((each) => each.outcome)).toEqual([...gets.keys()]);
    await queue.put(-1);
    expect(await queue.get()).toBe(-1);
  });

  it("is shut down once for all, whoever holds it", async () => {
    const queue = new TestQueue<number>();
    const get = follow(queue.get());
    await queue.shutdown();
    await settle();
    expect(get.outcome).toEqual(code("QueueShutDown"));
    expect(current.killed[0]).toBe(queue.actor);
    await expect(queue.put(1)).rejects.toMatchObject({ code: "QueueShutDown", cause: code("ActorDied") });
    await queue.shutdown();
  });

  it("travels: all it has are plain fields, and a copy works", async () => {
    const queue = new TestQueue<number>({ maxSize: 3 });
    expect(new Set(Reflect.ownKeys(queue))).toEqual(new Set(["actor", "maxSize"]));
    const copy: TestQueue<number> = Object.assign(Object.create(TestQueue.prototype), queue);
    await copy.put(7);
    expect(await queue.get()).toBe(7);
  });

  it.each([
    [{ maxSize: -1 }, "Queue option maxSize must be a whole number ≥ 0"],
    [{ maxSize: 1.5 }, "Queue option maxSize must be a whole number ≥ 0"],
    [{ maxsize: 1 }, "Queue option maxsize is unknown; did you mean maxSize?"],
    [{ foo: 1 }, "Queue option foo is unknown; known: maxSize, actor"],
    [5, "Queue options must be an object; got 5"],
  ])("refuses %j", (options, message) => {
    expect(() => new TestQueue(options as QueueOptions)).toThrow(message);
  });

  it("refuses wrong batches", async () => {
    const queue = new TestQueue<string>();
    await expect(queue.getBatch(-1)).rejects.toEqual(code("BadOption"));
    await expect(queue.putBatch("abc" as never)).rejects.toEqual(code("BadOption"));
  });
});
