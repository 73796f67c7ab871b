import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ActorPool, get, init, kill, map, Queue, remote, shutdown } from "../../src/index.ts";
import { Gate, until, type GateHandle } from "./actor-fixtures.ts";

let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2 });
  gate = remote(Gate).remote();
});
afterAll(shutdown);

describe("Queue", () => {
  it("hands items over in order, between tasks and actors (R6)", async () => {
    const queue = new Queue<number>({ maxSize: 4 });
    const produce = remote(async (to: Queue<number>, n: number) => {
      for (let i = 0; i < n; i++) await to.put(i);
    });
    const consume = remote(async (from: Queue<number>, n: number) => {
      const taken: number[] = [];
      while (taken.length < n) taken.push(await from.get());
      return taken;
    });
    const producing = produce.remote(queue, 20);
    expect(await get(consume.remote(queue, 20))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await get(producing);
    expect([await queue.size(), await queue.empty(), await queue.full()]).toEqual([0, true, false]);
  });

  it("waits, gives up in time, and takes batches (R6)", async () => {
    const queue = new Queue<string>({ maxSize: 2 });
    await expect(queue.getNowait()).rejects.toMatchObject({ code: "QueueEmpty" });
    await expect(queue.get({ timeout: 10 })).rejects.toMatchObject({ code: "QueueEmpty" });
    await queue.putBatch(["a", "b"]);
    await expect(queue.putNowait("c")).rejects.toMatchObject({ code: "QueueFull" });
    await expect(queue.put("c", { timeout: 10 })).rejects.toMatchObject({ code: "QueueFull" });
    const waiting = queue.put("c");
    expect(await queue.getBatch(2)).toEqual(["a", "b"]);
    await waiting;
    expect(await queue.get()).toBe("c");
    await expect(queue.putBatch(["1", "2", "3"])).rejects.toMatchObject({ code: "QueueFull" });
  });

  it("more waits than a link has claim words, of several processes, are all served (R6)", async () => {
    const queue = new Queue<number>();
    const take = remote(async (from: Queue<number>) => {
      const all = await Promise.all(Array.from({ length: 700 }, () => from.get()));
      return all.reduce((a, b) => a + b, 0);
    });
    const sums = [take.remote(queue), take.remote(queue)];
    const mine = Array.from({ length: 1500 }, () => queue.get());
    await queue.putBatch(new Array<number>(2900).fill(1));
    expect(await get(sums)).toEqual([700, 700]);
    expect((await Promise.all(mine)).length).toBe(1500);
  });

  it("shutdown fails who waits and who comes later (R6)", async () => {
    const queue = new Queue<number>();
    const waiting = queue.get();
    const task = remote(async (from: Queue<number>) => from.get());
    const elsewhere = task.remote(queue);
    await queue.size();
    await queue.shutdown();
    await expect(waiting).rejects.toMatchObject({ code: "QueueShutDown" });
    await expect(get(elsewhere)).rejects.toMatchObject({ code: "QueueShutDown" });
    await expect(queue.put(1)).rejects.toMatchObject({ code: "QueueShutDown" });
    await queue.shutdown();
  });

  it("by name, detached, with bad options (R6)", async () => {
    const queue = new Queue<number>({ actor: { name: "queue", getIfExists: true } });
    await queue.put(7);
    const same = new Queue<number>({ actor: { name: "queue", getIfExists: true } });
    expect(await same.get()).toBe(7);
    expect(() => new Queue({ maxsize: 1 } as object)).toThrow(/did you mean maxSize/);
    expect(() => new Queue({ maxSize: -1 })).toThrow(/maxSize/);
  });
});

class Worker {
  readonly pid = process.pid;
  double(n: number): number {
    return 2 * n;
  }
  async held(wait: { gate: GateHandle }, name: string): Promise<string> {
    return get(wait.gate.wait.remote(name));
  }
  batch(ns: number[]): number[] {
    return ns.map((n) => n * 10);
  }
  fail(): never {
    throw new RangeError("no");
  }
}
const RemoteWorker = remote(Worker);

describe("ActorPool", () => {
  it("map keeps the order; mapUnordered gives results as they come (R7)", async () => {
    const pool = new ActorPool([RemoteWorker.remote(), RemoteWorker.remote()]);
    expect(await pool.map((actor, n: number) => actor.double.remote(n), [1, 2, 3, 4, 5]).toArray()).toEqual([
      2, 4, 6, 8, 10,
    ]);
    const names = pool.mapUnordered(
      (actor, name: string) => actor.held.remote({ gate }, name),
      ["late", "soon"],
    );
    const first = names.next();
    await until(async () => (await get(gate.waits.remote("soon"))) === 1);
    gate.open.remote("soon");
    expect(await first).toEqual({ done: false, value: "soon" });
    gate.open.remote("late");
    expect(await names.next()).toEqual({ done: false, value: "late" });
    expect((await names.next()).done).toBe(true);
  });

  it("submit, getNext with a timeout, push and popIdle (R7)", async () => {
    const [first, second] = [RemoteWorker.remote(), RemoteWorker.remote()];
    const pool = new ActorPool<typeof first, string | number>([first]);
    pool.submit((actor, name: string) => actor.held.remote({ gate }, name), "R7");
    pool.submit((actor, n: number) => actor.double.remote(n), 4);
    expect([pool.hasFree(), pool.hasNext(), pool.popIdle()]).toEqual([false, true, undefined]);
    await expect(pool.getNext({ timeout: 20 })).rejects.toMatchObject({ code: "GetTimeout" });
    expect(() => pool.push(first)).toThrow(expect.objectContaining({ code: "InvalidCall" }));
    pool.push(second);
    expect(await pool.getNextUnordered()).toBe(8);
    gate.open.remote("R7");
    expect(await pool.getNext()).toBe("R7");
    expect(pool.hasNext()).toBe(false);
    await expect(pool.getNext()).rejects.toMatchObject({ code: "InvalidCall" });
    expect(pool.popIdle()).toBeDefined();
  });

  it("errors of calls surface where they are taken; a dead actor leaves the pool (R7)", async () => {
    const [first, second] = [RemoteWorker.remote(), RemoteWorker.remote()];
    const pool = new ActorPool<typeof first, number>([first, second]);
    pool.submit((actor) => actor.fail.remote(), 0);
    await expect(pool.getNext()).rejects.toThrow(RangeError);
    kill(first);
    for (let i = 0; i < 2; i++) pool.submit((actor, n: number) => actor.double.remote(n), i);
    const outcomes = await Promise.allSettled([pool.getNext(), pool.getNext()]);
    expect(outcomes.filter((each) => each.status === "rejected")).toHaveLength(1);
    pool.submit((actor, n: number) => actor.double.remote(n), 21);
    expect(await pool.getNext()).toBe(42);
  });
});

describe("map over an actor class", () => {
  it("gives batches to its actors, and ends them (R7)", async () => {
    const out = await map(
      [1, 2, 3, 4, 5],
      { actor: Worker, method: "batch" },
      { batch: 2, concurrency: 2 },
    ).toArray();
    expect(out).toEqual([10, 20, 30, 40, 50]);
    expect(
      await map([1, 2, 3], { actor: RemoteWorker.options({ numCpus: 0.5 }), method: "double" }).toArray(),
    ).toEqual([2, 4, 6]);
  });
});
