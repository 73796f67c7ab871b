/* oxlint-disable typescript/no-implied-eval -- sources given as text, with free names that the test chooses */
import { describe, expect, it } from "vitest";
import { CannotTravelError } from "@iono/core";
import { decode } from "./decode.ts";
import { requiredModules } from "./decode-buffers.ts";
import { encode, writeValue } from "./encode.ts";
import { rejectingEncodeHost } from "./hosts.ts";
import { MemoryHost } from "./memory-host.ts";
import { registerType } from "./registry.ts";
import { travelsByReference } from "./seam.ts";
import { ValueWriter } from "./writer.ts";

/* Sources are given as text where the test needs a class or function that names others. */

function make<T>(source: string, scope: Record<string, unknown> = {}): T {
  return new Function(...Object.keys(scope), `return (${source})`)(...Object.values(scope)) as T;
}

type Class<T = object> = (new () => T) & { prototype: T };

function arrive<T>(host: MemoryHost, value: T): T {
  const encoded = encode(value, host);
  for (const url of requiredModules(encoded.bytes)) expect(host.modules.has(url)).toBe(true);
  return decode(encoded, host) as T;
}

describe("functions", () => {
  it("arrive with what they captured, and are one function when met twice", () => {
    const host = new MemoryHost();
    const add = make<(n: number) => number>("(n) => n + step.by", { step: { by: 2 } });
    const step = { by: 2 };
    host.capture(add, { bindings: { step } });
    const arrived = arrive(host, { first: add, second: add, step });
    expect(arrived.first(1)).toBe(3);
    expect(arrived.second).toBe(arrived.first);
    arrived.step.by = 10;
    expect(arrived.first(1)).toBe(11);
  });

  it("may call themselves and one another", () => {
    const host = new MemoryHost();
    const scope: Record<string, unknown> = {};
    const even = make<(n: number) => boolean>("(n) => n === 0 || odd(n - 1)", { odd: () => false });
    const odd = make<(n: number) => boolean>("(n) => n !== 0 && even(n - 1)", { even });
    Object.assign(scope, { even, odd });
    host.capture(even, { bindings: { odd } });
    host.capture(odd, { bindings: { even } });
    const arrived = arrive(host, even);
    expect(arrived(10)).toBe(true);
    expect(arrived(7)).toBe(false);
  });

  it("of one source are one code unit in a message", () => {
    const host = new MemoryHost();
    const makeAdder = (n: number): (() => number) =>
      host.capture(make<() => number>("() => { /* some text to notice */ return n; }", { n }), {
        bindings: { n },
      });
    const one = encode([makeAdder(1)], host).bytes;
    const many = encode([makeAdder(1), makeAdder(2), makeAdder(3)], host);
    expect(many.bytes.length).toBeLessThan(one.length + 40);
    expect((decode(many, host) as (() => number)[]).map((f) => f())).toEqual([1, 2, 3]);
  });

  it("are sent by id to who knows them", () => {
    const host = new MemoryHost();
    host.remembersUnits = true;
    const fn = host.capture(make<() => number>("() => 7 /* some text that is longer than its hash */"), {
      url: "f",
    });
    const first = encode(fn, host);
    decode(first, host);
    const second = encode(fn, host);
    expect((decode(second, host) as () => number)()).toBe(7);
    expect(Buffer.from(second.bytes).indexOf("f", 1)).toBeGreaterThan(0);
  });

  it("keep their own properties, also cyclic ones", () => {
    const host = new MemoryHost();
    const fn = make<(() => number) & { self?: unknown; label?: string }>("() => 1");
    host.capture(fn, { properties: { label: "x", self: fn } });
    const arrived = arrive(host, Object.freeze(fn));
    expect([arrived.label, Object.isFrozen(arrived)]).toEqual(["x", true]);
    expect(arrived.self).toBe(arrived);
  });

  it("that are methods arrive as methods", () => {
    const host = new MemoryHost();
    const counter = { n: 1, next: make<{ next(): number }>("{ next() { return counter.n++; } }").next };
    host.capture(counter.next, { kind: "method", bindings: { counter } });
    const arrived = arrive(host, counter);
    expect(arrived.next()).toBe(1);
    expect(arrived.n).toBe(2);
    expect(arrived.next()).toBe(2);
    // Met by itself first, the method is needed before the object that holds it is complete.
    expect(arrive(host, counter.next)()).toBe(1);
  });

  it("that were made before classes keep their prototype", () => {
    const host = new MemoryHost();
    const Animal = host.capture(make<Class<{ name: string }>>('function Animal() { this.name = "a"; }'));
    const speak = host.capture(make<() => string>("function () { return this.name; }"));
    const Dog = host.capture(
      make<Class<{ name: string; speak(): string }>>("function Dog() { Animal.call(this); }", { Animal }),
      { bindings: { Animal } },
    );
    Object.setPrototypeOf(Dog.prototype, Animal.prototype);
    Dog.prototype.speak = speak;
    const [dog, Class] = arrive(host, [new Dog(), Dog] as const);
    expect(dog).toBeInstanceOf(Class);
    expect(dog.speak()).toBe("a");
    expect(new Class().speak()).toBe("a");
    const parent = Object.getPrototypeOf(Class.prototype) as { constructor: Function };
    expect(parent.constructor.name).toBe("Animal");
  });

  it("name what they captured in the path of a refusal", () => {
    const host = new MemoryHost();
    const db = Promise.resolve();
    const fn = host.capture(make<() => void>("() => cfg"), { bindings: { cfg: { db } } });
    const outer = host.capture(make<() => void>("() => fn"), { bindings: { fn } });
    expect(() => encode([outer], host, { path: ["argument 0"] })).toThrow(
      "argument 0 → [0] → fn → cfg → db: a promise cannot travel",
    );
  });
});

