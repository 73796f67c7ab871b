/** Every case of code that travels. `run` writes one JSON line a case; the flavours of this program end with a call of it. */
import { appendFileSync } from "node:fs";
import fs from "node:fs";
import { connect, createServer } from "node:net";
import * as path from "node:path";
import { basename as nameOf } from "node:path";
import { createRequire } from "node:module";
import * as acorn from "acorn";
import { parseExpressionAt } from "acorn";
import data from "./data.json" with { type: "json" };
import twice, { areaOf, increment, settings, Shape } from "./helper.ts";
import * as helper from "./helper.ts";
import { importOutcome } from "./eager.ts";
import { squareOf } from "./cyclic.ts";
import { get, put, remote } from "iono";
import type { ObjectRef, RemoteFunction } from "iono";

const require = createRequire(import.meta.url);
appendFileSync(`${process.env.NOTES}/entry`, `${process.pid}\n`);

interface Point {
  readonly x: number;
  readonly y?: number;
}

export function square(x: number): number {
  return x * x;
}

const factor: number = 3;
const table = { numbers: [1, 2, 3] as const, nested: new Map([["a", new Set([1])]]) };
const origin = { x: 1 } satisfies Point;
let changing = 1;

class LimitError extends Error {
  override name = "LimitError";
  limit: number;
  constructor(message: string, limit: number) {
    super(message);
    this.limit = limit;
  }
}

class Account {
  static opened = 5;
  static readonly kinds: readonly string[] = ["a", "b"];
  static total: number;
  #balance = 10;
  static {
    Account.total = Account.opened * factor;
  }
  static describe(): string {
    return `${this.name} ${this.total}`;
  }
  get balance(): number {
    return this.#balance;
  }
  set balance(value: number) {
    this.#balance = value;
  }
  #add(k: number): void {
    this.#balance += k * factor;
  }
  deposit(k: number): number {
    this.#add(k);
    return this.#balance;
  }
  static isAccount(value: object): boolean {
    return #balance in value;
  }
}

class Savings extends Account {
  rate: number = origin.x;
  override deposit(k: number): number {
    return super.deposit(k + this.rate);
  }
  async later(k: number): Promise<number> {
    await Promise.resolve();
    return this.deposit(k);
  }
  *deposits(n: number): Generator<number> {
    for (let i = 0; i < n; i++) yield this.deposit(i);
  }
  about(): unknown[] {
    this.balance = this.balance + 1;
    return [this.balance, Savings.total, Account.describe(), Account.isAccount(this), Savings.kinds.length, this instanceof Account];
  }
  fail(): never {
    throw new LimitError("actor", this.rate); // line: actor
  }
}

class Triangle extends Shape {
  constructor() {
    super(3);
  }
  describe(): string {
    return `${this.label} ${areaOf(2, 3)}`;
  }
}

class Guarded {
  #secret = 1;
  reveal(): number {
    return this.#secret;
  }
}

const tools = {
  scale: 2,
  plain(x: number): number {
    return x * factor;
  },
  "odd name": (x: number): number => x + origin.x,
  async *count(n: number): AsyncGenerator<number> {
    for (let i = 0; i < n; i++) yield i * factor;
  },
  [`computed${factor}`](): string {
    return "computed";
  },
};

function* generate(n: number): Generator<number> {
  for (let i = 0; i < n; i++) yield i + factor;
}
const adder = (n: number) => (x: number) => n + x;
const tag = (strings: TemplateStringsArray, ...values: unknown[]): string => strings.raw.join("|") + values.join(",");

const untyped = remote as unknown as (fn: unknown) => { remote(...args: unknown[]): ObjectRef<unknown> };
const called = <A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Promise<Awaited<R>> =>
  get(untyped(fn).remote(...args)) as Promise<Awaited<R>>;

async function collected(refs: AsyncIterable<ObjectRef<unknown>>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const ref of refs) values.push(await get(ref));
  return values;
}

/** `main.ts:12` of the innermost frame of a stack. */
function place(stack: string | undefined): string {
  const frame = stack?.split("\n").find((line) => /^\s+at .*:\d+:\d+\)?$/.test(line)) ?? `no frame: ${stack}`;
  return frame.replace(/^.*?([^/(\s]+):(\d+):\d+\)?$/, "$1:$2");
}

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly path?: readonly string[];
  readonly limit?: number;
  readonly remote?: { readonly stack: string };
}

async function failure(outcome: Promise<unknown>): Promise<unknown[]> {
  try {
    return ["no failure", await outcome];
  } catch (error) {
    const { name, message, stack, limit, remote: origin } = error as Failure;
    return [error instanceof LimitError, name, message, limit ?? null, place(stack), place(origin?.stack)];
  }
}

