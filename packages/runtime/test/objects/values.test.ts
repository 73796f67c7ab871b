import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memberIfAny } from "../../src/api/runtime.ts";
import {
  free,
  get,
  init,
  objectLocations,
  put,
  putAsync,
  remote,
  shutdown,
  wait,
  type ObjectRef,
} from "../../src/index.ts";
import { rejection } from "../tasks/signals.ts";

const mebibyte = 1024 * 1024;

beforeAll(async () => {
  await init({ numCpus: 2, objectStore: "256MiB" });
});
afterAll(shutdown);

const store = () => memberIfAny()!.owner.store;
const first = remote((values: Float64Array) => values[0]);

describe("snapshots", () => {
  it("are taken at put, small or large (I3)", async () => {
    const small = { n: 1 };
    const large = new Float64Array(mebibyte / 4).fill(1);
    const refs = [put(small), put(large)] as const;
    small.n = 2;
    large[0] = 2;
    expect(await get(refs[0])).toEqual({ n: 1 });
    expect((await get(refs[1]))[0]).toBe(1);
  });

  it("are taken at putAsync, before it waits for anything", async () => {
    const large = new Float64Array(mebibyte / 4).fill(1);
    const promise = putAsync(large);
    large[0] = 2;
    expect((await get(await promise))[0]).toBe(1);
  });

  it("are taken at .remote(), also of calls that wait for other arguments", async () => {
    const later = remote(async () => "late");
    const both = remote((_: string, small: { n: number }, large: Float64Array) => [small.n, large[0]]);
    const small = { n: 1 };
    const large = new Float64Array(mebibyte / 4).fill(1);
    const ref = both.remote(later.remote(), small, large);
    small.n = 2;
    large[0] = 2;
    expect(await get(ref)).toEqual([1, 1]);
  });
});

describe("every get", () => {
  it("gives a fresh copy", async () => {
    const ref = put({ list: [1] });
    const one = await get(ref);
    one.list.push(2);
    expect(await get(ref)).toEqual({ list: [1] });
    const [a, b] = await get([ref, ref]);
    expect(a).not.toBe(b);
  });

  it("of a large typed array gives a view whose writes are private", async () => {
    const ref = put(new Float64Array(mebibyte).fill(1));
    const [a, b] = await get([ref, ref]);
    a[0] = 9;
    expect([b[0], (await get(ref))[0], await get(first.remote(ref))]).toEqual([1, 1, 1]);
    expect(a[0]).toBe(9);
  });

  it("maps what is large and copies what is not (K10)", async () => {
    const large = put(new Uint8Array(5 * mebibyte));
    const medium = put(new Uint8Array(300 * 1024));
    const views = [await get(large), await get(large), await get(medium)];
    const mapped = store()
      .liveMappings()
      .map(({ size }) => Math.floor(size / mebibyte));
    expect(mapped.filter((size) => size === 5).length).toBe(2);
    expect(mapped).not.toContain(0);
    expect(views.length).toBe(3);
  });

  it("gives arrays at multiples of 64 bytes, wherever they are in the value (K10)", async () => {
    const value = {
      name: "x",
      list: [new Uint8Array(700_001).fill(1), new Float64Array(mebibyte).fill(2)],
      buffer: Buffer.alloc(mebibyte, 3),
    };
    const { list, buffer } = await get(put(value));
    for (const view of [...list, buffer]) expect(view.byteOffset % 64).toBe(0);
    expect([
      list[0].length,
      list[0][700_000],
      list[1][mebibyte - 1],
      buffer[mebibyte - 1],
      Buffer.isBuffer(buffer),
    ]).toEqual([700_001, 1, 2, 3, true]);
  });

  it("gives views that stay as they are while the store is used again and again", async () => {
    const held: Array<{ view: Float64Array; at: number }> = [];
    for (let i = 0; i < 32; i++) {
      const view = await get(put(new Float64Array(mebibyte).fill(i)));
      if (i % 8 === 0) held.push({ view, at: i });
    }
    for (const { view, at } of held) expect([view[0], view[mebibyte - 1]]).toEqual([at, at]);
  });

  it("inside a task is as private", async () => {
    const scribble = remote((values: Float64Array) => {
      values.fill(7);
      return values[3];
    });
    const ref = put(new Float64Array(mebibyte).fill(1));
    expect(await get([scribble.remote(ref), scribble.remote(ref)])).toEqual([7, 7]);
    expect((await get(ref))[3]).toBe(1);
  });
});

