import { readFileSync } from "node:fs";

/**
 * Bytes of the object store that this process has mapped, read, and not copied: of each mapping of shared
 * memory of at least `leastBytes`, the resident pages less the copied ones (those the kernel calls
 * anonymous: a private page is made when a process writes). `undefined` where `/proc` does not tell.
 */
export function readInPlace(leastBytes: number): number | undefined {
  try {
    return ofProcess(readFileSync("/proc/self/smaps", "utf8"), leastBytes);
  } catch {
    return undefined; // not Linux
  }
}

/** The same for the text of one `/proc/<pid>/smaps`. */
export function ofProcess(smaps: string, leastBytes: number): number {
  const mappings = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return mappings
    .filter((mapping) => /^.*(memfd:|\/dev\/shm\/)/.test(mapping) && field(mapping, "Size") >= leastBytes)
    .reduce((sum, mapping) => sum + field(mapping, "Rss") - field(mapping, "Anonymous"), 0);
}

function field(mapping: string, name: string): number {
  const kilobytes = new RegExp(`^${name}: +(\\d+) kB`, "m").exec(mapping)?.[1] ?? "0";
  return 1024 * Number(kilobytes);
}
