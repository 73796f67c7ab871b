/** Capture as seen from one process, and from vitest, whose transformed modules differ from the files on disk. */
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { basename as nameOf } from "node:path";
import { fileURLToPath } from "node:url";
import { CannotTravelError } from "@iono/core";
import { describe, expect, test } from "vitest";
import type { FunctionImage } from "../values/seam.ts";
import { pack, unpack } from "./fixtures/codec.ts";
import twice, { scaled, settings, Shape } from "./fixtures/neighbour.ts";
import { run } from "./fixtures/run.ts";
import { hasPrivateFields, imageOf, isVolatile, originOf } from "./index.ts";
import type { CaptureContext } from "./index.ts";

const warnings: string[] = [];
const context: CaptureContext = { entryUrl: undefined, warn: (message) => warnings.push(message) };

function capture(fn: Function): FunctionImage {
  const image = imageOf(fn, [], context);
  if (image.kind !== "code") throw new Error(`${fn.name} is an import of ${image.url}`);
  return image;
}

function refusal(fn: Function, at: readonly string[] = []): string {
  try {
    imageOf(fn, at, context);
  } catch (error) {
    if (error instanceof CannotTravelError) return error.message;
    throw error;
  }
  return "";
}

/** A copy as another process would make it. */
async function copy<T>(value: T): Promise<T> {
  return (await unpack(pack(value, context), false)) as T;
}

let counter = 0;
const step = 2;
const list = [1, 2, 3];
function usesCounter(): number {
  return counter + step;
}
counter = 5;

