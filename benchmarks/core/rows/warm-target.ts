// A copy into fresh pages takes ten times as long as one into warm ones. The target outlives the task that
// made it: one a worker process.
let target: BigInt64Array | undefined;

/** An array whose pages are all in memory; the same one each time it is asked for in a process. */
export function warmTarget(length: number): BigInt64Array {
  if (target?.length !== length) target = new BigInt64Array(length).fill(1n);
  return target;
}
