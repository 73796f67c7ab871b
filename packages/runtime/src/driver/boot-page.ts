/**
 * A page of shared memory by which the agent tells its driver where the store is, and which node it has become: a driver
 * that puts a large value in its first tick needs it before it can return to its event loop.
 *
 *   word 0  1: the rest is there, 2: it failed;  word 1  the agent's pid;  word 2  length of the text;  word 3  node number;
 *   then the text: the path of the store, or code and message of the failure as JSON
 */
import { IonoError, type ErrorCode } from "@iono/core";
import type { Platform } from "../platform/index.ts";

export const bootPageBytes = 4096;
const headerBytes = 16;

export interface Booted {
  readonly path: string;
  readonly agentPid: number;
  readonly node: number;
}

export function writeBootPage(memory: ArrayBuffer, { agentPid, path, node }: Booted): void {
  write(memory, 1, agentPid, node, path);
}

export function writeBootFailure(memory: ArrayBuffer, { code, message }: IonoError): void {
  write(memory, 2, process.pid, 0, JSON.stringify({ code, message: message.slice(0, 2000) }));
}

function write(memory: ArrayBuffer, state: number, pid: number, node: number, text: string): void {
  const words = new Int32Array(memory, 0, 4);
  const bytes = Buffer.from(text).subarray(0, bootPageBytes - headerBytes);
  Buffer.from(memory, headerBytes).set(bytes);
  words[1] = pid;
  words[2] = bytes.length;
  words[3] = node;
  Atomics.store(words, 0, state);
}

/**
 * Waits, blocking, for the agent; null when it does not come within the time or `isGone` says that it has ended.
 * @throws IonoError when the agent says that it failed.
 */
export function readBootPage(
  memory: ArrayBuffer,
  platform: Platform,
  timeoutMs: number,
  isGone: () => boolean = () => false,
): Booted | null {
  const words = new Int32Array(memory, 0, 4);
  const began = performance.now();
  while (Atomics.load(words, 0) === 0) {
    if (performance.now() - began > timeoutMs || isGone()) return null;
    platform.sleepBlocking(1);
  }
  const text = Buffer.from(memory, headerBytes, words[2]).toString();
  if (words[0] === 1) return { path: text, agentPid: words[1], node: words[3] };
  const { code, message } = JSON.parse(text) as { code: ErrorCode; message: string };
  throw new IonoError(code, message);
}
