import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, remote, runtimeContext, shutdown } from "../../src/index.ts";
import { rejection } from "./signals.ts";

beforeAll(async () => {
  await init({ numCpus: 2, numGpus: 2, resources: { disk: 2 } });
});
afterAll(async () => {
  await shutdown();
});

const pid = (): number => process.pid;

describe("numReturns", () => {
  it("gives so many refs (A14)", async () => {
    const three = remote(
      (a: number) =>
        [a, "b", { c: new Float64Array(50_000).fill(3) }] as [number, string, { c: Float64Array }],
      { numReturns: 3 },
    );
    const refs = three.remote(1);
    expect(refs).toHaveLength(3);
    const [a, b, c] = await get(refs);
    expect([a, b, c.c[49_999]]).toEqual([1, "b", 3]);
    const later = remote(async () => [1, 2] as [number, number], { numReturns: 2 });
    expect(await get(later.remote())).toEqual([1, 2]);
    const fromSet = remote(() => new Set([4, 5]) as unknown as number[], { numReturns: 2 });
    expect(await get(fromSet.remote())).toEqual([4, 5]);
  });

  it("0 gives none, and the task runs (A14)", async () => {
    const none = remote((_x: number) => 5, { numReturns: 0 });
    expect(none.remote(1)).toBeUndefined();
    expect(await get(remote(() => 1).remote())).toBe(1);
  });

  it("fails each ref when the function returns another count (A14)", async () => {
    const wrong = remote((value: unknown) => value as number[], { numReturns: 3 });
    for (const [value, text] of [
      [[1, 2], "returned 2 values"],
      [[1, 2, 3, 4], "returned 4 values"],
      [5, "must return 3 values"],
      [null, "must return 3 values"],
      ["abc", "must return 3 values"],
    ] as const) {
      const refs = wrong.remote(value);
      for (const ref of refs) {
        const error = await rejection(get(ref));
        expect([error.code, error.message]).toEqual(["WrongResultCount", expect.stringContaining(text)]);
      }
    }
  });

  it("fails each ref when the function throws", async () => {
    const failing = remote(
      (): [number, number] => {
        throw new RangeError("both");
      },
      { numReturns: 2 },
    );
    for (const ref of failing.remote()) expect(await rejection(get(ref))).toBeInstanceOf(RangeError);
  });
});

describe("options", () => {
  it("override for one handle only (A15)", async () => {
    const name = remote(() => runtimeContext().attempt, { name: "first" });
    const failing = remote((): number => {
      throw new Error("named");
    });
    const other = failing.options({ name: "other", retries: 0 });
    expect((await rejection(get(other.remote()))).remote).toMatchObject({ task: "other" });
    expect((await rejection(get(failing.remote()))).remote).toMatchObject({ task: "anonymous" });
    expect(await get(name.options({ numCpus: 0.1 }).remote())).toBe(0);
    expect(
      await get(other.options({ numCpus: 2 }).remote()).catch(
        (error: Error & { remote?: { task: string } }) => error.remote?.task,
      ),
    ).toBe("other");
  });

  it("that are wrong are refused, naming the option (A16)", () => {
    const f = (): number => 1;
    for (const [options, text] of [
      [{ numCpu: 1 }, /numCpu.*numCpus/],
      [{ numCpus: -1 }, /numCpus/],
      [{ numGpus: 1.5 }, /numGpus/],
      [{ retries: 1.5 }, /retries/],
      [{ retryOn: "all" }, /retryOn/],
      [{ timeout: "soon" }, /timeout/],
      [{ numReturns: -1 }, /numReturns/],
      [{ resources: { disk: -2 } }, /disk/],
      [{ labels: { a: "b c" } }, /labels/],
      [{ name: 5 }, /name/],
    ] as const) {
      expect(() => remote(f, options as never), JSON.stringify(options)).toThrow(text);
      expect(() => remote(f).options(options as never), JSON.stringify(options)).toThrow(text);
    }
  });

  it("that are fixed cannot be overridden (A17)", () => {
    expect(() => remote(pid).options({ maxCalls: 2 } as never)).toThrow(/maxCalls/);
  });

  it("beyond a limit: a function that captures too much is refused (A12)", () => {
    const large = Array.from({ length: 300_000 }, (_, i) => `captured text number ${i} with some length`);
    const f = remote(() => large.length);
    expect(() => f.remote()).toThrow(/its code and what it captures are .* at most 8MiB/);
  });
});

describe("maxCalls", () => {
  it("ends the worker after so many runs, before the next (A18)", async () => {
    const twice = remote(pid, { maxCalls: 2 });
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) seen.push(await get(twice.remote()));
    for (const each of new Set(seen))
      expect(seen.filter((one) => one === each).length).toBeLessThanOrEqual(2);
    const once = remote(pid, { maxCalls: 1 });
    const pids = await get(Array.from({ length: 4 }, () => once.remote()));
    expect(new Set(pids).size).toBe(4);
  });

  it("does not take a parent along that waits in the same process", async () => {
    const once = remote((x: number) => x * 2, { maxCalls: 1 });
    const parent = remote(async (x: number) => (await get(once.remote(x))) + 1, { retries: 0 });
    expect(await get([1, 2].map((x) => parent.remote(x)))).toEqual([3, 5]);
  });

  it("is 1 for tasks with GPUs, whose workers see their own devices only (A19, A20)", async () => {
    const gpu = remote(
      () => [process.pid, process.env["CUDA_VISIBLE_DEVICES"], runtimeContext().gpuIds] as const,
      { numGpus: 1 },
    );
    const seen = await get([gpu.remote(), gpu.remote(), gpu.remote()]);
    expect(new Set(seen.map(([id]) => id)).size).toBe(3);
    for (const [, visible, ids] of seen)
      expect([visible === "0" || visible === "1", ids]).toEqual([true, [Number(visible)]]);
    const none = remote(() => process.env["CUDA_VISIBLE_DEVICES"] ?? "unset");
    expect(["unset", ""]).toContain(await get(none.remote()));
  });
});

describe("resources", () => {
  it("bound what runs at once: custom ones, and fractions", async () => {
    const busy = remote(
      async () => {
        const holder = globalThis as { atOnce?: number };
        holder.atOnce = (holder.atOnce ?? 0) + 1;
        const most = holder.atOnce;
        await new Promise((resolve) => setTimeout(resolve, 5));
        holder.atOnce--;
        return [process.pid, most] as const;
      },
      { numCpus: 0, resources: { disk: 1 } },
    );
    const seen = await get(Array.from({ length: 12 }, () => busy.remote()));
    expect(new Set(seen.map(([id]) => id)).size).toBeLessThanOrEqual(2);
    expect(Math.max(...seen.map(([, most]) => most))).toBe(1);
  });
});
