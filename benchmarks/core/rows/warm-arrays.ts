/** Arrays whose pages are all in memory and hold something. They outlive the task that asks for them. */

// Reading or writing fresh pages takes ten times as long as warm ones: one pair of arrays a process.
const kept = new Map<string, BigInt64Array>();

/** What is put or copied. Not zeros: pages never written are all one page of zeros, which is read too fast. */
export function warmSource(length: number): BigInt64Array {
  return warm("source", length);
}

/** Where a plain copy goes. */
export function warmTarget(length: number): BigInt64Array {
  return warm("target", length);
}

function warm(use: string, length: number): BigInt64Array {
  const found = kept.get(use);
  if (found?.length === length) return found;
  const made = new BigInt64Array(length).fill(1n);
  kept.set(use, made);
  return made;
}
