import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memberIfAny } from "../../src/api/runtime.ts";
import { free, get, init, put, remote, shutdown, wait, type ObjectRef } from "../../src/index.ts";
import { raise, rejection, removeSignals, signal, signalFolder } from "../tasks/signals.ts";

const mebibyte = 1024 * 1024;
const folder = signalFolder();

beforeAll(async () => {
  await init({ numCpus: 2, objectStore: "256MiB" });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const usedBytes = () => Number(memberIfAny()!.owner.store.stats().usedBytes);
/** Resolves once the store holds no more than so many bytes, whatever the garbage collector takes to see that. */
const untilUsed = (mostBytes: number) =>
  expect
    .poll(
      () => {
        collect();
        return usedBytes();
      },
      { timeout: 10_000 },
    )
    .toBeLessThanOrEqual(mostBytes);

type Box<T> = [ObjectRef<T>];
const readFirst = remote(async (box: Box<Uint8Array>) => (await get(box[0]))[0]);

const Keeper = remote(
  class {
    box: Box<Uint8Array> | null = null;
    keep(box: Box<Uint8Array>) {
      this.box = box;
    }
    async read() {
      return (await get(this.box![0]))[0];
    }
    give() {
      return this.box;
    }
    drop() {
      this.box = null;
    }
  },
);

describe("a ref", () => {
  it("is the same object for the same id, also when it comes home", async () => {
    const echo = remote((box: unknown[]) => box);
    const ref = put(new Uint8Array(mebibyte));
    const [a, b] = (await get(echo.remote([ref, { deep: ref }]))) as [unknown, { deep: unknown }];
    expect(a).toBe(ref);
    expect(b.deep).toBe(ref);
    const twice = remote((one: unknown[], other: unknown[]) => one[0] === other[0]);
    expect(await get(twice.remote([ref], [ref]))).toBe(true);
    const made = (await get(remote(() => [put(1)]).remote())) as unknown[];
    const [again] = await get(echo.remote(made));
    expect(again).toBe(made[0]);
  });

  it("shows itself, is not thenable, and says its id in JSON", async () => {
    const ref = put(1) as ObjectRef<number> & { then?: unknown };
    expect(inspect(ref)).toBe(`ObjectRef(${ref.id}, ready)`);
    expect(JSON.stringify([ref])).toBe(`["ObjectRef(${ref.id})"]`);
    expect(ref.then).toBeUndefined();
    expect(await Promise.resolve(ref)).toBe(ref);
    ref[Symbol.dispose]();
    expect(inspect(ref)).toBe(`ObjectRef(${ref.id}, freed)`);
  });
});

describe("nested refs", () => {
  it("are valid in arguments, containers and results, deep through tasks and actors (J3)", async () => {
    const down = remote(async (depth: number, box: Box<Uint8Array>): Promise<number> => {
      if (depth === 0) return (await get(box[0]))[0];
      return get(down.remote(depth - 1, [box[0]]));
    });
    expect(await get(down.remote(6, [put(new Uint8Array(mebibyte).fill(6))]))).toBe(6);
    let box: unknown = put(new Uint8Array(mebibyte).fill(5));
    for (let i = 0; i < 5; i++) box = put([box]);
    const unpack = remote(async (value: unknown) => {
      let inner = value;
      while (Array.isArray(inner)) inner = await get(inner[0] as ObjectRef<unknown>);
      return (inner as Uint8Array)[0];
    });
    expect(await get(unpack.remote(box))).toBe(5);
    const keepers = [Keeper.remote(), Keeper.remote()];
    await get(keepers[0].keep.remote([put(new Uint8Array(mebibyte).fill(4))]));
    const passed = (await get(keepers[0].give.remote())) as Box<Uint8Array>;
    await get(keepers[1].keep.remote(passed));
    await get(keepers[0].drop.remote());
    expect(await get(keepers[1].read.remote())).toBe(4);
  });

  it("keep the value while a borrower has them, after the owner dropped it (J3, J1)", async () => {
    const keeper = Keeper.remote();
    await (async () => {
      await get(keeper.keep.remote([put(new Uint8Array(8 * mebibyte).fill(3))]));
    })();
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(await get(keeper.read.remote())).toBe(3);
    expect(usedBytes()).toBeGreaterThanOrEqual(8 * mebibyte);
  });

  it("outlive the container they were decoded from", async () => {
    const inner = await (async () => {
      const container = put([put(new Uint8Array(mebibyte).fill(2))]);
      const [ref] = await get(container);
      free(container);
      return ref;
    })();
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    expect((await get(inner))[0]).toBe(2);
  });

  it("are kept by their container alone", async () => {
    const container = await (async () => put([put(new Uint8Array(mebibyte).fill(1))]))();
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(await get(readFirst.remote((await get(container)) as Box<Uint8Array>))).toBe(1);
    const disposed = put(new Uint8Array(mebibyte).fill(9));
    const holder = put([disposed]);
    disposed[Symbol.dispose]();
    expect(
      await get(remote(async (box: Box<Uint8Array>) => (await get(box[0]))[0]).remote(holder as never)),
    ).toBe(9);
  });

  it("that are pending reach whoever has them once they are there", async () => {
    const slow = remote(async () => {
      await signal(folder, "pending");
      return new Uint8Array(mebibyte).fill(8);
    });
    const ref = slow.remote();
    const reading = [readFirst.remote([ref]), readFirst.remote([ref])];
    const failing = remote(async (): Promise<Uint8Array> => {
      await signal(folder, "pending");
      throw new RangeError("late");
    });
    const failed = rejection(get(readFirst.remote([failing.remote()])));
    raise(folder, "pending");
    expect(await get(reading)).toEqual([8, 8]);
    expect(await failed).toMatchObject({ name: "RangeError", message: "late" });
  });

  it("in a long list travel by way of the store", async () => {
    const total = remote(async (refs: ObjectRef<Uint8Array>[]) =>
      (await get(refs)).reduce((sum, bytes) => sum + bytes.length, 0),
    );
    const refs = Array.from({ length: 300 }, () => put(new Uint8Array(90_000)));
    expect(await get(total.remote(refs as never))).toBe(27_000_000);
    expect((await get(refs[299])).length).toBe(90_000);
  });

  it("are refused where they are nested too deep, or bring along too much", () => {
    let chain: ObjectRef<unknown> = put("end");
    const lengthen = (): void => {
      for (let i = 0; i < 300; i++) chain = put([chain]);
    };
    expect(lengthen).toThrow(/refs lie inside values of refs more than 200 deep/);
    let wide: ObjectRef<unknown> = put("end");
    const widen = (): void => {
      for (let i = 0; i < 30; i++) wide = put([wide, put([wide])]);
    };
    expect(widen).toThrow(/the refs inside it bring along \d+ bytes of small values/);
  });

  it("of errors stay valid (J4)", async () => {
    const fail = remote(() => {
      throw Object.assign(new Error("see detail"), { detail: put(new Uint8Array(mebibyte).fill(7)) });
    });
    const error = (await rejection(get(fail.remote()))) as Error & { detail?: ObjectRef<Uint8Array> };
    expect((await get(error.detail!))[0]).toBe(7);
  });

  it("of several results and of streams stay valid (J4)", async () => {
    const two = remote(() => [[put(new Uint8Array(mebibyte).fill(1))], [put("x")]] as const, {
      numReturns: 2,
    });
    const [a, b] = two.remote() as unknown as [ObjectRef<Box<Uint8Array>>, ObjectRef<Box<string>>];
    expect((await get((await get(a))[0]))[0]).toBe(1);
    expect(await get((await get(b))[0])).toBe("x");
    const items = remote(function* () {
      for (let i = 0; i < 3; i++) yield { ref: put(new Uint8Array(mebibyte).fill(i)) };
    });
    const read: number[] = [];
    for await (const item of items.remote()) read.push((await get((await get(item)).ref))[0]);
    expect(read).toEqual([0, 1, 2]);
  });
});

describe("bytes of the store", () => {
  it("come back when refs are dropped: put, results, arguments, nested (J1, J13)", async () => {
    const before = usedBytes();
    const make = remote((n: number) => new Uint8Array(2 * mebibyte).fill(n));
    await (async () => {
      const refs: unknown[] = [];
      for (let i = 0; i < 8; i++)
        refs.push(
          put(new Uint8Array(2 * mebibyte)),
          make.remote(i),
          put([put(new Uint8Array(2 * mebibyte))]),
        );
      await wait(refs as ObjectRef<unknown>[], { count: refs.length });
      await get(Array.from({ length: 4 }, (_, i) => readFirst.remote([make.remote(i)])));
      await get(readFirst.remote([put(new Uint8Array(mebibyte))]));
      expect(usedBytes()).toBeGreaterThan(40 * mebibyte);
    })();
    // What a worker maps goes when that worker collects its garbage.
    await untilUsed(before + 12 * mebibyte);
  });

  it("come back at once with using", async () => {
    const before = usedBytes();
    for (let i = 0; i < 5; i++) {
      const ref = put(new Uint8Array(8 * mebibyte));
      ref[Symbol.dispose]();
    }
    await expect.poll(usedBytes).toBeLessThanOrEqual(before);
  });

  it("are kept by a function that captured the ref, as long as it lives (J5)", async () => {
    const ref = put(new Uint8Array(mebibyte).fill(6));
    const captures = remote(async () => (await get(ref))[0]);
    collect();
    expect(await get(captures.remote())).toBe(6);
    expect(await get(captures.remote())).toBe(6);
  });
});

describe("failed refs", () => {
  it("that nobody gets are no unhandled rejections", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const fail = remote(() => {
      throw new Error("nobody looks");
    });
    const refs = Array.from({ length: 5 }, () => fail.remote());
    await wait(refs, { count: 5 });
    await wait([remote((x: unknown) => x).remote(refs[0])]);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});
