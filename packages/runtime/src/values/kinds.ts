import { types } from "node:util";

/** Kinds of objects that have more than prototype and properties. */
export type BuiltinKind =
  | "Array"
  | "ArrayBuffer"
  | "Boxed"
  | "DOMException"
  | "Date"
  | "Error"
  | "Map"
  | "RegExp"
  | "Set"
  | "URL"
  | "URLSearchParams"
  | "View";

const byPrototype = new Map<object | null, BuiltinKind>([
  [Date.prototype, "Date"],
  [Map.prototype, "Map"],
  [Set.prototype, "Set"],
  [RegExp.prototype, "RegExp"],
  [Error.prototype, "Error"],
  [TypeError.prototype, "Error"],
  [RangeError.prototype, "Error"],
  [Uint8Array.prototype, "View"],
  [Buffer.prototype, "View"],
  [Float32Array.prototype, "View"],
  [Float64Array.prototype, "View"],
  [Int32Array.prototype, "View"],
]);

const hrefOf = Object.getOwnPropertyDescriptor(URL.prototype, "href")?.get;
const sizeOf = Object.getOwnPropertyDescriptor(URLSearchParams.prototype, "size")?.get;
const codeOf = Object.getOwnPropertyDescriptor(DOMException.prototype, "code")?.get;

function answers(getter: (() => unknown) | undefined, value: object): boolean {
  try {
    getter?.call(value);
    return getter !== undefined;
  } catch {
    return false;
  }
}

const brands: Readonly<Record<BuiltinKind, (value: object) => boolean>> = {
  Date: types.isDate,
  Map: types.isMap,
  Set: types.isSet,
  RegExp: types.isRegExp,
  View: ArrayBuffer.isView,
  ArrayBuffer: types.isAnyArrayBuffer,
  Array: Array.isArray,
  // In Node a DOMException is a native error with a brand of its own besides.
  DOMException: (value) => value instanceof DOMException && answers(codeOf, value),
  Error: types.isNativeError,
  Boxed: types.isBoxedPrimitive,
  URL: (value) => value instanceof URL && answers(hrefOf, value),
  URLSearchParams: (value) => value instanceof URLSearchParams && answers(sizeOf, value),
};

const order = Object.keys(brands) as BuiltinKind[];

/** What an object is by its internal slots, whatever its prototype says; undefined for an ordinary object. */
export function kindOf(value: object): BuiltinKind | undefined {
  const likely = byPrototype.get(Object.getPrototypeOf(value) as object | null);
  if (likely !== undefined && brands[likely](value)) return likely;
  for (const kind of order) if (brands[kind](value)) return kind;
  return undefined;
}

const constant = (prototype: object) => (): object => prototype;

/** The prototype that an object of this kind has by itself. */
export const naturalPrototypes: Readonly<Record<BuiltinKind, (value: object) => object | null>> = {
  Array: constant(Array.prototype),
  ArrayBuffer: constant(ArrayBuffer.prototype),
  Boxed: (value) => Object.getPrototypeOf(Object(primitiveOf(value))) as object,
  DOMException: constant(DOMException.prototype),
  Date: constant(Date.prototype),
  Error: constant(Error.prototype),
  Map: constant(Map.prototype),
  RegExp: constant(RegExp.prototype),
  Set: constant(Set.prototype),
  URL: constant(URL.prototype),
  URLSearchParams: constant(URLSearchParams.prototype),
  View: (value) => viewPrototype(viewName(value)),
};

/** The primitive inside a boxed one. */
export function primitiveOf(value: object): number | string | boolean | bigint | symbol {
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value as unknown as bigint);
  return Symbol.prototype.valueOf.call(value as unknown as symbol);
}

const typedArrayTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

/** `Buffer`, `DataView`, or the name of the built-in typed array that a view is by its internal slots. */
export function viewName(view: object): string {
  if (Buffer.isBuffer(view)) return "Buffer";
  return types.isDataView(view) ? "DataView" : String(typedArrayTag?.call(view));
}

function viewPrototype(name: string): object | null {
  return ((globalThis as Record<string, unknown>)[name] as { prototype?: object } | undefined)?.prototype ?? null;
}
