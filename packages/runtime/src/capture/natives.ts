import { builtinModules } from "node:module";
import type { ImportedBinding } from "../values/seam.ts";

/** A module of ours whose exports are the language's and Node's own functions, by their path from `globalThis`. */
export const globalsUrl = "iono:globals";

/** Globals whose members are functions people take out: `const { log } = console`. */
const containers = ["console", "process", "Math", "JSON", "Reflect", "Atomics", "Intl", "WebAssembly", "performance", "crypto"];

/**
 * Functions and objects that every process has: they travel by name. Native code has no source to send, but
 * `Object.defineProperty` or `path.join` are the same everywhere.
 */
export class Natives {
  readonly #names = new WeakMap<object, ImportedBinding>();
  #modulesSeen = -1;
  #globalsRead = false;

  /** How a worker gets the same function or object, or undefined when it is nobody's but this program's. */
  find(value: object): ImportedBinding | undefined {
    if (!this.#globalsRead) this.#readGlobals();
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    if (typeof value === "function") {
      // Some globals (fetch, Blob …) load on first touch; only the one asked for is touched.
      const descriptor = Object.getOwnPropertyDescriptor(globalThis, value.name);
      if (descriptor?.get !== undefined && (globalThis as Record<string, unknown>)[value.name] === value) this.#add(value, value.name);
    }
    this.#readBuiltinModules();
    return this.#names.get(value);
  }

  #readGlobals(): void {
    this.#globalsRead = true;
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      const value: unknown = Object.getOwnPropertyDescriptor(globalThis, name)?.value;
      if (typeof value === "function" && isPlatform(value)) {
        this.#add(value, name);
        this.#addMembers(value, name);
        const { prototype } = value as { prototype?: unknown };
        if (typeof prototype === "object" && prototype !== null) this.#addMembers(prototype, `${name}.prototype`);
      } else if (typeof value === "object" && value !== null && containers.includes(name)) {
        this.#add(value, name);
        this.#addMembers(value, name);
      }
    }
    this.#add(globalThis, "globalThis");
    for (const name of ["process", "Buffer", "console"] as const) this.#add(globalThis[name], name);
    this.#addMembers(process, "process");
    this.#addMembers(console, "console");
  }

  #addMembers(owner: object, path: string): void {
    for (const key of Object.getOwnPropertyNames(owner)) {
      const member: unknown = Object.getOwnPropertyDescriptor(owner, key)?.value;
      if (typeof member === "function" && key !== "constructor" && isPlatform(member)) this.#add(member, `${path}.${key}`);
    }
  }

  #add(value: object, path: string): void {
    if (!this.#names.has(value)) this.#names.set(value, { kind: "import", url: globalsUrl, name: path });
  }

  /** Only modules that are loaded already: their functions cannot have come from others. */
  #readBuiltinModules(): void {
    const { moduleLoadList: loaded = [] } = process as { moduleLoadList?: readonly string[] };
    if (loaded.length === this.#modulesSeen) return;
    this.#modulesSeen = loaded.length;
    const names = new Set(loaded.map((entry) => entry.replace(/^NativeModule /, "")));
    for (const name of builtinModules) {
      if (!names.has(name) || name.startsWith("_")) continue;
      const exports = process.getBuiltinModule(name) as Record<string, unknown> | undefined;
      if (exports === undefined) continue;
      const url = `node:${name}`;
      if (!this.#names.has(exports)) this.#names.set(exports, { kind: "import", url, name: "default" });
      for (const key of Object.keys(exports)) {
        const member: unknown = Object.getOwnPropertyDescriptor(exports, key)?.value;
        if (typeof member === "function" && !this.#names.has(member)) this.#names.set(member, { kind: "import", url, name: key });
      }
    }
  }
}

/** Global functions that a program put there itself are its own, and travel as code. */
function isPlatform(fn: Function): boolean {
  return Function.prototype.toString.call(fn).includes("[native code]") || platformClasses.has(fn.name);
}

const platformClasses = new Set([
  "AbortController", "AbortSignal", "Blob", "BroadcastChannel", "Buffer", "ByteLengthQueuingStrategy", "CompressionStream",
  "CountQueuingStrategy", "CryptoKey", "CustomEvent", "DOMException", "DecompressionStream", "Event", "EventTarget", "File",
  "FormData", "Headers", "MessageChannel", "MessageEvent", "MessagePort", "Performance", "ReadableStream", "Request", "Response",
  "TextDecoder", "TextDecoderStream", "TextEncoder", "TextEncoderStream", "TransformStream", "URL", "URLSearchParams", "WebSocket",
  "WritableStream", "atob", "btoa", "clearImmediate", "clearInterval", "clearTimeout", "fetch", "queueMicrotask", "setImmediate",
  "setInterval", "setTimeout", "structuredClone",
]);

/** Reads `Object.defineProperty` and the like from `globalThis`. */
export function globalsNamespace(): Record<string, unknown> {
  const read = (path: string): unknown =>
    path.split(".").reduce<unknown>((owner, key) => (owner as Record<string, unknown> | undefined)?.[key], globalThis);
  return new Proxy(Object.create(null) as Record<string, unknown>, {
    get: (_target, name) => (typeof name === "string" ? read(name) : undefined),
    has: (_target, name) => typeof name === "string" && read(name) !== undefined,
    getOwnPropertyDescriptor: (_target, name) =>
      typeof name === "string" ? { value: read(name), configurable: true, enumerable: true, writable: true } : undefined,
  });
}