describe("what is captured", () => {
  test("values by reference, in the order of the unit's names", () => {
    const local = { deep: [1] };
    const image = capture(() => [local, list, step]);
    expect(Object.fromEntries(image.unit.names.map((name, index) => [name, image.bindings[index]]))).toEqual({
      local,
      list,
      step,
    });
    expect(image.bindings).toContain(local);
    expect(image.bindings).toContain(list);
  });

  test("closures of one literal are one code", () => {
    const make = (n: number) => () => n + step;
    const [a, b] = [capture(make(1)), capture(make(2))];
    expect(a.unit).toBe(b.unit);
    expect([a.bindings, b.bindings]).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  test("what never changes is captured once, what changes anew", () => {
    const fixed = () => step;
    expect(imageOf(fixed, [], context)).toBe(imageOf(fixed, [], context));
    expect(capture(usesCounter).bindings[0]).toBe(5);
    counter = 6;
    expect(capture(usesCounter).bindings[0]).toBe(6);
  });

  test("globals are not captured", () => {
    expect(capture(() => [Math.PI, globalThis, undefined, NaN, process.pid]).unit.names).toEqual([]);
  });

  test("shadowed names are not captured", () => {
    const fn = ({ list: inner, ...rest }: { list: number }, [step]: number[] = [1]) => {
      for (const counter of [1]) void counter;
      try {
        throw inner;
      } catch (usesCounter) {
        return [
          rest,
          step,
          usesCounter,
          function capture() {
            return capture;
          },
        ];
      }
    };
    expect(capture(fn).unit.names).toEqual([]);
  });

  test("a binding that has no value yet is named", () => {
    const early = () => late;
    expect(refusal(early, ["argument 0"])).toBe(
      "argument 0: function `early` captures `late`, which has no value yet: submit it after the line that declares `late`",
    );
    expect(isVolatile(early)).toBe(true);
    const late = 1;
    expect(capture(early).bindings).toEqual([1]);
    expect(isVolatile(early)).toBe(false);
  });

  test("imports of a transformed module travel as imports", () => {
    const image = capture(() => [nameOf("a"), path.sep, twice(1), scaled(1)]);
    const urls = image.bindings.map((binding) => (binding as { url: string }).url);
    expect(new Set(urls)).toEqual(
      new Set(["node:path", new URL("fixtures/neighbour.ts", import.meta.url).href]),
    );
  });

  test("builtins and intrinsics met by value travel by name", () => {
    const { floor } = Math;
    expect(imageOf(path.join, [], context)).toEqual({ kind: "import", url: "node:path", name: "join" });
    expect(imageOf(floor, [], context)).toEqual({ kind: "import", url: "iono:globals", name: "Math.floor" });
    expect(imageOf(URL, [], context)).toMatchObject({ name: "URL" });
    expect(imageOf(fetch, [], context)).toMatchObject({ name: "fetch" });
  });
});

describe("what is volatile", () => {
  test.each<[string, Function, boolean]>([
    ["a const", () => step, false],
    ["a let that is assigned", () => counter, true],
    ["a function that uses one", () => usesCounter(), true],
    [
      "an object that holds one",
      (
        (held) => () =>
          held
      )({ list: [{ usesCounter }] }),
      true,
    ],
    [
      "a Map that holds one",
      (
        (held) => () =>
          held
      )(new Map([["a", usesCounter]])),
      true,
    ],
    [
      "cyclic data",
      (
        (held: { self?: unknown }) => () =>
          (held.self = held)
      )({}),
      false,
    ],
    ["nothing", () => 1, false],
    ["an import", () => settings, false],
  ])("%s", (_what, fn, expected) => {
    expect(isVolatile(fn)).toBe(expected);
  });
});

const onlyAKey = "computed";
const onlyAStaticKey = "computed too";
class WithComputedKeys {
  [onlyAKey](): number {
    return 1;
  }
  static [onlyAStaticKey](): number {
    return 2;
  }
}

describe("copies", () => {
  test("of classes have the members whose keys only the class knows", async () => {
    const There = await copy(WithComputedKeys);
    expect([new There().computed(), There["computed too"]()]).toEqual([1, 2]);
  });

  test("keep name, length, kind and text", async () => {
    const named = async (a: number, b: number) => [a, b, step];
    const tools = {
      *walk(n: number) {
        yield n + step;
      },
      [`dynamic ${step}`]: (x: number) => x,
    };
    const odd = tools["dynamic 2"];
    const copies = await copy({ named, walk: tools.walk, odd, Shape });
    const text = (fn: Function): string => String(fn).replaceAll(/\s+/g, "");
    expect([copies.named.name, copies.named.length, text(copies.named)]).toEqual(["named", 2, text(named)]);
    expect(copies.named.constructor.name).toBe("AsyncFunction");
    expect([...copies.walk(1)]).toEqual([3]);
    expect(copies.odd.name).toBe("dynamic 2");
    expect(copies.named).not.toBe(named);
  });

  test("have bindings of their own", async () => {
    const make = () => {
      let n = 0;
      return () => (n += 1);
    };
    const count = make();
    count();
    const [a, b] = [await copy(count), await copy(count)];
    expect([a(), a(), b(), count()]).toEqual([2, 3, 2, 2]);
    expect(warnings.some((message) => message.includes("assigns `n`"))).toBe(true);
  });

  test("of methods keep this, and need no key", async () => {
    const [k, symbol] = ["plain", Symbol("s")];
    const tools = {
      self(this: unknown) {
        return this;
      },
      [k]() {
        return 1;
      },
      [`${k}2`](x: string) {
        return x + k;
      },
      [symbol]() {
        return 3;
      },
      [1]() {
        return 4;
      },
    };
    const methods = [tools.self, tools.plain, tools.plain2, tools[symbol], tools[1]] as ((
      x: string,
    ) => unknown)[];
    const there = await copy(methods);
    expect(there.map((fn) => fn.name)).toEqual(["self", "plain", "plain2", "[s]", "1"]);
    expect(there.map((fn) => fn.call("x", "y"))).toEqual(["x", 1, "yplain", 3, 4]);
  });

  test("know each other when they are recursive", async () => {
    const isEven = (n: number): boolean => n === 0 || isOdd(n - 1);
    const isOdd = (n: number): boolean => n !== 0 && isEven(n - 1);
    const copies = await copy({ isEven, isOdd });
    expect([copies.isEven(4), copies.isOdd(4)]).toEqual([true, false]);
  });

  test("travel on, with what they hold by then, and imports as imports", async () => {
    const make = () => {
      let n = 1;
      return () => [(n += 1), nameOf("/a/b"), path.sep, settings.scale];
    };
    const first = await copy(make());
    first();
    const image = capture(first);
    expect(image.bindings.filter((binding) => (binding as { kind?: string }).kind === "import")).toHaveLength(
      3,
    );
    expect((await copy(first))()).toEqual([3, "b", "/", 3]);
  });

  test("keep properties", async () => {
    const fn = Object.assign(() => step, { label: "x", nested: { helper: () => list } });
    const there = await copy(fn);
    expect([there.label, there.nested.helper()]).toEqual(["x", [1, 2, 3]]);
  });

  test("of classes keep what static members hold", async () => {
    class Tally {
      static count = 1;
      static names: string[] = [];
      static {
        Tally.names.push("first");
      }
      #n = Tally.count;
      get n(): number {
        return this.#n;
      }
      static of(): Tally {
        return new this();
      }
    }
    Tally.count = 7;
    const There = await copy(Tally);
    expect([There.count, There.names, There.of().n, There.name]).toEqual([7, ["first"], 7, "Tally"]);
    expect(hasPrivateFields(There)).toBe(true);
  });
});

describe("origins", () => {
  test("what comes home is itself", async () => {
    class Local extends Error {}
    const fn = () => step;
    const home = (await unpack(pack({ fn, Local }, context))) as { fn: unknown; Local: unknown };
    expect(home.fn).toBe(fn);
    expect(home.Local).toBe(Local);
    expect(originOf(fn)).toBe(originOf(fn));
  });

  test("a known class keeps its own properties", async () => {
    class Settings {
      static level = 1;
      level = 0;
    }
    const packed = pack(Settings, context);
    Settings.level = 2;
    expect(((await unpack(packed)) as typeof Settings).level).toBe(2);
  });
});

test("private members are seen through the whole chain", () => {
  class A {
    #x = 1;
    has(): number {
      return this.#x;
    }
  }
  class B extends A {}
  class C {
    static #s = 1;
    a = "#";
    static s(): number {
      return C.#s;
    }
  }
  expect([A, B, C, Map, Object.assign(() => 1)].map((cls) => hasPrivateFields(cls))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("functions of a test file run in a plain Node process", async () => {
  const fail = (): never => {
    const text: string = `${step}`;

    throw new Error(text);
  };
  class Local extends Shape {
    area(): number {
      return this.sides * step;
    }
  }
  const functions: Record<string, () => unknown> = {
    imports: () => [nameOf("/a/b"), path.sep, twice(2), scaled(2)],
    closure: () => usesCounter() + list.length,
    local: () => [new Local().area(), new Local() instanceof Shape],
    meta: () => import.meta.url,
    dynamic: async () => (await import("./fixtures/neighbour.ts")).settings.scale,
    fail,
  };
  const child = spawnSync(
    process.execPath,
    ["--conditions=iono-source", fileURLToPath(new URL("fixtures/receive.ts", import.meta.url))],
    {
      input: JSON.stringify({ packed: pack(functions, context) }),
      encoding: "utf8",
    },
  );
  const there = JSON.parse(child.stdout || JSON.stringify({ stderr: child.stderr })) as Record<
    string,
    string
  >;
  const here = await run(functions);
  const lines = (results: Record<string, string>): unknown =>
    JSON.parse(JSON.stringify(results).replaceAll(/(\.ts:\d+):\d+/g, "$1"));
  expect(lines(there)).toEqual(lines(here));
});
