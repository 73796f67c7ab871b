import { types } from "node:util";
import { kindOf, primitiveOf, viewKind } from "./kinds.ts";

/** Which object became which, both ways. */
class Pairs {
  private readonly forward = new Map<object, object>();
  private readonly back = new Map<object, object>();

  /** @returns whether the pair was seen before, or how it contradicts what was seen. */
  add(a: object, b: object): "new" | "known" | "one object became two" | "two objects became one" {
    const became = this.forward.get(a);
    if (became !== undefined) return became === b ? "known" : "one object became two";
    if (this.back.has(b)) return "two objects became one";
    this.forward.set(a, b);
    this.back.set(b, a);
    return "new";
  }
}

/**
 * For tests: the first difference between a value and what became of it, in words; undefined when there is none.
 * Sees what `deepEqual` functions let pass: −0, holes, key order, attributes, prototypes, and
 * which objects are one and the same. Functions are compared by identity alone. Recursive, so not for deep values.
 */
export function difference(a: unknown, b: unknown, at = "value", pairs = new Pairs()): string | undefined {
  if (!isObject(a) || !isObject(b))
    return Object.is(a, b) ? undefined : `${at}: ${describe(a)} became ${describe(b)}`;
  const known = pairs.add(a, b);
  if (known === "known") return undefined;
  if (known !== "new") return `${at}: ${known}`;
  if (typeof a === "function" || typeof b === "function")
    return typeof a === typeof b ? undefined : `${at}: ${describe(a)} became ${describe(b)}`;
  // Built-in objects are the same on both sides.
  if (a === b) return undefined;
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return `${at}: ${kind} became ${kindOf(b)}`;
  if (Object.isExtensible(a) !== Object.isExtensible(b)) return `${at}: extensibility changed`;
  return (
    difference(Object.getPrototypeOf(a), Object.getPrototypeOf(b), `${at} → (prototype)`, pairs) ??
    differenceInside(a, b, at, pairs) ??
    differenceOfProperties(a, b, at, pairs)
  );
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function describe(value: unknown): string {
  return Object.is(value, -0)
    ? "-0"
    : typeof value === "object" && value !== null
      ? "an object"
      : String(value);
}

function differenceOfProperties(a: object, b: object, at: string, pairs: Pairs): string | undefined {
  const isError = types.isNativeError(a);
  const keys = Reflect.ownKeys(a);
  const found = Reflect.ownKeys(b);
  if (keys.length !== found.length || keys.some((key, i) => key !== found[i])) {
    return `${at}: keys ${keys.map(String).join()} became ${found.map(String).join()}`;
  }
  if (ArrayBuffer.isView(a)) return undefined;
  for (const key of keys) {
    if (key === "stack" && isError) continue;
    const place = `${at} → ${String(key)}`;
    const p = Object.getOwnPropertyDescriptor(a, key);
    const q = Object.getOwnPropertyDescriptor(b, key);
    if (p?.writable !== q?.writable || p?.enumerable !== q?.enumerable || p?.configurable !== q?.configurable)
      return `${place}: attributes changed`;
    const inner = difference(p?.value, q?.value, place, pairs);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** What lies in internal slots. */
function differenceInside(a: object, b: object, at: string, pairs: Pairs): string | undefined {
  if (types.isMap(a) && types.isMap(b))
    return differenceOfLists([...a].flat(), [...b].flat(), `${at} → entry`, pairs);
  if (types.isSet(a) && types.isSet(b)) return differenceOfLists([...a], [...b], `${at} → member`, pairs);
  if (types.isDate(a) && types.isDate(b)) return difference(a.getTime(), b.getTime(), at);
  if (types.isRegExp(a) || kindOf(a) === "URL" || kindOf(a) === "URLSearchParams")
    return difference(String(a), String(b), at);
  if (types.isNativeError(a) && types.isNativeError(b))
    return differenceOfLists([a.stack, a.name], [b.stack, b.name], at, pairs);
  if (types.isBoxedPrimitive(a)) return difference(primitiveOf(a), primitiveOf(b), at);
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    if (viewKind(a) !== viewKind(b)) return `${at}: another kind of view`;
    if (!bytesOf(a).equals(bytesOf(b))) return `${at}: other bytes`;
    const known = pairs.add(a.buffer, b.buffer);
    return known === "new" || known === "known" ? undefined : `${at}: ${known}`;
  }
  if (types.isArrayBuffer(a) && types.isArrayBuffer(b))
    return Buffer.from(a).equals(Buffer.from(b)) ? undefined : `${at}: other bytes`;
  return undefined;
}

function differenceOfLists(
  a: readonly unknown[],
  b: readonly unknown[],
  at: string,
  pairs: Pairs,
): string | undefined {
  if (a.length !== b.length) return `${at}: ${a.length} became ${b.length}`;
  for (let i = 0; i < a.length; i++) {
    const inner = difference(a[i], b[i], `${at} ${i}`, pairs);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
}