/** What `.remote()` says at once: code, path, and how the reason starts. */
function refusal(submit: () => unknown): string {
  try {
    submit();
    return "accepted";
  } catch (error) {
    const { code, path: at = [], message } = error as Failure;
    const reason = message.slice(message.indexOf(": ") + 2).replace(/[;:,].*/s, "");
    return `${code} at ${at.join(" > ")}: ${reason}`;
  }
}

const counter = remote(increment);
const fibonacci: RemoteFunction<(n: number) => Promise<number>> = remote(async (n: number): Promise<number> => {
  if (n < 2) return n;
  const [a, b] = await get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]);
  return (a as number) + (b as number);
});
const isEven: RemoteFunction<(n: number) => Promise<boolean>> = remote(async (n: number) => n === 0 || get(isOdd.remote(n - 1)));
const isOdd: RemoteFunction<(n: number) => Promise<boolean>> = remote(async (n: number) => n !== 0 && get(isEven.remote(n - 1)));
const scaled = remote((x: number): number => x * factor);
const Bank = remote(Savings);
/** One actor for all cases that need no fresh one. */
let opened: ReturnType<typeof Bank.remote> | undefined;
const bank = () => (opened ??= Bank.remote());

/** Literals whose capture has been worked out, in this process. */
const plans = (): number => (globalThis as unknown as Record<symbol, { plans: Map<string, unknown> }>)[Symbol.for("iono.code")].plans.size;

