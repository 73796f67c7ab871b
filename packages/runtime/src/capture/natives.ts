import { builtinModules } from "node:module";
import type { ImportedBinding } from "../values/seam.ts";
import { globalsUrl } from "./module-urls.ts";

/**
 * Functions and objects that every process has: they travel by name. Native code has no source to send, but
 * `Object.defineProperty` or `path.join` are the same everywhere.
 */
export class Natives {
  readonly #names = new WeakMap<object, ImportedBinding>();
  readonly #modulesRead = new Set<string>();
  #globalsRead = false;

  /** How a worker gets the same global function or object, or undefined when it is none. */
  find(value: object): ImportedBinding | undefined {
    if (!this.#globalsRead) this.#readGlobals();
    return this.#names.get(value);
  }

  /**
   * How a worker gets the same function of a builtin module.
   * @param scriptUrl `node:…`, where its text is; undefined for native code.
   */
  findBuiltin(fn: Function, scriptUrl: string | undefined): ImportedBinding | undefined {
    const own = scriptUrl?.replace(/^node:(?:internal\/)?/, "");
    if (own !== undefined && builtinModules.includes(own)) this.#readModule(own);
    // Many globals (fetch, Blob, performance …) load on first touch, so that only the one asked for is touched.
    else if (Object.hasOwn(globalThis, fn.name) && (globalThis as Record<string, unknown>)[fn.name] === fn)
      this.#add(fn, fn.name);
    if (this.#names.has(fn)) return this.#names.get(fn);
    // Looking into a module loads what its exports load lazily: tens of milliseconds for all of them, once.
    const loaded = this.#loadedNames();
    for (const name of builtinModules) if (loaded.has(name) && !name.startsWith("_")) this.#readModule(name);
    return this.#names.get(fn);
  }

  /** The URL of the builtin module with these exports. */
  builtinUrl(exports: object): string | undefined {
    const name = builtinModules.find(
      (candidate) => this.#loadedNames().has(candidate) && process.getBuiltinModule(candidate) === exports,
    );
    return name === undefined ? undefined : `node:${name}`;
  }

  #loadedNames(): ReadonlySet<string> {
    const { moduleLoadList = [] } = process as { moduleLoadList?: readonly string[] };
    return new Set(moduleLoadList.map((entry) => entry.replace(/^NativeModule /, "")));
  }

  #readGlobals(): void {
    this.#globalsRead = true;
    for (const name of languageGlobals) {
      const value = (globalThis as Record<string, unknown>)[name];
      if ((typeof value !== "object" && typeof value !== "function") || value === null) continue;
      if (typeof value === "function" && !isNative(value)) continue; // replaced by the program: its own code
      this.#add(value, name);
      this.#addMembers(value, name);
      const { prototype } = value as { prototype?: unknown };
      if (typeof prototype === "object" && prototype !== null)
        this.#addMembers(prototype, `${name}.prototype`);
    }
    this.#add(globalThis, "globalThis");
    this.#add(console, "console");
    this.#add(process, "process");
    this.#add(Buffer, "Buffer");
    this.#addMembers(console, "console");
  }

  #addMembers(owner: object, path: string): void {
    for (const key of Object.getOwnPropertyNames(owner)) {
      const member: unknown = Object.getOwnPropertyDescriptor(owner, key)?.value;
      if (typeof member === "function" && key !== "constructor" && isNative(member))
        this.#add(member, `${path}.${key}`);
    }
  }

  #add(value: object, path: string): void {
    if (!this.#names.has(value)) this.#names.set(value, { kind: "import", url: globalsUrl, name: path });
  }

  #readModule(name: string): void {
    if (this.#modulesRead.has(name)) return;
    this.#modulesRead.add(name);
    const exports = process.getBuiltinModule(name) as Record<string, unknown> | undefined;
    if (exports === undefined) return;
    const url = `node:${name}`;
    if (typeof exports === "function" && !this.#names.has(exports))
      this.#names.set(exports, { kind: "import", url, name: "default" });
    for (const key of Object.keys(exports)) {
      const member: unknown = Object.getOwnPropertyDescriptor(exports, key)?.value;
      if (typeof member === "function" && !this.#names.has(member))
        this.#names.set(member, { kind: "import", url, name: key });
    }
  }
}

function isNative(fn: Function): boolean {
  return Function.prototype.toString.call(fn).endsWith("{ [native code] }");
}

const languageGlobals = (
  "AggregateError Array ArrayBuffer Atomics BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError " +
  "FinalizationRegistry Float16Array Float32Array Float64Array Function Int16Array Int32Array Int8Array Intl Iterator JSON Map " +
  "Math Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String Symbol SyntaxError " +
  "TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly decodeURI " +
  "decodeURIComponent encodeURI encodeURIComponent escape eval isFinite isNaN parseFloat parseInt unescape"
).split(" ");

/** Reads `Object.defineProperty` and the like from `globalThis`. */
export function globalsNamespace(): Record<string, unknown> {
  const read = (path: string): unknown =>
    path
      .split(".")
      .reduce<unknown>((owner, key) => (owner as Record<string, unknown> | undefined)?.[key], globalThis);
  return new Proxy(Object.create(null) as Record<string, unknown>, {
    get: (_target, name) => (typeof name === "string" ? read(name) : undefined),
    has: (_target, name) => typeof name === "string" && read(name) !== undefined,
    getOwnPropertyDescriptor: (_target, name) =>
      typeof name === "string"
        ? { value: read(name), configurable: true, enumerable: true, writable: true }
        : undefined,
  });
}
