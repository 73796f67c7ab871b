/** What the whole cluster of this program holds. */
import { setTimeout as sleep } from "node:timers/promises";
import { collected } from "../core/collected.ts";
import { handles, processTree, pssBytes, sharedMemoryBytes } from "../outside/process-tree.ts";
import { storeUsage } from "./store-usage.ts";

/** Sums over all processes. */
export interface Footprint {
  storeBytes: number;
  spilledBytes: number;
  /** Without shared memory. */
  memoryBytes: number;
  /** Pages of the store that are there, used or kept warm for the next object. */
  storePagesBytes: number;
  descriptors: number;
  mappings: number;
  processes: number;
}

/** How far each may be above the start at the end. */
export const allowance: Footprint = {
  storeBytes: 0,
  spilledBytes: 0,
  memoryBytes: 64 * 2 ** 20, // V8 does not give back every page it has used
  storePagesBytes: 256 * 2 ** 20, // what is free stays warm up to a limit: it depends on what was freed last
  descriptors: 8, // a socket or two that is being closed
  mappings: 200, // V8 maps and unmaps pages of its heaps as it likes
  processes: 0,
};

/** Measures now. */
export async function footprint(): Promise<Footprint> {
  const { usedBytes, spilledBytes } = await storeUsage();
  const pids = processTree(process.pid);
  const all = pids.map(handles);
  const sharedBytes = pids.reduce((sum, pid) => sum + sharedMemoryBytes(pid), 0);
  return {
    storeBytes: usedBytes,
    spilledBytes,
    memoryBytes: pids.reduce((sum, pid) => sum + pssBytes(pid), 0) - sharedBytes,
    storePagesBytes: sharedBytes,
    descriptors: all.reduce((sum, { descriptors }) => sum + descriptors, 0),
    mappings: all.reduce((sum, { mappings }) => sum + mappings, 0),
    processes: pids.length,
  };
}

const stillTurns = 5;

/**
 * The footprint once nothing is left to do: collects garbage in the driver and, through `collectWorkers`,
 * elsewhere, until neither the store nor the memory shrinks any more.
 */
export async function restingFootprint(collectWorkers: () => Promise<void>): Promise<Footprint> {
  let last = await footprint();
  for (let still = 0, turn = 0; still < stillTurns && turn < 90; turn++) {
    await collected();
    // V8 keeps the pages of a heap that was larger once: the last resort gives them back.
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    await collectWorkers();
    await sleep(1_000);
    const now = await footprint();
    const shrinks =
      now.storeBytes < last.storeBytes ||
      now.processes < last.processes ||
      now.memoryBytes < last.memoryBytes - 1_000_000;
    still = shrinks ? 0 : still + 1;
    last = now;
  }
  return last;
}

/** One line of it. */
export function describe({
  storeBytes,
  spilledBytes,
  memoryBytes,
  storePagesBytes,
  ...counts
}: Footprint): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  return [
    `store ${megabytes(storeBytes)}`,
    `spilled ${megabytes(spilledBytes)}`,
    `memory ${megabytes(memoryBytes)}`,
    `store pages ${megabytes(storePagesBytes)}`,
    ...Object.entries(counts).map(([name, count]) => `${name} ${count}`),
  ].join(", ");
}

/** The parts that are above the start by more than is allowed. */
export function leaks(start: Footprint, end: Footprint): string[] {
  const parts = Object.keys(allowance) as (keyof Footprint)[];
  return parts
    .filter((part) => end[part] > start[part] + allowance[part])
    .map((part) => `${part}: ${start[part]} at the start, ${end[part]} at the end`);
}
