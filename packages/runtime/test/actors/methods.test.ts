import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  get,
  init,
  remote,
  runtimeContext,
  shutdown,
  type ActorHandle,
  type ObjectRef,
} from "../../src/index.ts";
import { Gate, type GateHandle } from "./actor-fixtures.ts";

beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(shutdown);

class Base {
  static made = 0;
  static next(): number {
    return ++Base.made;
  }
  readonly kind: string = "base";
  describe(): string {
    return `${this.kind} ${this.secret()}`;
  }
  inherited(): string {
    return "inherited";
  }
  protected secret(): string {
    return "nothing";
  }
}
class Counter extends Base {
  static readonly step = 10;
  override readonly kind = "counter";
  #n: number;
  constructor(n: number) {
    super();
    this.#n = n;
  }
  static twice(n: number): number {
    return 2 * n;
  }
  get total(): number {
    return this.#n;
  }
  add(k = Counter.step): number {
    return (this.#n += k);
  }
  statics(): [number, number, number] {
    return [Counter.next(), Counter.next(), Counter.twice(this.total)];
  }
  count(...all: unknown[]): number {
    return all.length;
  }
  override toString(): string {
    return `Counter(${this.#n})`;
  }
  protected override secret(): string {
    return `#${this.#n}`;
  }
  pair(): [number, string] {
    return [this.#n, this.kind];
  }
  self(): string {
    return runtimeContext().actorId ?? "none";
  }
}
const RemoteCounter = remote(Counter);

describe("methods", () => {
  it("inherited, overridden, static and private members work (F13)", async () => {
    const counter = RemoteCounter.remote(5);
    expect(await get(counter.add.remote())).toBe(15);
    expect(await get(counter.describe.remote())).toBe("counter #15");
    expect(await get(counter.inherited.remote())).toBe("inherited");
    expect(await get(counter.statics.remote())).toEqual([1, 2, 30]);
    expect(await get(counter.toString.remote())).toBe("Counter(15)");
    expect(Counter.made).toBe(0);
    expect(new RemoteCounter.local(1).add(1)).toBe(2);
  });

  it("an unknown one, data and accessors are refused at once, with what there is (F8)", () => {
    const counter = RemoteCounter.remote(1) as unknown as Record<string, { remote(): unknown }>;
    expect(() => counter["ad"]).toThrow(TypeError);
    expect(() => counter["inheritd"]).toThrow(/^Counter has no method "inheritd"; did you mean inherited\?/);
    expect(() => counter["total"]).toThrow(TypeError);
    expect(() => counter["kind"]).toThrow(/has no method "kind"; it has .*add/);
    expect(() => counter["twice"]).toThrow(TypeError);
    expect("add" in counter).toBe(true);
    expect("total" in counter).toBe(false);
  });

  it("too few or too many arguments are as in JavaScript (F8)", async () => {
    const counter = RemoteCounter.remote(0);
    expect(await get(counter.count.remote(1, undefined, 3))).toBe(3);
    const loose = counter.add as unknown as {
      remote(...args: unknown[]): ReturnType<typeof counter.add.remote>;
    };
    expect(await get(loose.remote(1, 2, 3))).toBe(1);
  });

  it("take options per call, and keep those they had (F14)", async () => {
    const counter = remote(Counter, { methods: { self: { timeout: "20s", name: "whoami" } } }).remote(3);
    const [n, kind] = counter.pair.options({ numReturns: 2 }).remote();
    expect([await get(n), await get(kind)]).toEqual([3, "counter"]);
    counter.add.options({ numReturns: 0 }).remote(1);
    expect(await get(counter.add.remote(0))).toBe(4);
    class Named {
      task(): string {
        return runtimeContext().taskId ?? "";
      }
      fail(): never {
        throw new RangeError("no");
      }
    }
    const named = remote(Named).remote();
    await expect(
      get(named.fail.options({ timeout: "5s" }).options({ name: "my call" }).remote()),
    ).rejects.toMatchObject({ remote: { task: "my call" } });
    await expect(get(named.fail.remote())).rejects.toMatchObject({ remote: { task: "Named.fail" } });
    expect(() => counter.add.options({ timeout: 0 })).toThrow(expect.objectContaining({ code: "BadOption" }));
    expect(() => counter.add.options({ numCpus: 1 } as object)).toThrow(/numCpus/);
    expect(() => counter.add.options({ numReturns: -1 })).toThrow(/numReturns/);
  });

  it("a wrong number of results is one clear error for each ref", async () => {
    const counter = RemoteCounter.remote(0) as unknown as {
      pair: { options(o: object): { remote(): ObjectRef<unknown>[] } };
    };
    const refs = counter.pair.options({ numReturns: 3 }).remote();
    for (const ref of refs) await expect(get(ref)).rejects.toMatchObject({ code: "WrongResultCount" });
  });
});

describe("generator methods", () => {
  class Source {
    *sync(n: number): Generator<number> {
      for (let i = 0; i < n; i++) yield i;
    }
    async *async(held: { gate: GateHandle }, name: string): AsyncGenerator<string> {
      yield `${name} first`;
      yield await get(held.gate.wait.remote(name));
    }
    *fails(): Generator<number> {
      yield 1;
      throw new RangeError("after one");
    }
  }
  async function gather<T>(stream: AsyncIterable<ObjectRef<T>>): Promise<T[]> {
    const items: T[] = [];
    for await (const ref of stream) items.push(await get(ref));
    return items;
  }

  it("stream their items, sync and async, and fail with the last (E, F14)", async () => {
    const source = remote(Source).remote();
    expect(await gather(source.sync.remote(4))).toEqual([0, 1, 2, 3]);
    const taken: unknown[] = [];
    const stream = source.fails.remote();
    await expect(
      (async () => {
        for await (const ref of stream) taken.push(await get(ref));
      })(),
    ).rejects.toThrow("after one");
    expect(taken).toEqual([1]);
  });

  it("three at a time in one actor (H1)", async () => {
    const gate = remote(Gate).remote();
    const source = remote(Source).remote();
    const streams = ["a", "b", "c"].map((name) => source.async.remote({ gate }, name));
    const first = await Promise.all(
      streams.map(async (stream) => {
        const { value } = await stream.next();
        return value === undefined ? "" : get(value);
      }),
    );
    expect(first).toEqual(["a first", "b first", "c first"]);
    for (const name of ["c", "a", "b"]) gate.open.remote(name);
    expect(await Promise.all(streams.map((stream) => gather(stream)))).toEqual([["a"], ["b"], ["c"]]);
  });
});

describe("a handle as an object", () => {
  it("may be awaited, printed, compared, and asked for what it is not", async () => {
    const counter = RemoteCounter.remote(0);
    expect(await Promise.resolve(counter)).toBe(counter);
    expect((counter as unknown as { then: unknown }).then).toBeUndefined();
    expect((counter as unknown as { toJSON: unknown }).toJSON).toBeUndefined();
    expect(JSON.stringify({ counter })).toBe('{"counter":{}}');
    expect(inspect(counter)).toMatch(/^ActorHandle\(Counter, actor-1-[0-9a-z]+\)$/);
    expect(inspect(counter)).toBe(`ActorHandle(Counter, ${await get(counter.self.remote())})`);
    expect(Object.keys(counter)).toEqual([]);
    expect(counter).not.toBe(RemoteCounter.remote(0));
  });

  it("cannot be changed", () => {
    const counter = RemoteCounter.remote(0) as unknown as Record<string, unknown>;
    const text = /cannot set n: the state of Counter is in its own process/;
    expect(() => (counter["n"] = 1)).toThrow(text);
    expect(() => Object.defineProperty(counter, "n", { value: 1 })).toThrow(text);
    expect(() => delete counter["add"]).toThrow(TypeError);
    expect(() => Object.freeze(counter)).toThrow(TypeError);
  });
});

describe("remote classes", () => {
  it("travel: a task makes actors of a captured class, and of one it was given", async () => {
    const make = remote(async (Given: typeof RemoteCounter) => {
      const counters: ActorHandle<typeof Counter>[] = [
        RemoteCounter.remote(1),
        Given.options({ maxConcurrency: 2 }).remote(2),
      ];
      return get(counters.map((counter) => counter.add.remote(1)));
    });
    expect(await get(make.remote(RemoteCounter))).toEqual([2, 3]);
    expect(await get(make.remote(RemoteCounter.options({ numCpus: 0.5 })))).toEqual([2, 3]);
  });

  it("may make actors of themselves", async () => {
    class Tree {
      readonly depth: number;
      constructor(depth: number) {
        this.depth = depth;
      }
      async size(): Promise<number> {
        if (this.depth === 0) return 1;
        const child = RemoteTree.remote(this.depth - 1);
        return 1 + (await get(child.size.remote()));
      }
    }
    const RemoteTree: ReturnType<typeof treeOf> = treeOf();
    function treeOf() {
      return remote(Tree);
    }
    expect(await get(RemoteTree.remote(2).size.remote())).toBe(3);
  });

  it("refuse their own options in words", () => {
    expect(() => remote(Counter, { maxConcurrency: 0 })).toThrow(/maxConcurrency/);
    expect(() => remote(Counter, { restarts: 1 })).toThrow(/not in this version/);
    expect(() => RemoteCounter.options({ lifetime: "forever" as "detached" })).toThrow(/lifetime/);
    expect(() => RemoteCounter.remote(new WeakMap() as unknown as number)).toThrow(
      /argument 0 of new Counter/,
    );
  });
});