describe("references", () => {
  class Ref {}
  Object.defineProperty(Ref.prototype, travelsByReference, { value: true });

  it("are the host's, also behind a Proxy, and one reference when met twice", () => {
    const host = new MemoryHost();
    const ref = new Ref();
    const handle = new Proxy(new Ref(), { get: () => undefined });
    const arrived = arrive(host, { list: [ref, ref, handle], ref });
    expect(host.references).toEqual([ref, handle]);
    expect([arrived.list[0], arrived.list[1], arrived.ref]).toEqual([ref, ref, ref]);
    expect(arrived.list[2]).toBe(handle);
  });

  it("that the host refuses are refused with their path", () => {
    expect(() => encode({ refs: [new Ref()] }, rejectingEncodeHost, { path: ["argument 0"] })).toThrow(
      "argument 0 → refs → [0]: a reference cannot travel here",
    );
  });
});

describe("imports", () => {
  it("are named in front of the value, once each, and resolved by the host", () => {
    const host = new MemoryHost();
    const path = { join: () => "joined", default: 1 };
    host.modules.set("file:///path.js", path);
    host.imports.set(path.join, { kind: "import", url: "file:///path.js", name: "join" });
    const fn = host.capture(make<() => string>("() => ns.join() + d"), {
      bindings: {
        ns: { kind: "import", url: "file:///path.js", name: "*" },
        d: { kind: "import", url: "file:///path.js", name: "default" },
      },
    });
    const writer = new ValueWriter();
    writeValue(writer, 1, host);
    writeValue(writer, [fn, path.join], host);
    expect(writer.modules).toEqual(["file:///path.js"]);
    const { bytes, parts } = writer.take();
    expect(requiredModules(bytes)).toEqual([]);
    expect(requiredModules(bytes, 1)).toEqual(["file:///path.js"]);
    const [arrived, join] = decode({ bytes: bytes.subarray(1), parts }, host) as [() => string, () => string];
    expect(arrived()).toBe("joined1");
    expect(join).toBe(path.join);
  });

  it("of instances of Node's own classes are refused", () => {
    const host = new MemoryHost();
    class Stats {}
    host.imports.set(Stats, { kind: "import", url: "node:fs", name: "Stats" });
    expect(() => encode({ a: new Stats() }, host)).toThrow(/Stats, a class of Node's own, cannot travel/);
  });
});

describe("classes", () => {
  /** Classes that name one another; `spec` is name → [source, names of others]. */
  function family(
    host: MemoryHost,
    spec: Record<string, readonly [string, readonly string[]]>,
  ): Record<string, Class> {
    const names = Object.keys(spec);
    const text = names.map((name) => `const ${name} = ${spec[name][0]};`).join("\n");
    const classes = new Function(`${text}\nreturn { ${names.join()} };`)() as Record<string, Class>;
    names.forEach((name, line) => {
      host.capture(classes[name], {
        bindings: Object.fromEntries(spec[name][1].map((other) => [other, classes[other]])),
        kind: "class",
        line,
      });
    });
    return classes;
  }

  const spec = {
    Base: ["class Base { static kinds = 1; leaf() { return new Leaf(); } }", ["Leaf"]],
    Middle: ["class Middle extends Base { peer() { return new Peer(); } }", ["Base", "Peer"]],
    Leaf: ["class Leaf extends Middle { static first = new Middle(); n = 5; }", ["Middle"]],
    Peer: ["class Peer { base() { return [Base, Leaf, Peer]; } }", ["Base", "Leaf"]],
  } as const;

  it.each(Object.keys(spec))("that name each other arrive whole, beginning with %s", (name) => {
    const host = new MemoryHost();
    const classes = family(host, spec);
    const Arrived = arrive(host, classes[name]);
    const all = arrive<Record<string, Class>>(host, { start: classes[name], ...classes });
    expect(all["start"]).toBe(all[name]);
    expect(Object.getPrototypeOf(all["Leaf"])).toBe(all["Middle"]);
    expect(Object.getPrototypeOf(all["Middle"])).toBe(all["Base"]);
    const leaf = (new all["Base"]() as { leaf(): { n: number; peer(): { base(): unknown[] } } }).leaf();
    expect(leaf).toBeInstanceOf(all["Middle"]);
    expect(leaf.n).toBe(5);
    expect(leaf.peer().base().slice(0, 2)).toEqual([all["Base"], all["Leaf"]]);
    expect(Arrived.name).toBe(name);
  });

  it("that captured objects holding them get those objects complete", () => {
    const host = new MemoryHost();
    const registry: Record<string, unknown> = {};
    const cache = new Map<unknown, unknown>();
    const Thing = make<Class<{ all(): unknown }>>("class Thing { all() { return [registry, cache]; } }", {
      registry,
      cache,
    });
    Object.assign(registry, { Thing, list: [1, Thing] });
    Object.defineProperty(registry, "fixed", { value: Thing });
    cache.set("Thing", Thing).set("after", 1);
    host.capture(Thing, { bindings: { registry, cache }, kind: "class" });
    const Arrived = arrive(host, Thing);
    const [r, c] = new Arrived().all() as [typeof registry, typeof cache];
    expect(r).toEqual({ Thing: Arrived, list: [1, Arrived] });
    expect(Object.getOwnPropertyDescriptor(r, "fixed")).toEqual({
      value: Arrived,
      writable: false,
      enumerable: false,
      configurable: false,
    });
    expect([...c]).toEqual([
      ["Thing", Arrived],
      ["after", 1],
    ]);
  });

  it("that captured their own instance", () => {
    const host = new MemoryHost();
    const only: { value?: object } = {};
    const Single = make<Class<{ only(): { value: object }; n: number }>>(
      "class Single { n = 3; only() { return only; } }",
      { only },
    );
    only.value = new Single();
    host.capture(Single, { bindings: { only }, kind: "class", properties: { instance: only.value } });
    const instance = arrive(host, only.value as { only(): { value: object }; n: number });
    expect(instance.n).toBe(3);
    expect(instance.only().value).toBe(instance);
    const Arrived = arrive(host, Single);
    const { value } = new Arrived().only();
    expect(value).toBeInstanceOf(Arrived);
    expect((Arrived as unknown as { instance: unknown }).instance).toBe(value);
  });

  it("of instances do not run their constructor again", () => {
    const host = new MemoryHost();
    const Loud = make<Class<{ n: number }>>(
      "class Loud { n = 1; constructor() { if (done) throw new Error('ran'); } get n2() { return this.n * 2; } }",
      { done: false },
    );
    host.capture(Loud, { bindings: { done: true }, kind: "class" });
    const arrived = arrive(host, Object.assign(new Loud(), { n: 4, extra: undefined })) as unknown as {
      n2: number;
    };
    expect(arrived.n2).toBe(8);
    expect(Object.keys(arrived)).toEqual(["n", "extra"]);
  });

  it("of instances may have accessors named like own fields", () => {
    const host = new MemoryHost();
    const Odd = host.capture(make<Class>("class Odd { set x(v) { throw new Error('setter'); } }"), {
      kind: "class",
    });
    const odd = Object.defineProperty(new Odd(), "x", {
      value: 1,
      writable: true,
      enumerable: true,
      configurable: true,
    });
    expect(Object.getOwnPropertyDescriptor(arrive(host, odd), "x")?.value).toBe(1);
  });
});

describe("registered types", () => {
  const secret = (): Class<{ get(): unknown }> =>
    make("class Secret { #v; constructor(v) { this.#v = v; } get() { return this.#v; } }");

  function teach(host: MemoryHost, Secret: Class<{ get(): unknown }>, name?: string): void {
    const encodeSecret = host.capture(make<(s: { get(): unknown }) => unknown>("(s) => ({ v: s.get() })"));
    const decodeSecret = host.capture(
      make<(d: unknown) => { get(): unknown }>("(d) => new Secret(d.v)", { Secret }),
      { bindings: { Secret } },
    );
    host.capture(Secret, { kind: "class" });
    registerType(
      Secret,
      name === undefined
        ? { encode: encodeSecret, decode: decodeSecret }
        : { name, encode: encodeSecret, decode: decodeSecret },
    );
  }

  it("travel with their codec, and can be sent on by who received them", () => {
    const host = new MemoryHost();
    const Secret = secret();
    teach(host, Secret);
    const Maker = Secret as unknown as new (v: unknown) => { get(): unknown };
    const value = { a: new Maker(1), b: new Maker({ deep: [2] }) };
    const first = arrive(host, { ...value, Secret });
    expect(first.a).toBeInstanceOf(first.Secret);
    expect(first.a).not.toBeInstanceOf(Secret);
    expect([first.a.get(), first.b.get()]).toEqual([1, { deep: [2] }]);
    expect(arrive(host, first).b.get()).toEqual({ deep: [2] });
  });

  it("of a name that the receiver registered arrive as its own class", () => {
    const host = new MemoryHost();
    const Secret = secret();
    teach(host, Secret, "test.secret");
    const Maker = Secret as unknown as new (v: unknown) => { get(): unknown };
    expect(arrive(host, new Maker(5))).toBeInstanceOf(Secret);
    expect(() => teach(new MemoryHost(), secret(), "test.secret")).toThrow(/belongs to another class/);
  });

  it("may hold one another and shared objects, complete when decode sees them", () => {
    const host = new MemoryHost();
    const Secret = secret();
    teach(host, Secret);
    const Maker = Secret as unknown as new (v: unknown) => { get(): { n?: unknown[]; s?: unknown } };
    const shared = { n: [1] };
    const inner = new Maker(shared);
    const arrived = arrive(host, [new Maker({ s: inner, n: [shared] }), inner, shared] as const);
    expect(arrived[0].get().s).toBe(arrived[1]);
    expect(arrived[1].get()).toBe(arrived[2]);
  });

  it("see an object whose contents were put off complete", () => {
    const host = new MemoryHost();
    const Total = make<Class<{ sum: number }>>(
      "class Total { constructor(list) { this.sum = list.reduce((a, b) => a + b, 0); } }",
    );
    const lists = new WeakMap<object, number[]>();
    const encodeTotal = host.capture((total: object) => lists.get(total));
    const decodeTotal = host.capture(
      make<(list: number[]) => { sum: number }>("(list) => new Total(list)", { Total }),
      { bindings: { Total } },
    );
    host.capture(Total, { kind: "class" });
    registerType(Total, { encode: encodeTotal as () => number[], decode: decodeTotal });
    const list = [1, 2, 3];
    const total = new (Total as unknown as new (list: number[]) => { sum: number })(list);
    lists.set(total, list);
    let deep: unknown = [list, total];
    for (let i = 0; i < 159; i++) deep = [deep];
    for (let extra = 0; extra < 6; extra++, deep = [deep]) {
      let arrived = arrive(host, deep) as unknown[];
      while (arrived.length === 1) arrived = arrived[0] as unknown[];
      expect((arrived[1] as { sum: number }).sum).toBe(6);
      expect(arrived[0]).toEqual([1, 2, 3]);
    }
  });

  it("that lead back to themselves are refused, and so is an encode that throws", () => {
    const host = new MemoryHost();
    const Loop = host.capture(make<Class>("class Loop {}"), { kind: "class" });
    const identity = host.capture(make<(x: object) => object>("(x) => [x]"));
    registerType(Loop, { encode: identity, decode: identity });
    expect(() => encode({ loop: new Loop() }, host)).toThrow(/loop.*leads back to the instance itself/);
    const thrower = host.capture(make<(x: object) => object>("(x) => { throw new Error('no') }"));
    registerType(Loop, { encode: thrower, decode: identity });
    expect(() => encode({ loop: new Loop() }, host)).toThrow(
      /encode\(\) of the registered type Loop threw Error: no/,
    );
    expect(() => encode({ loop: new Loop() }, host)).toThrow(CannotTravelError);
  });

  it("are checked when registered", () => {
    expect(() => registerType(3 as never, { encode: (x) => x, decode: (x) => x })).toThrow(
      /should be a class, not number/,
    );
    expect(() => registerType(class A {}, {} as never)).toThrow(/A\): encode should be a function/);
    expect(() => registerType(class A {}, { name: "", encode: (x) => x, decode: (x) => x })).toThrow(
      /non-empty string/,
    );
  });
});
