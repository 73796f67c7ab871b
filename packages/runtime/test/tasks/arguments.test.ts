import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, put, remote, shutdown, type ObjectRef } from "../../src/index.ts";
import { rejection } from "./signals.ts";

beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
});

const count = remote((...all: unknown[]) => all.length);

describe("arguments and results", () => {
  it("takes 10,000 arguments, plain ones and refs", async () => {
    const sum = remote((...all: number[]) => all.reduce((a, b) => a + b, 0));
    const plain = Array.from({ length: 10_000 }, (_, i) => i);
    expect(await get(sum.remote(...plain))).toBe(49_995_000);
    const refs = plain.map((i) => put(i));
    expect(await get(sum.remote(...refs))).toBe(49_995_000);
    const one = remote((i: number) => i);
    expect(await get(sum.remote(...plain.map((i) => one.remote(i))))).toBe(49_995_000);
  });

  it("moves what is too much for one message to the object store (A13, A26)", async () => {
    const bytes = remote((...all: Uint8Array[]) =>
      all.reduce((total, each) => total + each.length + each[0], 0),
    );
    const each = new Uint8Array(90 * 1024).fill(1);
    const many = Array.from({ length: 400 }, () => each);
    expect(await get(bytes.remote(...many))).toBe(400 * (90 * 1024 + 1));
    const ref = put(each);
    const mixed = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? ref : each));
    expect(await get(bytes.remote(...mixed))).toBe(400 * (90 * 1024 + 1));
    const large = new Float64Array(4_000_000).fill(1);
    const sum = remote((a: Float64Array) => a.length + a[3_999_999]);
    expect(await get(sum.remote(large))).toBe(4_000_001);
  });

  it("gives small results in the reply and large ones through the store, alike for the reader (A25)", async () => {
    const make = remote((n: number) => new Uint8Array(n).fill(7));
    for (const size of [0, 1, 100 * 1024 - 100, 100 * 1024 + 1, 3_000_000]) {
      const value = await get(make.remote(size));
      expect([value.length, value[size - 1]]).toEqual([size, size === 0 ? undefined : 7]);
    }
    const text = remote((n: number) => "é".repeat(n));
    expect((await get(text.remote(200_000))).length).toBe(200_000);
  });

  it("snapshots what is passed at the call", async () => {
    const box = { n: 1, big: new Float64Array(100_000) };
    const read = remote((value: typeof box) => value.n + value.big[0]);
    const ref = read.remote(box);
    box.n = 100;
    box.big[0] = 100;
    expect(await get(ref)).toBe(1);
  });

  it("names the path to an argument that cannot travel, at the call (A10)", () => {
    const socketLike = { cfg: { list: [1, Promise.resolve(1)] } };
    expect(() => count.remote(1, socketLike)).toThrow(/argument 1.*cfg.*list.*1.*promise/is);
    expect(() => count.remote(new WeakMap())).toThrow(/argument 0/);
  });

  it("fails clearly for a result that holds a promise, naming the path", async () => {
    const nested = remote(() => ({ users: [{ name: "a", later: Promise.resolve(1) }] }));
    const error = await rejection(get(nested.remote()));
    expect(error.code).toBe("CannotTravel");
    expect(error.message).toMatch(/users.*0.*later.*promise/is);
    expect(error.remote?.["task"]).toBe("anonymous");
    const stuck = remote(async () => [1, new WeakRef({})] as unknown[]);
    expect((await rejection(get(stuck.remote()))).code).toBe("CannotTravel");
  });

  it("leaves the worker in order after a value that could not travel", async () => {
    const odd = remote((i: number) => (i % 2 === 1 ? { i, p: Promise.resolve() } : i) as unknown);
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => get(odd.remote(i))));
    expect(results.map((each) => each.status === "fulfilled")).toEqual(results.map((_, i) => i % 2 === 0));
  });

  it("passes refs at any depth, and many of them", async () => {
    const refs = Array.from({ length: 200 }, (_, i) => put(i));
    const total = remote(async (box: { deep: Map<string, ObjectRef<number>[]> }) => {
      const values = await get(box.deep.get("refs") ?? []);
      return values.reduce((a, b) => a + b, 0);
    });
    expect(await get(total.remote({ deep: new Map([["refs", refs]]) }))).toBe(19_900);
  });
});
