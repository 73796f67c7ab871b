/** Where a stamp goes: both ends, and in between at a stride that is no multiple of a page. */
const STRIDE = 1_048_573;

/** Makes the array differ from what it was, in places all over it. */
export function stamp(array: BigInt64Array, value: number): void {
  for (let i = 0; i < array.length; i += STRIDE) array[i] = BigInt(value + i);
  array[array.length - 1] = BigInt(value);
}

/** @throws when the array is not the one stamped with this value */
export function checkStamp(array: BigInt64Array, value: number): void {
  for (let i = 0; i < array.length - 1; i += STRIDE) expectAt(array, i, value + i);
  expectAt(array, array.length - 1, value);
}

function expectAt(array: BigInt64Array, i: number, value: number): void {
  if (array[i] !== BigInt(value)) throw new Error(`element ${i} is ${array[i]}, but ${value} was put`);
}
