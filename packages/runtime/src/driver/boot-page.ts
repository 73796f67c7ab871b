/**
 * A page of shared memory by which the agent tells its driver where the store is: a driver that puts a large value in
 * its first tick needs it before it can return to its event loop.
 *
 *   word 0  1 when the rest is there;  word 1  the agent's pid;  word 2  length of the path;  then the path
 */
import type { Platform } from "../platform/index.ts";

export const bootPageBytes = 4096;
const headerBytes = 12;
const startMs = 15_000;

export function writeBootPage(memory: ArrayBuffer, agentPid: number, path: string): void {
  const words = new Int32Array(memory, 0, 3);
  const bytes = Buffer.from(path);
  Buffer.from(memory, headerBytes).set(bytes);
  words[1] = agentPid;
  words[2] = bytes.length;
  Atomics.store(words, 0, 1);
}

/** Waits, blocking, for the agent; null when it does not come. */
export function readBootPage(
  memory: ArrayBuffer,
  platform: Platform,
): { path: string; agentPid: number } | null {
  const words = new Int32Array(memory, 0, 3);
  const began = performance.now();
  while (Atomics.load(words, 0) !== 1) {
    if (performance.now() - began > startMs) return null;
    platform.sleepBlocking(1);
  }
  return { path: Buffer.from(memory, headerBytes, words[2]).toString(), agentPid: words[1] };
}
