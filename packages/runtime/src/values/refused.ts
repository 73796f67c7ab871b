import { types } from "node:util";

/** Built-in kinds by the names of their classes: what to call them, and where the class is found to be sure. */
const handles: Readonly<Record<string, readonly [words: string, module: string | undefined]>> = {
  AbortController: ["an AbortController", undefined],
  AbortSignal: ["an AbortSignal", undefined],
  AsyncLocalStorage: ["an AsyncLocalStorage", "node:async_hooks"],
  AsyncResource: ["an AsyncResource", "node:async_hooks"],
  Blob: ["a Blob (read it with arrayBuffer() first)", undefined],
  BroadcastChannel: ["a BroadcastChannel", undefined],
  ChildProcess: ["a child process", "node:child_process"],
  Crypto: ["a Crypto", undefined],
  CryptoKey: ["a CryptoKey", undefined],
  DatabaseSync: ["a database", "node:sqlite"],
  EventEmitter: ["an EventEmitter (its listeners belong to this process)", "node:events"],
  EventTarget: ["an EventTarget (its listeners belong to this process)", undefined],
  FSWatcher: ["a file watcher", "node:fs"],
  File: ["a File (read it with arrayBuffer() first)", undefined],
  FormData: ["a FormData", undefined],
  Headers: ["a Headers (spread its entries into an array)", undefined],
  Interface: ["a readline interface", "node:readline"],
  KeyObject: ["a KeyObject (export it first)", "node:crypto"],
  MessageChannel: ["a MessageChannel", undefined],
  MessagePort: ["a MessagePort", undefined],
  Performance: ["performance", undefined],
  PerformanceObserver: ["a PerformanceObserver", undefined],
  ReadableStream: ["a ReadableStream", undefined],
  Request: ["a Request", undefined],
  Response: ["a Response (read its body first)", undefined],
  Server: ["a server", "node:net"],
  Socket: ["a socket", "node:net"],
  Stream: ["a stream", "node:stream"],
  SubtleCrypto: ["a SubtleCrypto", undefined],
  TextDecoder: ["a TextDecoder", undefined],
  TextEncoder: ["a TextEncoder", undefined],
  TransformStream: ["a TransformStream", undefined],
  WebSocket: ["a WebSocket", undefined],
  Worker: ["a worker thread", "node:worker_threads"],
  WritableStream: ["a WritableStream", undefined],
};

/** Built-in classes that are not exported anywhere; their instances are known by name and by having no user code. */
const hidden: Readonly<Record<string, string>> = {
  FileHandle: "an open file (FileHandle)",
  Immediate: "a timer (setImmediate)",
  Timeout: "a timer",
  Hash: "a hash in progress",
  Hmac: "an HMAC in progress",
  Dir: "an open directory",
};

const branded: readonly (readonly [(value: unknown) => boolean, string])[] = [
  [types.isPromise, "a promise cannot travel; await it first"],
  [types.isWeakMap, "a WeakMap cannot travel: its keys cannot be listed"],
  [types.isWeakSet, "a WeakSet cannot travel: its members cannot be listed"],
  [(value) => value instanceof WeakRef, "a WeakRef cannot travel; pass the object it refers to"],
  [(value) => value instanceof FinalizationRegistry, "a FinalizationRegistry cannot travel"],
  [types.isGeneratorObject, "a generator in flight cannot travel; collect its values into an array"],
  [types.isMapIterator, "an iterator in flight cannot travel; collect its values into an array"],
  [types.isSetIterator, "an iterator in flight cannot travel; collect its values into an array"],
  [
    types.isModuleNamespaceObject,
    "a module namespace cannot travel as a value; import the module where it is used",
  ],
  [types.isArgumentsObject, "an arguments object cannot travel; use a rest parameter"],
  [types.isExternal, "a native pointer cannot travel"],
  [
    isWebAssembly,
    "a WebAssembly object cannot travel; pass the module's bytes, or a copy of the memory's buffer",
  ],
  [isIterator, "an iterator in flight cannot travel; collect its values into an array"],
];

/** Why an object cannot travel for what it is by birth, in words; undefined when nothing speaks against it. */
export function refusedKind(value: object): string | undefined {
  for (const [is, reason] of branded) if (is(value)) return reason;
  if (value === process) return "process cannot travel: it belongs to this process";
  if (value === process.env) return "process.env cannot travel as it is; copy it: { ...process.env }";
  for (
    let at = Object.getPrototypeOf(value) as object | null;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(at, "constructor")?.value;
    if (typeof constructor !== "function") continue;
    const words = handleWords(constructor);
    if (words !== undefined) return `${words} cannot travel`;
  }
  return undefined;
}

function handleWords(constructor: Function): string | undefined {
  const name = constructor.name;
  if (Object.hasOwn(handles, name)) {
    const [words, module] = handles[name];
    const home: unknown = module === undefined ? globalThis : process.getBuiltinModule(module);
    // A class of the program's own may have such a name.
    return (home as Record<string, unknown> | undefined)?.[name] === constructor ? words : undefined;
  }
  if (Object.hasOwn(hidden, name) && looksInternal(constructor)) return hidden[name];
  return undefined;
}

/** Node's own code: it cannot be called by a file name of the program, so its text names Node's primordials. */
function looksInternal(constructor: Function): boolean {
  return /\bk[A-Z]\w+|\bprimordials\b|\binitAsyncResource\b|\[native code\]|\bthis\.#|\bObjectSetPrototypeOf\b/.test(
    Function.prototype.toString.call(constructor),
  );
}

function isWebAssembly(value: unknown): boolean {
  // Node's types do not declare it.
  const names = ["Module", "Instance", "Memory", "Table", "Global"] as const;
  const { WebAssembly } = globalThis as { WebAssembly?: Record<string, new () => object> };
  return WebAssembly !== undefined && names.some((name) => value instanceof WebAssembly[name]);
}

/** Built-in iterators have a prototype without a constructor of its own, below %IteratorPrototype%. */
function isIterator(value: unknown): boolean {
  if (!(value instanceof Iterator)) return false;
  const prototype = Object.getPrototypeOf(value) as object;
  return prototype !== Iterator.prototype && !Object.hasOwn(prototype, "constructor");
}
