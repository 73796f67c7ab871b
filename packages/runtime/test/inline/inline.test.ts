import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ActorPool,
  cancel,
  free,
  get,
  getActor,
  init,
  isTaskError,
  kill,
  listNamedActors,
  map,
  nodes,
  objectLocations,
  put,
  Queue,
  remote,
  runtimeContext,
  shutdown,
  wait,
  type ActorHandle,
  type ObjectRef,
} from "../../src/index.ts";
import { rejection } from "../tasks/signals.ts";

beforeAll(async () => {
  await init({ inline: true, numCpus: 2 });
});
afterAll(shutdown);

const square = remote((x: number) => x * x);
const untilCancelled = remote(
  () =>
    new Promise<never>((_, reject) =>
      runtimeContext().signal.addEventListener("abort", () => reject(new Error("aborted"))),
    ),
  { name: "untilCancelled" },
);
const Counter = remote(
  class Counter {
    n = 0;
    add(k: number) {
      return (this.n += k);
    }
    async later(k: number) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return k;
    }
    *items(n: number) {
      for (let i = 0; i < n; i++) yield i;
    }
    fail() {
      throw new TypeError("act");
    }
  },
);

describe("init({ inline: true })", () => {
  it("runs tasks in this process, without children", async () => {
    expect(await get(square.remote(4))).toBe(16);
    expect(square.local(4)).toBe(16);
    expect(await get(remote(() => process.pid).remote())).toBe(process.pid);
    const children = readdirSync("/proc/self/task").flatMap(
      (task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").match(/\d+/g) ?? [],
    );
    const ours = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("iono"));
    expect(ours).toEqual([]);
  });

  it("is as strict with values as with processes", async () => {
    const given = { n: 1, list: new Float32Array(300_000).fill(1) };
    const ref = put(given);
    const called = remote((value: typeof given) => [value.n, value.list[0]]).remote(given);
    given.n = 2;
    given.list[0] = 2;
    expect(await get(called)).toEqual([1, 1]);
    const [a, b] = await get([ref, ref]);
    a.list[1] = 9;
    expect([a.n, a.list[0], b.list[1], a === b]).toEqual([1, 1, 1, false]);
    expect(() => square.remote({ db: new WeakMap() } as never)).toThrow(
      "argument 0 → db: a WeakMap cannot travel",
    );
    const result = remote(() => ({ s: new WeakSet() }), { name: "give" }).remote();
    expect((await rejection(get(result))).message).toMatch("result of give → s: a WeakSet cannot travel");
  });

  it("gives errors as instances of the user's class", async () => {
    class Boom extends Error {
      extra = 4;
    }
    const fail = remote(
      () => {
        throw new Boom("no", { cause: new Error("why") });
      },
      { name: "fail" },
    );
    const error = await rejection(get(fail.remote()));
    expect(error).toBeInstanceOf(Boom);
    expect(isTaskError(error)).toBe(true);
    expect(error).toMatchObject({
      extra: 4,
      cause: { message: "why" },
      remote: { task: "fail", pid: process.pid, attempt: 0 },
    });
  });

  it("nests, on one place or two", async () => {
    const fibonacci = remote(async (n: number): Promise<number> => {
      if (n < 2) return n;
      const [a, b] = await get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]);
      return a + b;
    });
    expect(await get(fibonacci.remote(8))).toBe(21);
  });

  it("has refs that are interned, nested, freed and waited for", async () => {
    const ref = put([1]);
    const look = remote(
      async (box: { ref: ObjectRef<number[]> }) => [box.ref, (await get(box.ref))[0]] as const,
    );
    const [same, value] = await get(look.remote({ ref }));
    expect(same).toBe(ref);
    expect(value).toBe(1);
    const never = untilCancelled.remote();
    const { ready, pending } = await wait([square.remote(1), never], { count: 1 });
    expect([ready.length, pending.length]).toEqual([1, 1]);
    expect((await objectLocations([ref, never])).map(({ state }) => state)).toEqual(["inline", "pending"]);
    cancel(never);
    free(ref);
    expect((await rejection(get(ref))).code).toBe("ObjectFreed");
  });

  it("cancels, and gives the place of what does not end to others", async () => {
    const cancelled = untilCancelled.remote();
    const reason = rejection(get(cancelled));
    cancel(cancelled);
    expect((await reason).code).toBe("TaskCancelled");
    const stubborn = remote(() => new Promise(() => {}), {
      timeout: "20ms",
      cancelGrace: "10ms",
      retries: 0,
    });
    const stuck = [stubborn.remote(), stubborn.remote(), stubborn.remote()];
    for (const each of stuck) expect((await rejection(get(each))).code).toBe("TaskTimeout");
    expect(await get([square.remote(2), square.remote(3)])).toEqual([4, 9]);
    const slow = untilCancelled.remote();
    expect((await rejection(get(slow, { timeout: "5ms" }))).code).toBe("GetTimeout");
    cancel(slow);
  });

  it("streams, with the end and with a break", async () => {
    const count = remote(function* (n: number) {
      for (let i = 0; i < n; i++) yield i;
    });
    const all: number[] = [];
    for await (const item of count.remote(4)) all.push(await get(item));
    expect(all).toEqual([0, 1, 2, 3]);
    for await (const item of count.remote(1_000_000)) if ((await get(item)) === 5) break;
    const [a, b] = remote(() => [1, "two"] as const, { numReturns: 2 }).remote() as unknown as [
      ObjectRef<number>,
      ObjectRef<string>,
    ];
    expect(await get([a, b] as ObjectRef<unknown>[])).toEqual([1, "two"]);
  });

  it("runs actors: order, generators, errors, names, kill, handles", async () => {
    const counter = Counter.remote();
    await counter.ready();
    expect(await get([counter.add.remote(2), counter.later.remote(1), counter.add.remote(3)])).toEqual([
      2, 1, 5,
    ]);
    const items: number[] = [];
    for await (const item of counter.items.remote(3)) items.push(await get(item));
    expect(items).toEqual([0, 1, 2]);
    expect(await rejection(get(counter.fail.remote()))).toBeInstanceOf(TypeError);
    const inTask = remote(async (handle: ActorHandle<typeof Counter>) => get(handle.add.remote(1)));
    expect(await get(inTask.remote(counter as never))).toBe(6);
    const named = Counter.options({ name: "hits" }).remote();
    await named.ready();
    const same = await getActor<ActorHandle<typeof Counter>>("hits");
    expect(await get(same.add.remote(7))).toBe(7);
    expect((await listNamedActors()).map(({ name }) => name)).toEqual(["hits"]);
    expect((await rejection(Counter.options({ name: "hits" }).remote().ready())).code).toBe("NameTaken");
    kill(named);
    expect((await rejection(get(named.add.remote(1)))).code).toBe("ActorDied");
    expect((await rejection(getActor("hits"))).code).toBe("NoSuchActor");
  });

  it("serves map, Queue, ActorPool and runtimeContext", async () => {
    expect(await map([1, 2, 3], (x: number) => x + 1).toArray()).toEqual([2, 3, 4]);
    const queue = new Queue<number>({ maxSize: 2 });
    await queue.put(1);
    expect(await queue.get()).toBe(1);
    const pool = new ActorPool([Counter.remote()]);
    const out: number[] = [];
    for await (const value of pool.map((actor, v: number) => actor.later.remote(v), [1, 2, 3]))
      out.push(value);
    expect(out).toEqual([1, 2, 3]);
    const context = await get(remote(() => ({ ...runtimeContext(), signal: undefined })).remote());
    expect(context).toMatchObject({ jobId: runtimeContext().jobId, nodeId: "local", attempt: 0 });
    expect((await nodes()).length).toBe(1);
  });
});
