import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, put, remote, shutdown, type ObjectRef } from "../../src/index.ts";
import { raise, raised, rejection, removeSignals, signal, signalFolder } from "./signals.ts";

const folder = signalFolder();
beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

const add = remote((a: number, b: number) => a + b);

describe("calls", () => {
  it("returns a ref at once, before the task has run (A1)", async () => {
    const gated = remote(async () => {
      await signal(folder, "A1");
      return "ran";
    });
    const ref = gated.remote();
    expect(raised(folder, "A1")).toBe(false);
    raise(folder, "A1");
    expect(await get(ref)).toBe("ran");
  });

  it("gives the values in the order of the refs, with duplicates too (A2)", async () => {
    const refs = [3, 1, 2].map((x) => add.remote(x, 0));
    expect(await get([...refs, refs[0], refs[0]])).toEqual([3, 1, 2, 3, 3]);
    expect(await get([])).toEqual([]);
  });

  it("passes defaulted, optional and rest arguments as in a local call (A3)", async () => {
    const f = remote((a: number, b = 10, ...rest: number[]) => [a, b, rest, rest.length]);
    expect(await get(f.remote(1))).toEqual([1, 10, [], 0]);
    expect(await get(f.remote(1, undefined, 3, 4))).toEqual([1, 10, [3, 4], 2]);
    expect(await get(f.remote(1, 2))).toEqual(f.local(1, 2));
    const loose = remote((...all: unknown[]) => all.length);
    expect(await get(loose.remote(1, undefined, null))).toBe(3);
  });

  it("cannot be called directly; local is the plain function (A4)", () => {
    expect(() => (add as unknown as (a: number, b: number) => number)(1, 2)).toThrow(TypeError);
    expect(add.local(1, 2)).toBe(3);
  });

  it("replaces a top-level ref by its value, and leaves a nested one a ref (A5)", async () => {
    const kind = remote((value: unknown, box: { ref: ObjectRef<number> }) => [
      value,
      Object.keys(box),
      typeof box.ref.id,
    ]);
    expect(await get(kind.remote(put(5), { ref: put(6) }))).toEqual([5, ["ref"], "string"]);
    const read = remote(async ({ ref }: { ref: ObjectRef<number> }) => (await get(ref)) + 1);
    expect(await get(read.remote({ ref: add.remote(20, 21) }))).toBe(42);
    expect(await get(read.remote({ ref: put(1) }))).toBe(2);
  });

  it("gives the same ref, passed twice, twice the same value (A6)", async () => {
    const pair = remote((a: object, b: object, box: { one: ObjectRef<object>; two: ObjectRef<object> }) => [
      a,
      b,
      box.one === box.two,
    ]);
    const ref = put({ n: 1 });
    expect(await get(pair.remote(ref, ref, { one: ref, two: ref }))).toEqual([{ n: 1 }, { n: 1 }, true]);
    expect(await get(pair.remote(ref, put({ n: 2 }), { one: ref, two: put({}) }))).toEqual([
      { n: 1 },
      { n: 2 },
      false,
    ]);
  });

  it("lets functions call themselves and one another (A7)", async () => {
    const fib = remote(async (n: number): Promise<number> => {
      if (n < 2) return n;
      const [a, b] = await get([fib.remote(n - 1), fib.remote(n - 2)]);
      return a + b;
    });
    expect(await get(fib.remote(9))).toBe(34);
    const even = remote(async (n: number): Promise<boolean> => (n === 0 ? true : get(odd.remote(n - 1))));
    const odd = remote(async (n: number): Promise<boolean> => (n === 0 ? false : get(even.remote(n - 1))));
    expect(await get(even.remote(7))).toBe(false);
  });

  it("lets tasks define tasks over their own values (A8)", async () => {
    const outer = remote(async (base: number) => {
      const inner = remote((x: number) => base + x);
      return get([inner.remote(1), inner.remote(2)]);
    });
    expect(await get(outer.remote(10))).toEqual([11, 12]);
    const versions = [1, 2].map((version) =>
      remote(function same() {
        return version;
      }),
    );
    expect(await get(versions.map((each) => each.remote()))).toEqual([1, 2]);
  });

  it("passes functions, classes and sets, as arguments and as results (A9)", async () => {
    const apply = remote((f: (x: number) => number, x: number) => ({ f, result: f(x), set: new Set([x]) }));
    const out = await get(apply.remote((x: number) => x * 2, 21));
    expect([out.result, out.f(4), out.set]).toEqual([42, 8, new Set([21])]);
    class Point {
      x = 0;
      twice(): number {
        return this.x * 2;
      }
    }
    const make = remote((P: typeof Point, x: number) => Object.assign(new P(), { x }));
    const point = await get(make.remote(Point, 4));
    expect([point instanceof Point, point.twice()]).toEqual([true, 8]);
  });

  it("passes cyclic values (A10)", async () => {
    interface Node {
      self?: Node;
      n: number;
    }
    const node: Node = { n: 1 };
    node.self = node;
    const check = remote((value: Node) =>
      value.self === value ? { value, same: true } : { value, same: false },
    );
    const out = await get(check.remote(node));
    expect(out.same).toBe(true);
    expect(out.value.self).toBe(out.value);
  });

  it("keeps a ref inside a put object usable (A11)", async () => {
    const inner = add.remote(40, 2);
    const box = put({ inner });
    const read = remote(async (value: { inner: ObjectRef<number> }) => get(value.inner));
    expect(await get(read.remote(box))).toBe(42);
    expect(await get((await get(box)).inner)).toBe(42);
  });

  it("keeps characters of every script in code, names and messages (A23)", async () => {
    const grüße = remote(function größe(名前: string) {
      if (名前 === "") throw new Error("ошибка 🚀 " + 名前);
      return `grüß dich, ${名前} 🚀`;
    });
    expect(await get(grüße.remote("世界"))).toBe("grüß dich, 世界 🚀");
    const error = await rejection(get(grüße.remote("")));
    expect([error.message, error.remote?.["task"]]).toEqual(["ошибка 🚀 ", "größe"]);
  });

  it("runs async functions (A24)", async () => {
    const later = remote(async (x: number) => {
      await new Promise((resolve) => setImmediate(resolve));
      return x + 1;
    });
    expect(await get(later.remote(1))).toBe(2);
  });

  it("refuses what is not a function or a class", () => {
    expect(() => remote(5 as never)).toThrow(/takes a function or a class, not number/);
  });
});