describe("put, get and free", () => {
  it("refuse what makes no sense, and say what would", async () => {
    const ref = put(1);
    expect(() => put(ref)).toThrow("a ref is put already: pass it on as it is, or put [ref]");
    expect((await rejection(putAsync(ref))).message).toMatch("a ref is put already");
    expect((await rejection(get(5 as never))).message).toBe(
      "get() takes an ObjectRef or a list of them, not number",
    );
    expect((await rejection(get([ref, null] as never))).message).toMatch("not null");
    expect(() => free("x" as never)).toThrow("free() takes an ObjectRef or a list of them, not string");
    expect((await rejection(objectLocations([{}] as never))).message).toMatch("objectLocations() takes");
    expect(() => put({ jobs: [Promise.resolve()] })).toThrow("jobs → [0]: a promise cannot travel");
  });

  it("name the argument and the path of what cannot travel", async () => {
    const take = remote((_a: unknown, _b?: unknown) => {});
    expect(() => take.remote(1, { cfg: { db: new WeakMap() } })).toThrow(
      "argument 1 → cfg → db: a WeakMap cannot travel",
    );
    const give = remote(() => ({ deep: [new WeakSet()] }), { name: "give" });
    expect((await rejection(get(give.remote()))).message).toMatch(
      "result of give → deep → [0]: a WeakSet cannot travel",
    );
  });

  it("a freed object fails with ObjectFreed, here and wherever it is stored (J10)", async () => {
    const holder = remote(
      class {
        held: ObjectRef<Float64Array> | undefined;
        hold(box: [ObjectRef<Float64Array>]) {
          [this.held] = box;
        }
        async read() {
          return (await get(this.held!))[0];
        }
      },
    ).remote();
    const ref = put(new Float64Array(mebibyte).fill(4));
    const view = await get(ref);
    await get(holder.hold.remote([ref]));
    expect(await get(holder.read.remote())).toBe(4);
    free([ref]);
    expect((await rejection(get(ref))).code).toBe("ObjectFreed");
    expect((await rejection(get(holder.read.remote()))).code).toBe("ObjectFreed");
    expect(() => put([ref])).toThrow(/was released and cannot be sent/);
    expect((await rejection(get(first.remote(ref)))).code).toBe("ObjectFreed");
    expect(view[0]).toBe(4);
  });

  it("a pending ref may be freed: those who wait for it are told, its task goes on (J10)", async () => {
    const Gate = remote(
      class {
        open = (): void => {};
        opened = new Promise<void>((resolve) => (this.open = resolve));
        ran = 0;
        release() {
          this.open();
        }
        async pass() {
          await this.opened;
          this.ran++;
          return new Uint8Array(1024 * 1024);
        }
        count() {
          return this.ran;
        }
      },
    );
    const gate = Gate.remote();
    const ref = gate.pass.remote();
    const waiting = rejection(get(ref));
    const dependent = rejection(get(remote((bytes: Uint8Array) => bytes.length).remote(ref)));
    const { usedBytes } = store().stats();
    free(ref);
    expect((await waiting).code).toBe("ObjectFreed");
    expect((await dependent).code).toBe("ObjectFreed");
    expect((await rejection(get(ref))).code).toBe("ObjectFreed");
    const after = gate.pass.remote();
    await get(gate.release.remote());
    await wait([after]);
    expect(await get(gate.count.remote())).toBe(2);
    free(after);
    await expect.poll(() => Number(store().stats().usedBytes)).toBeLessThanOrEqual(Number(usedBytes));
  });

  it("an argument stays until its task is over, whoever lets go of its ref (J2)", async () => {
    const slowly = remote(async (values: Float64Array, ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return values[0];
    });
    const ref = put(new Float64Array(mebibyte).fill(3));
    const results = Array.from({ length: 6 }, () => slowly.remote(ref, 20));
    ref[Symbol.dispose]();
    expect((await rejection(get(ref))).code).toBe("ObjectFreed");
    expect(await get(results)).toEqual([3, 3, 3, 3, 3, 3]);
  });
});

describe("objectLocations (K11)", () => {
  it("tells where values are, in the order of the refs", async () => {
    const never = remote(() => new Promise<number>(() => {}), { name: "never" }).remote();
    const failed = remote((): number => {
      throw new Error("no");
    }).remote();
    await rejection(get(failed));
    const freed = put([1]);
    free(freed);
    const refs = [put(1), put("a".repeat(1000)), put(new Uint8Array(mebibyte)), never, failed, freed];
    const locations = await objectLocations(refs);
    expect(locations.map(({ state }) => state)).toEqual([
      "inline",
      "inline",
      "store",
      "pending",
      "error",
      "freed",
    ]);
    expect(locations[1].size).toBeGreaterThan(1000);
    expect(locations[2].size).toBeGreaterThan(mebibyte);
    expect(locations[3]).toEqual({ state: "pending", size: undefined, nodes: [] });
    expect(locations[2].nodes).toEqual(["local"]);
  });
});
