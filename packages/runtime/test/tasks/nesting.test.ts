import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, put, remote, shutdown, type ObjectRef } from "../../src/index.ts";
import { note, notes, raise, rejection, removeSignals, signal, signalFolder, spinUntil } from "./signals.ts";

const folder = signalFolder();
beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

describe("nesting", () => {
  it("goes 200 deep on 2 CPUs, without a process a level (A7, A21)", async () => {
    const deep = remote(async (n: number): Promise<number[]> => {
      if (n === 0) return [process.pid];
      return [...(await get(deep.remote(n - 1))), process.pid];
    });
    const pids = await get(deep.remote(200));
    expect(pids).toHaveLength(201);
    expect(new Set(pids).size).toBeLessThanOrEqual(6);
  });

  it("runs 500 parents of 4 children each on 2 CPUs", async () => {
    const child = remote((x: number) => [x, process.pid]);
    const parent = remote(async (i: number) => {
      const parts = await get([0, 1, 2, 3].map((j) => child.remote(i * 4 + j)));
      return parts.map(([x, pid]) => [x, pid, process.pid]);
    });
    const all = (await get(Array.from({ length: 500 }, (_, i) => parent.remote(i)))).flat();
    expect(all.map(([x]) => x)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    expect(new Set(all.flatMap(([, a, b]) => [a, b])).size).toBeLessThanOrEqual(10);
  });

  it("gives a waiting parent's CPU to its children, whatever they ask for (A21)", async () => {
    const whole = remote((x: number) => x + 1, { numCpus: 2 });
    const parent = remote(async (x: number) => get(whole.remote(x)), { numCpus: 2 });
    expect(await get([1, 2, 3].map((x) => parent.remote(x)))).toEqual([2, 3, 4]);
  });

  it("lets a tree of tasks pass refs down and up", async () => {
    const sum = remote(async ({ refs }: { refs: ObjectRef<number>[] }): Promise<number> => {
      if (refs.length === 1) return get(refs[0]);
      const half = refs.length >> 1;
      const [a, b] = await get([
        sum.remote({ refs: refs.slice(0, half) }),
        sum.remote({ refs: refs.slice(half) }),
      ]);
      return a + b;
    });
    expect(await get(sum.remote({ refs: Array.from({ length: 32 }, (_, i) => put(i)) }))).toBe(496);
  });

  it("keeps one task at a time in a process, also after a get that nobody awaited", async () => {
    const never = remote(async () => signal(folder, "careless"));
    const careless = remote(({ ref }: { ref: ObjectRef<void> }) => {
      void get(ref).catch(() => {});
      return process.pid;
    });
    const pending = never.remote();
    await get(Array.from({ length: 5 }, () => careless.remote({ ref: pending })));
    const alone = remote(async () => {
      const holder = globalThis as { inside?: number };
      holder.inside = (holder.inside ?? 0) + 1;
      const inside = holder.inside;
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      holder.inside--;
      return inside;
    });
    expect(new Set(await get(Array.from({ length: 60 }, () => alone.remote())))).toEqual(new Set([1]));
    raise(folder, "careless");
    await get(pending);
  });
});

describe("long and short tasks", () => {
  it("a fast result is not held back by a slow task behind it", async () => {
    const maybe = remote((name: string) => {
      if (name !== "") spinUntil(folder, name);
      return name;
    });
    // Known to be short: many go to a worker at once.
    await get(Array.from({ length: 400 }, () => maybe.remote("")));
    const refs = Array.from({ length: 60 }, (_, i) => maybe.remote(i === 30 ? "slow" : ""));
    const fast = refs.filter((_, i) => i !== 30);
    expect(await get(fast)).toEqual(fast.map(() => ""));
    raise(folder, "slow");
    expect(await get(refs[30])).toBe("slow");
  });

  it("nothing waits behind a long task while another worker is free", async () => {
    const work = remote((name: string) => {
      if (name.startsWith("long")) spinUntil(folder, name);
      note(folder, "order", name);
      return name;
    });
    await get(Array.from({ length: 300 }, () => work.remote("short")));
    const before = notes(folder, "order").length;
    const long = work.remote("long 1");
    const rest = Array.from({ length: 50 }, (_, i) => work.remote(`after ${i}`));
    await get(rest);
    expect(notes(folder, "order").slice(before)).toHaveLength(50);
    raise(folder, "long 1");
    expect(await get(long)).toBe("long 1");
  });

  it("tasks not measured yet spread over the free workers", async () => {
    const meet = remote(async (mine: string, other: string) => {
      raise(folder, mine);
      await signal(folder, other);
      return true;
    });
    expect(await get([meet.remote("left", "right"), meet.remote("right", "left")])).toEqual([true, true]);
  });
});

describe("a worker that ends", () => {
  it("fails the task to blame without retries, naming exit and process (C5)", async () => {
    const dying = remote(
      function dying(code: number) {
        process.exit(code);
      },
      { retries: 0 },
    );
    const error = await rejection(get(dying.remote(7)));
    expect([error.code, error.remote]).toMatchObject([
      "WorkerDied",
      { task: "dying", attempt: 0, pid: expect.any(Number) },
    ]);
    expect(error.message).toMatch(/exit code 7/);
  });

  it("runs it again while retries last, 3 by default (C5, C6)", async () => {
    const dying = remote((list: string, good: number) => {
      note(folder, list, "ran");
      if (notes(folder, list).length <= good) process.kill(process.pid, "SIGKILL");
      return notes(folder, list).length;
    });
    expect(await get(dying.options({ retries: 1 }).remote("one", 1))).toBe(2);
    expect((await rejection(get(dying.remote("four", 9)))).code).toBe("WorkerDied");
    expect(notes(folder, "four")).toHaveLength(4);
  });

  it("costs those nothing that only stood in its queue or waited", async () => {
    const child = remote(async (name: string) => signal(folder, name));
    const parent = remote(
      async (name: string) => {
        await get(child.remote(name));
        return name;
      },
      { retries: 0 },
    );
    const bystanders = [parent.remote("bystander"), parent.remote("bystander")];
    const dying = remote(() => process.exit(1), { retries: 0 });
    await Promise.all([1, 2, 3].map(() => rejection(get(dying.remote()))));
    raise(folder, "bystander");
    expect(await get(bystanders)).toEqual(["bystander", "bystander"]);
  });
});
