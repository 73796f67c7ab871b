/** What every realm has from its birth, by name: `Math.floor`, `TypeError.prototype`, `Array`. */
export interface Intrinsics {
  readonly names: ReadonlyMap<object, string>;
  readonly values: ReadonlyMap<string, object>;
}

const roots = [
  "Object Function Array String Number Boolean Symbol BigInt Math JSON Reflect Atomics Intl Date RegExp Map Set WeakMap WeakSet WeakRef",
  "Promise Proxy Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError Iterator",
  "ArrayBuffer SharedArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array",
  "Float16Array Float32Array Float64Array BigInt64Array BigUint64Array FinalizationRegistry",
  "parseInt parseFloat isNaN isFinite encodeURI encodeURIComponent decodeURI decodeURIComponent escape unescape eval",
]
  .join(" ")
  .split(" ");

const LEVELS = 3;

/** Walks the standard globals. About a millisecond; whoever needs the result keeps it. */
export function collectIntrinsics(): Intrinsics {
  const names = new Map<object, string>();
  const values = new Map<string, object>();
  const visit = (name: string, value: unknown, level: number): void => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    if (names.has(value)) return;
    // What the program itself put in place of a built-in travels as the program's own code.
    if (typeof value === "function" && !isNativeFunction(value)) return;
    names.set(value, name);
    values.set(name, value);
    if (level === LEVELS) return;
    for (const key of Reflect.ownKeys(value)) {
      const property = Object.getOwnPropertyDescriptor(value, key);
      if (property !== undefined && "value" in property)
        visit(`${name}.${String(key)}`, property.value, level + 1);
    }
  };
  visit("TypedArray", Object.getPrototypeOf(Uint8Array), 0);
  visit(
    "GeneratorFunction.prototype",
    Object.getPrototypeOf(function* () {}),
    0,
  );
  visit(
    "AsyncFunction.prototype",
    Object.getPrototypeOf(async () => {}),
    0,
  );
  visit(
    "AsyncGeneratorFunction.prototype",
    Object.getPrototypeOf(async function* () {}),
    0,
  );
  for (const root of roots) visit(root, Object.getOwnPropertyDescriptor(globalThis, root)?.value, 0);
  visit("globalThis", globalThis, LEVELS);
  return { names, values };
}

const toText = Function.prototype.toString;

/** True for functions without source text: built-in ones and bound ones. */
export function isNativeFunction(fn: Function): boolean {
  return toText.call(fn).endsWith("{ [native code] }");
}