export const cases: Record<string, () => unknown> = {
  // Closures.
  consts: () => called((x: number) => [x * factor, table.numbers[2], [...(table.nested.get("a") ?? [])], origin], 2),
  reassigned: async () => {
    const read = remote(() => changing);
    const before = read.remote();
    changing = 2;
    const middle = read.remote();
    changing = 3;
    return [await get(before), await get(middle), await get(read.remote())];
  },
  loop: async () => {
    const before = plans();
    const refs: ObjectRef<number>[] = [];
    for (let i = 0; i < 2000; i++) refs.push(remote(() => i * factor).remote());
    const values = await get(refs);
    return [plans() - before, values.every((value, i) => value === i * factor)];
  },
  snapshot: async () => {
    const box = { n: 1 };
    const read = remote(() => box.n);
    const ref = read.remote();
    box.n = 2;
    return get(ref);
  },
  nestedClosures: () => called(() => [1, 2].map((x) => [3].map((y) => x * y + factor + square(x)))),
  definedInTask: () =>
    called(async (base: number) => {
      const inner = remote((x: number) => base + x + factor);
      return get([inner.remote(1), inner.remote(2)]);
    }, 10),
  redefined: async () => {
    const make = (n: number) => {
      function same(): number {
        return n;
      }
      return remote(same);
    };
    const [first, second] = [make(1), make(2)];
    return get([first.remote(), second.remote(), first.remote()]);
  },
  declaredLater: () => {
    const early = remote(() => later);
    const said = refusal(() => early.remote());
    const later = 1;
    return called(() => later).then((value) => [said, value]);
  },

  // Imports.
  named: () => called(() => [nameOf("/a/b.ts"), areaOf(2, 3), settings.scale]),
  defaults: () => called(() => [twice(4), fs.existsSync("/"), typeof helper.default]),
  namespaces: () => called(() => [path.sep, helper.areaOf(1, 2), helper.settings.scale]),
  npmPackage: () => called(() => [parseExpressionAt("1+2", 0, { ecmaVersion: 2022 }).type, typeof acorn.parse]),
  json: () => called(() => data.answer),
  reexported: () => called(() => [new Shape(4).label, areaOf(3, 3)]),
  byReference: () => get(remote(areaOf).remote(2, 5)),
  builtinByReference: () => get((remote(nameOf) as RemoteFunction<(path: string) => string>).remote("/x/y")),
  cyclic: () => called(() => [squareOf(3), square(2)]),
  moduleState: async () => {
    const pids = await get(Array.from({ length: 40 }, () => remote(() => [process.pid, increment()]).remote()));
    const perProcess = new Map<number, number[]>();
    for (const [pid, n] of pids as [number, number][]) perProcess.set(pid, [...(perProcess.get(pid) ?? []), n]);
    await get(counter.remote());
    return [...perProcess.values()].every((numbers) => new Set(numbers).size === numbers.length && Math.max(...numbers) >= numbers.length);
  },
  sameInstance: () => called(() => [helper.increment() + 1 === increment(), helper.Shape === Shape]),
  meta: async () => {
    const there = await called(() => [import.meta.url, import.meta.dirname, import.meta.filename]);
    return there.join() === [import.meta.url, import.meta.dirname, import.meta.filename].join();
  },
  dynamicImport: () => called(async () => [(await import("./shapes.ts")).area(2, 2), (await import("node:os")).EOL]),
  require: () => called(() => [(require("./data.json") as typeof data).answer, (require("node:path") as typeof path).sep, typeof require.resolve("acorn")]),
  whileImporting: () => called(() => importOutcome()),

  // Classes.
  actor: async () => {
    const actor = bank();
    return [await get([actor.deposit.remote(1), actor.deposit.remote(2), actor.later.remote(3)]), await get(actor.about.remote())];
  },
  actorGenerator: async () => collected(bank().deposits.remote(3) as unknown as AsyncIterable<ObjectRef<number>>),
  actorInherits: () => get(remote(Triangle).remote().describe.remote()),
  classInTask: () => called(() => [new Savings().deposit(1), Account.total, Account.describe(), Account.opened, new Triangle().describe(), new Triangle() instanceof Shape]),
  classExpression: () => {
    const Named = class Inner {
      static self(): string {
        return Inner.name;
      }
      value = factor;
    };
    return called(() => [Named.self(), new Named().value]);
  },
  mixin: () => {
    const mixed = <T extends new (...args: never[]) => object>(Base: T) => class extends (Base as new () => object) { extra = factor; };
    class Mixed extends mixed(Triangle) {}
    return called(() => [Object.keys(new Mixed()), new Mixed() instanceof Triangle]);
  },

  // What is captured or passed.
  capturedRef: () => {
    const ref = put({ n: 5 });
    return called(async () => (await get(ref)).n + factor);
  },
  capturedHandle: async () => {
    const captured = bank();
    const before = await get(captured.deposit.remote(0));
    await called(async () => get(captured.deposit.remote(1)));
    return (await get(captured.deposit.remote(0))) - before;
  },
  capturedRemote: () => called(async (x: number) => get(scaled.remote(x)), 4),
  capturedClass: () => called(async () => get(Bank.remote().deposit.remote(1))),
  recursion: () => get(fibonacci.remote(7)),
  mutual: () => get([isEven.remote(4), isOdd.remote(4)]),
  functionArgument: () => called((fn: (x: number) => number) => fn(2), adder(5)),
  functionResult: async () => (await called((n: number) => (x: number) => x + n + factor, 1))(2),
  classArgument: () => called((Class: typeof Savings) => new Class().deposit(1), Savings),
  comesHome: async () => [
    (await called((fn: () => unknown) => fn, square as () => unknown)) === square,
    (await called(() => areaOf)) === areaOf,
    (await called((value: unknown) => value, Savings)) === Savings,
    (await called(() => new Point3(1))) instanceof Point3,
  ],

  // Kinds of functions.
  asyncFunction: () => called(async function named(x: number) { return (await Promise.resolve(x)) * factor; }, 2),
  generator: () => collected(remote(generate).remote(3)),
  asyncGenerator: () => collected(remote(tools.count).remote(3)),
  methods: async () => [await called(tools.plain, 2), await called(tools["odd name"], 2), await called((tools as never as Record<string, () => string>)[`computed${factor}`] as () => string)],
  parameters: () => called((a: number, { x, y = x + 1 }: Point = origin, [first, ...others]: number[] = [7, 8, 9], ...rest: string[]) => [a, x, y, first, others, rest], 1, { x: 5 }, undefined as never, "r", "s"),
  defaultsOfParameters: () => called((a: number, { x, y = x + 1 }: Point = origin, fn = () => a + factor) => [a, x, y, fn()], ...([1] as never as [number, Point, () => number])),
  names: () => called(() => [square.name, adder.name, adder(1).name, tools.plain.name, tools["odd name"].name, Savings.name, tag.name, square.length]),
  named2: () => called(function self(n: number): number { return n === 0 ? 0 : n + self(n - 1); }, 4),

  // Syntax.
  templates: () => called((x: number) => [tag`a${x}b\n`, `${`in ${x}`} }`, String.raw`\d`], 1),
  regex: () => called(() => ["a/b]".replace(/[/\]]/g, "-"), /(?<year>\d{4})/u.exec("in 2024")?.groups?.year, [4, 2].map((x) => x / 2 / 1)]),
  controlFlow: () =>
    called((n: number) => {
      const seen: unknown[] = [];
      outer: for (const i of [1, 2, 3]) {
        for (const j of [1, 2, 3]) {
          if (j === 2) continue outer;
          if (i === 3) break outer;
          seen.push(i * j * factor);
        }
      }
      switch (n) {
        case 0:
        case 1: {
          const local = n;
          seen.push(local);
          break;
        }
        default: {
          const local = "d";
          seen.push(local);
        }
      }
      switch (typeof n) {
        default:
          seen.push("default first");
          break;
        case "string":
          seen.push("never");
      }
      try {
        (null as unknown as Point).x.toFixed();
      } catch {
        seen.push("caught");
      } finally {
        seen.push("finally");
      }
      const await_ = undefined as Point | undefined;
      seen.push(await_?.x ?? "nullish", 1_000n.toString(), void 0 === undefined);
      {
        const factor = "shadows";
        seen.push(factor);
      }
      return seen;
    }, 1),
  types: () =>
    called(<T,>(value: T, as: unknown = 1): readonly T[] => {
      type Local = { readonly v: T };
      const local: Local = { v: value! } satisfies Local;
      const list = [local.v, as as T] as const;
      const of = <U extends object>(u: U): keyof U => Object.keys(u)[0] as keyof U;
      return [...list, of({ factor }) as T];
    }, "t" as unknown),

  // Errors.
  userError: () => failure(called((x: number): never => {
    const text: string = `far ${x}`;

    throw new LimitError(text, x); // line: thrown
  }, 9)),
  deepError: () => failure(called(() => [1].map((x: number): number => {
    type Unused = number;
    return (x as unknown as { no: { where: Unused } }).no.where; // line: deep
  }))),
  actorError: () => failure(get(bank().fail.remote() as ObjectRef<never>)),
  helperError: () => failure(called(() => helperThatThrows())),

  // Refused.
  native: () => refusal(() => remote(Function.prototype.call.bind(square) as () => void).remote()),
  bound: () => refusal(() => remote(square.bind(null)).remote(1)),
  capturedBound: () => {
    const cfg = { deep: { fn: square.bind(null) } };
    return refusal(() => remote(function sample() { return cfg.deep.fn(1); }).remote());
  },
  outerThis: () => refusal(() => new Outer().submit()),
  superOutside: () => refusal(() => remote(withSuper.method).remote()),
  socket: async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const cfg = { db: connect((server.address() as { port: number }).port, "127.0.0.1") };
    const said = refusal(() => remote(function sample() { return cfg.db; }).remote());
    cfg.db.destroy();
    server.close();
    return said;
  },
  privateInstance: () => {
    const guarded = new Guarded();
    return refusal(() => remote(function sample() { return guarded.reveal(); }).remote());
  },
  promise: () => {
    const pending = Promise.resolve(1);
    return refusal(() => remote(async function sample() { return pending; }).remote());
  },
  inActor: () => {
    const held = { timer: new WeakMap() };
    return refusal(() => remote(class Keeper { read() { return held; } }).remote());
  },
  tooLarge: () => {
    const weights = new Uint8Array(9 * 2 ** 20);
    return [
      refusal(() => remote(function big() { return weights.length; }).remote()),
      refusal(() => remote(class Big { size() { return weights.length; } }).remote()),
    ];
  },
  largeWarns: async () => {
    const weights = new Uint8Array(2 * 2 ** 20);
    const warned: string[] = [];
    const note = (warning: Error): void => void warned.push(warning.message.replace(/;.*/s, ""));
    process.on("warning", note);
    const sizeOf = remote(function large() { return weights.length; });
    const sizes = await get([sizeOf.remote(), sizeOf.remote()]);
    process.off("warning", note);
    return [...sizes, ...warned];
  },
  assignsWarns: async () => {
    const warned: string[] = [];
    const note = (warning: Error): void => void warned.push(warning.message.replace(/\(.*\//, "(").replace(/ stays.*/s, ""));
    process.on("warning", note);
    let total = 0;
    const assigning = remote(function assigns() { return (total += 1); }); // line: assigns
    const result = await get(assigning.remote());
    await called(() => 0);
    process.off("warning", note);
    return [result, total, ...warned];
  },
};

class Point3 {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

class Outer {
  field = 1;
  submit(): unknown {
    return remote(() => this.field).remote();
  }
}

const withSuper = { __proto__: { base: () => 1 }, method(): number { return (super.base as () => number)(); } } as unknown as { method(): number };

function helperThatThrows(): never {
  const values: readonly Point[] = [];
  throw new LimitError(String(values.length), 0); // line: helper
}

/** Runs the cases, or the one named, and writes what each gives. */
export async function run(only: string | undefined = process.env.CASE): Promise<void> {
  for (const [name, body] of Object.entries(cases)) {
    if (only !== undefined && only !== name) continue;
    let line: string;
    try {
      line = JSON.stringify({ name, value: await body() });
    } catch (error) {
      line = JSON.stringify({ name, thrown: String((error as Error).stack ?? error) });
    }
    appendFileSync(`${process.env.NOTES}/outcome`, `${line}\n`);
  }
}
