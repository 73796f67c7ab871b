/* oxlint-disable no-sparse-arrays -- holes are samples */

/** Values of every kind of the table, for the tests. */

import { spawn } from "node:child_process";
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, createSecretKey } from "node:crypto";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer, Socket } from "node:net";
import * as path from "node:path";
import { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { MemoryHost } from "./memory-host.ts";
import { registerType } from "./registry.ts";
import { travelsByReference } from "./seam.ts";
import type { ValueKind } from "./table.ts";

const closing: (() => unknown)[] = [];
/** Ends what the samples opened. */
export async function closeSamples(): Promise<void> {
  for (const close of closing) await close();
}

const keep = <T>(value: T, close: (value: T) => unknown): T => {
  closing.push(() => close(value));
  return value;
};

class Account {
  #balance: number;
  constructor(balance: number) {
    this.#balance = balance;
  }
  get balance(): number {
    return this.#balance;
  }
}
class Savings extends Account {}
class Purse {
  #coins = 3;
  coins(): number {
    return this.#coins;
  }
}
const purseCodec = { encode: (purse: Purse) => ({ coins: purse.coins() }), decode: () => new Purse() };
class Point {
  x = 1;
  /* "#not private" */ y = "#neither";
}
class Stack extends Array<number> {
  label = "s";
}
class Counters extends Map<string, number> {}
class NotFound extends Error {
  status = 404;
}
class Server {
  port = 1;
}
function fn(): number {
  return 1;
}
class Handle {}
Object.defineProperty(Handle.prototype, travelsByReference, { value: true });
let file: unknown;

/** Opens what the samples need; before any of them is made. */
export async function openSamples(): Promise<void> {
  file = keep(await open(import.meta.filename), (handle) => handle.close());
  registerType(Purse, purseCodec);
}

/** Values of every kind of the table. */
export const samples: Record<ValueKind, () => unknown[]> = {
  "undefined, null, booleans": () => [undefined, null, true, false],
  numbers: () => [
    0,
    -0,
    1,
    127,
    128,
    -1,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31,
    2 ** 53,
    0.1,
    NaN,
    Infinity,
    -Infinity,
    Number.MIN_VALUE,
  ],
  bigints: () => [
    0n,
    1n,
    -1n,
    2n ** 63n - 1n,
    2n ** 63n,
    -(2n ** 63n),
    -(2n ** 63n) - 1n,
    255n ** 99n,
    -(3n ** 999n),
  ],
  strings: () =>
    ["", "a", "abcdefgh", "é", "日本", "😀", "\ud800", "x\udfffy"].flatMap((s) => [
      s,
      s.repeat(9),
      s.repeat(70),
      s.repeat(70) + "z",
      "q" + s.repeat(300),
    ]),
  "registered and well-known symbols": () => [
    Symbol.for("x"),
    Symbol.for(""),
    Symbol.iterator,
    Symbol.asyncDispose,
    { [Symbol.for("k")]: 1, [Symbol.toStringTag]: "T" },
  ],
  "unique symbols": () => [Symbol("x"), { [Symbol("y")]: 1 }],
  "plain objects": () => [
    {},
    { a: 1, b: { c: 2 } },
    { b: 1, a: 2, 10: 3, 9: 4 },
    { ["__proto__"]: { evil: true } },
    { constructor: 1, toString: 2, hasOwnProperty: 3 },
    Object.defineProperties(
      {},
      {
        hidden: { value: 1 },
        fixed: { value: 2, enumerable: true },
        loose: { value: 3, configurable: true },
      },
    ),
    { ["k".repeat(200)]: 1, 日本: 2, "\ud800": 3, "": 4 },
  ],
  "objects without a prototype": () => [
    Object.create(null),
    Object.assign(Object.create(null), { a: 1, ["__proto__"]: 2 }),
  ],
  "objects made from another object": () => {
    const base = { greet: "hi" };
    return [
      Object.create(base),
      [Object.create(base), Object.assign(Object.create(base), { own: 1 }), base],
      Object.create(Object.create({ deep: 1 })),
    ];
  },
  "getters and setters": () => [
    {
      get a() {
        return 1;
      },
    },
    Object.defineProperty({}, "a", { set() {}, enumerable: true }),
    Object.defineProperty(new Map(), "a", { get: () => 1 }),
  ],
  "frozen, sealed and non-extensible objects": () => [
    Object.freeze({ a: Object.freeze([1, { b: 2 }]) }),
    Object.seal({ a: 1 }),
    Object.preventExtensions({ a: 1 }),
    Object.freeze([1, , 3]),
    Object.freeze(new Map([[1, 2]])),
    Object.freeze(new Date(3)),
    Object.freeze(/x/g),
    Object.freeze(new Error("x")),
    Object.preventExtensions(new Uint8Array(3)),
  ],
  arrays: () => {
    const sparse: number[] = [];
    sparse[4_000_000_000] = 1;
    sparse[7] = 2;
    return [
      [],
      [1, "a", null],
      [, 1, , undefined, ,],
      new Array(3),
      new Array(100),
      sparse,
      Object.assign([1, 2], { name: "x" }),
      Object.assign(
        Array.from({ length: 99 }, (_, i) => i),
        { name: "x", [Symbol.iterator]: 1 },
      ),
      Object.defineProperty(Array.from({ length: 99 }), "hidden", { value: 1 }),
      "abc".match(/b/d),
      Array.from({ length: 1000 }, (_, i) => (i % 3 === 0 ? i : String(i))),
    ];
  },
  "cycles and shared references": () => {
    const ring: unknown[] = [];
    ring.push(ring);
    const a: Record<string, unknown> = {};
    a["self"] = a;
    const map = new Map<unknown, unknown>();
    map.set(map, map);
    const set = new Set<unknown>();
    set.add(set);
    const error = new Error("x");
    error.cause = error;
    const shared = { n: 1 };
    return [ring, a, map, set, error, [shared, shared, { shared }], Array.from({ length: 40 }, () => shared)];
  },
  "Map and Set": () => [
    new Map(),
    new Map<unknown, unknown>([
      [-0, NaN],
      [{ k: 1 }, new Set([1, "1"])],
    ]),
    new Set([[], {}, 1n]),
    Object.assign(new Set([1]), { name: "x" }),
  ],
  Date: () => [new Date(0), new Date(-1.5e12), new Date(NaN), Object.assign(new Date(1), { x: 1 })],
  RegExp: () => [
    /a\/b[/]\n/dgimsuy,
    /(?:)/,
    Object.assign(/x/g, { lastIndex: 5 }),
    Object.assign(/x/v, { lastIndex: { odd: -0 } as never, note: 1 }),
  ],
  URL: () => {
    const url = new URL("https://u:p@example.org:81/a%20b?c=1&c=2#d");
    return [url, [url, url.searchParams], new URL("data:text/plain,hello"), new URL("file:///a")];
  },
  URLSearchParams: () => [new URLSearchParams("a=1&a=2&b=%20é"), new URLSearchParams()],
  "boxed primitives": () => [
    Object(1),
    Object(-0),
    Object("abc"),
    Object(true),
    Object(1n),
    Object(Symbol.iterator),
    Object.assign(Object("ab"), { x: 1 }),
  ],
  ArrayBuffer: () => [
    new ArrayBuffer(0),
    new Uint8Array([1, 2, 3]).buffer,
    new ArrayBuffer(10_000),
    Object.assign(new ArrayBuffer(2), { x: 1 }),
  ],
  "typed arrays": () => {
    const buffer = Uint8Array.from({ length: 64 }, (_, i) => i).buffer;
    const kinds = [
      Uint8Array,
      Int8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
    ];
    return [
      ...kinds.map((Kind) => new Kind(buffer, 16, 2)),
      ...kinds.map((Kind) => new Kind(0)),
      ...kinds.map((Kind) => new Kind(1000)),
      [new Uint8Array(buffer, 3, 5), new Float64Array(buffer, 16, 2), new Uint8Array(buffer, 60)],
      Object.assign(new Uint8Array(3), { x: 1 }),
      Object.assign(new Uint8Array(300), { x: 1 }),
    ];
  },
  Buffer: () => [
    Buffer.from("hello"),
    Buffer.alloc(0),
    Buffer.alloc(9000, 7),
    Buffer.from("pool").subarray(1, 3),
  ],
  DataView: () => [new DataView(new ArrayBuffer(9), 3, 5), new DataView(new ArrayBuffer(0))],
  "resizable ArrayBuffer": () => [
    new ArrayBuffer(2, { maxByteLength: 9 }),
    new Uint8Array(new ArrayBuffer(2, { maxByteLength: 9 })),
  ],
  "detached ArrayBuffer": () => {
    const buffer = new ArrayBuffer(2);
    const view = new Uint8Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    return [buffer, view];
  },
  SharedArrayBuffer: () => [new SharedArrayBuffer(2), new Uint8Array(new SharedArrayBuffer(2))],
  "Error and its built-in subclasses": () => [
    new Error("x"),
    new Error(),
    new TypeError("t", { cause: { deep: new RangeError("r") } }),
    new AggregateError([new Error("1"), 2], "many"),
    Object.assign(new Error("code"), { code: "ENOENT", errno: -2, extra: { a: 1 } }),
    Object.assign(new Error("n"), { name: "Custom" }),
    Object.assign(new Error("s"), { stack: "mine" }),
    Object.assign(new SyntaxError("s"), { message: { not: "a string" } }),
  ],
  DOMException: () => [new DOMException("aborted", "AbortError"), AbortSignal.abort().reason],
  functions: () => [fn, [fn, fn, { fn }]],
  classes: () => [Point, [Point, Point]],
  "instances of classes": () => [
    new Point(),
    [new Point(), new Point(), Point],
    Stack.from([1, 2]),
    new Counters([["a", 1]]),
    new NotFound("gone"),
    Object.freeze(new Point()),
    new Server(),
  ],
  "instances of classes with #private members": () => [new Account(1), new Savings(1)],
  "instances of registered types": () => [new Purse(), [new Purse(), new Purse()]],
  "refs and handles": () => [new Handle(), new Proxy(new Handle(), {})],
  "built-in functions and prototypes": () => [
    Math.floor,
    Math,
    Array.prototype,
    Object,
    TypeError,
    [Object.prototype, JSON],
  ],
  imports: () => [readFileSync],
  promises: () => [Promise.resolve(1), (async () => 1)()],
  "WeakMap, WeakSet, WeakRef": () => [new WeakMap(), new WeakSet(), new WeakRef({})],
  "generators and iterators in flight": () => [
    (function* () {})(),
    (async function* () {})(),
    [1].values(),
    new Map().keys(),
    new Set().values(),
    "a"[Symbol.iterator](),
    "a".matchAll(/a/g),
    [1].values().map((x) => x),
  ],
  Proxy: () => [new Proxy({}, {}), new Proxy([], {}), new Proxy(fn, {}), Proxy.revocable({}, {}).proxy],
  "sockets, servers and streams": () => [
    keep(new Socket(), (s) => s.destroy()),
    keep(createServer(), (s) => s.close()),
    Readable.from([1]),
    process.stdout,
    new ReadableStream(),
    new WritableStream(),
  ],
  timers: () => [
    keep(
      setTimeout(() => {}, 1000),
      clearTimeout,
    ),
    keep(
      setInterval(() => {}, 1000),
      clearInterval,
    ),
    keep(
      setImmediate(() => {}),
      clearImmediate,
    ),
  ],
  "AbortController, AbortSignal, EventTarget, EventEmitter": () => [
    new AbortController(),
    new AbortController().signal,
    new EventTarget(),
    new EventEmitter(),
  ],
  "ports, workers and child processes": () => {
    const { port1 } = keep(new MessageChannel(), (channel) => channel.port1.close());
    return [
      port1,
      keep(new BroadcastChannel("x"), (channel) => channel.close()),
      keep(new Worker("", { eval: true }), (worker) => worker.terminate()),
      keep(spawn(process.execPath, ["-e", ""]), (child) => child.kill()),
    ];
  },
  "open files": () => [file],
  "keys, hashes and other native objects": () => [
    createHash("sha256"),
    createSecretKey(Buffer.from("k")),
    new AsyncLocalStorage(),
    new TextEncoder(),
    new TextDecoder(),
    new Intl.NumberFormat(),
    new Blob(["x"]),
    new Headers(),
    crypto,
    performance,
    new FinalizationRegistry(() => {}),
  ],
  "arguments objects": () => [
    (function () {
      return arguments;
    })(),
  ],
  "module namespaces as values": () => [path],
  "process and process.env": () => [process, process.env],
};

/** A host that knows the functions and classes of the samples. */
export function hostForSamples(): MemoryHost {
  const host = new MemoryHost();
  for (const known of [fn, Point, Stack, Counters, NotFound, Server, Account, Savings]) host.capture(known);
  host.capture(Purse);
  host.capture(purseCodec.encode);
  host.capture(purseCodec.decode, { bindings: { Purse } });
  host.imports.set(readFileSync, { kind: "import", url: "node:fs", name: "readFileSync" });
  host.modules.set("node:fs", { readFileSync });
  return host;
}
