import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, remote, shutdown } from "../../src/index.ts";
import { agentStatus, controlPath } from "./agent-status.ts";

let path: string;

beforeAll(async () => {
  await init({ numCpus: 2 });
  path = await controlPath();
});

afterAll(() => shutdown());

describe("workers", () => {
  it("are as many as there are CPUs, for many small tasks of many functions (M14)", async () => {
    const pids = new Set<number>();
    for (let f = 0; f < 10; f++) {
      const task = remote(() => process.pid);
      for (const pid of await get(Array.from({ length: 200 }, () => task.remote()))) pids.add(pid);
    }
    expect(pids.size).toBeLessThanOrEqual(2);
  });

  it("above that number they end when nobody wants them (M14)", async () => {
    const small = remote(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 700));
        return process.pid;
      },
      { numCpus: 0.25 },
    );
    const pids = await get(Array.from({ length: 8 }, () => small.remote()));
    expect(new Set(pids).size).toBeGreaterThan(2);
    await expect
      .poll(async () => (await agentStatus(path)).workers.length, { timeout: 10_000 })
      .toBeLessThanOrEqual(2);
    const { resources, demand } = await agentStatus(path);
    expect(demand).toEqual([]);
    expect(resources.total["CPU"]).toBe(2);
  });

  it("do not grow with tasks that wait for others, and nesting never deadlocks (M3)", async () => {
    const leaf = remote((i: number) => ({ i, pid: process.pid }));
    const parent = remote(async (i: number) => {
      const children = await get([leaf.remote(i), leaf.remote(i + 1)]);
      return {
        sum: children[0].i + children[1].i,
        pids: [process.pid, ...children.map((child) => child.pid)],
      };
    });
    const results = await get(Array.from({ length: 100 }, (_, i) => parent.remote(i)));
    expect(results.map((each) => each.sum)).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i + 1));
    expect(new Set(results.flatMap((each) => each.pids)).size).toBeLessThanOrEqual(2);

    const deep = remote(async (depth: number): Promise<number> =>
      depth === 0 ? 0 : 1 + (await get(deep.remote(depth - 1))),
    );
    expect(await get(deep.remote(40))).toBe(40);
    expect((await agentStatus(path)).workers.length).toBeLessThanOrEqual(4);
  });

  it("chains of functions that wait for one another all finish (M12)", async () => {
    const h = remote((i: number) => i);
    const g = remote(async (i: number) => (await get(h.remote(i))) + 1);
    const f = remote(async (i: number) => (await get(g.remote(i))) + 1);
    const results = await get(Array.from({ length: 300 }, (_, i) => f.remote(i)));
    expect(results).toEqual(Array.from({ length: 300 }, (_, i) => i + 2));
  });

  it("chains through shapes of their own finish on CPUs lent by those that wait", async () => {
    const inner = remote((i: number) => i, { numCpus: 0.5 });
    const middle = remote(async (i: number) => (await get(inner.remote(i))) + 1, { numCpus: 2 });
    const outer = remote(async (i: number) => (await get(middle.remote(i))) + 1);
    expect(await get(Array.from({ length: 12 }, (_, i) => outer.remote(i)))).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 2),
    );
  });

  it("serve several owners fairly", async () => {
    class Submitter {
      async run(count: number): Promise<{ began: number; ended: number; sum: number }> {
        const began = Date.now();
        const one = remote((i: number) => {
          const end = performance.now() + 1;
          while (performance.now() < end);
          return i & 1;
        });
        const values = await get(Array.from({ length: count }, (_, i) => one.remote(i)));
        return { began, ended: Date.now(), sum: values.reduce((a, b) => a + b, 0) };
      }
    }
    const Actor = remote(Submitter);
    const actors = Array.from({ length: 4 }, () => Actor.remote());
    await Promise.all(actors.map((actor) => actor.ready()));
    await get(actors.map((actor) => actor.run.remote(50)));
    const count = 500;
    const runs = await get(actors.map((actor) => actor.run.remote(count)));
    expect(runs.map((run) => run.sum)).toEqual(runs.map(() => count / 2));
    // All of them were at it at the same time, to the end of the first: none waited for another to be done.
    const firstEnd = Math.min(...runs.map((run) => run.ended));
    expect(Math.max(...runs.map((run) => run.began))).toBeLessThan(firstEnd);
  });

  it("an owner's short task does not wait behind another owner's long one while a worker is free", async () => {
    class Owner {
      async long(ms: number): Promise<number> {
        const sleep = remote(async (time: number) => {
          await new Promise((resolve) => setTimeout(resolve, time));
          return process.pid;
        });
        return get(sleep.remote(ms));
      }
    }
    const owner = remote(Owner).remote();
    await owner.ready();
    const long = owner.long.remote(4000);
    const short = remote(() => process.pid);
    const order: string[] = [];
    const ended = get(long).then(() => order.push("long"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let i = 0; i < 20; i++) {
      await get(short.remote());
      order.push("short");
    }
    await ended;
    expect(order.indexOf("long")).toBe(20);
  });
});
