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
  View: (value) => viewConstructors[viewKind(value)]?.prototype ?? null,
};

/** The primitive inside a boxed one. */
export function primitiveOf(value: object): number | string | boolean | bigint | symbol {
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value as unknown as bigint);
  return Symbol.prototype.valueOf.call(value as unknown as symbol);
}

/** Which built-in a view is made with. Append only: the position is on the wire. */
export const viewKinds = [
  "Buffer",
  "Uint8Array",
  "Int8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "DataView",
  "Float16Array",
] as const;

/** A typed array's constructor, or one that is used like it. */
export interface ViewConstructor {
  readonly BYTES_PER_ELEMENT?: number;
  readonly prototype: object;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): object;
}

/** By number; undefined for one that this version of Node does not have. */
export const viewConstructors: readonly (ViewConstructor | undefined)[] = viewKinds.map(
  (name) => (globalThis as unknown as Record<string, ViewConstructor | undefined>)[name],
);

const numberByPrototype = new Map(
  viewConstructors.map((constructor, number) => [constructor?.prototype, number]),
);
const typedArrayTag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

/** Which of `viewKinds` a view is by its internal slots, also when it is an instance of a subclass; −1 for none. */
export function viewKind(view: object): number {
  const name = types.isDataView(view) ? "DataView" : String(typedArrayTag?.call(view));
  const likely = numberByPrototype.get(Object.getPrototypeOf(view) as object);
  if (likely !== undefined && (viewKinds[likely] === name || (likely === 0 && name === "Uint8Array")))
    return likely;
  return name === "Uint8Array" && Buffer.isBuffer(view) ? 0 : (viewKinds as readonly string[]).indexOf(name);
}
