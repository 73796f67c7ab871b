import { inspect } from "node:util";

/** Up to this length listing all keys of an array is cheaper than asking `inspect`. */
const LIST_KEYS_MAX = 24;

// The default options of `inspect` can be changed by the program, so all that matter are given.
const onlyExtraKeys = {
  maxArrayLength: 0,
  maxStringLength: 0,
  depth: 0,
  showHidden: true,
  customInspect: false,
  showProxy: false,
  colors: false,
  compact: 3,
  breakLength: Infinity,
  sorted: false,
  getters: false,
  numericSeparator: false,
} as const;

/**
 * True when an array has its elements and `length` and no property besides.
 *
 * Listing the keys of a long array costs more than encoding it. `inspect` alone can list the keys
 * that are no index without the indices; any answer other than the expected one means "look again".
 */
export function hasOnlyElements(array: readonly unknown[]): boolean {
  const length = array.length;
  if (length > LIST_KEYS_MAX) {
    const text = inspect(array, onlyExtraKeys);
    if (text === `[ ... ${length} more items, [length]: ${length} ]`) return true;
  }
  // Indices come first, then strings from `length` on, which every array has from its birth, then symbols.
  const keys = Reflect.ownKeys(array);
  return keys[keys.length - 1] === "length";
}

/** Keys of an array that are neither an index nor `length`: strings in order of creation, then symbols. */
export function extraKeys(array: readonly unknown[]): (string | symbol)[] {
  const keys = Reflect.ownKeys(array);
  return keys.slice(keys.indexOf("length") + 1);
}

// `inspect` shows the internals of a typed array when asked for hidden keys; enumerable ones suffice here.
const onlyEnumerableExtraKeys = { ...onlyExtraKeys, showHidden: false } as const;

/**
 * Enumerable keys of a typed array or Buffer that are no index, and symbols.
 * A hidden (non-enumerable) string key on one longer than 24 elements goes unseen: finding it would cost more than sending the data.
 */
export function extraKeysOfTypedArray(view: ArrayLike<unknown> & object): (string | symbol)[] {
  const length = view.length;
  if (length > LIST_KEYS_MAX) {
    const symbols = Object.getOwnPropertySymbols(view);
    if (
      symbols.length === 0 &&
      inspect(view, onlyEnumerableExtraKeys).endsWith(`[ ... ${length} more items ]`)
    )
      return symbols;
  }
  return Reflect.ownKeys(view).slice(length);
}
