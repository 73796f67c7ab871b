/**
 * How much memory small values may take in their owner: past the limit, values that are worth a block go to the store.
 * Refs are collected by the garbage collector, which tells nobody: so bytes are counted as they come, and what is really
 * in use is looked up once in a while.
 */
import { limits } from "@iono/core";

const limitBytes = limits.ownerMemory.value;
const lookEveryBytes = 32 * 1024 * 1024;
/** Smaller values stay inline: a block of the store is a page at least. */
export const worthABlockBytes = 4096;

export class InlineBudget {
  #sinceLook = 0;
  #exceeded = false;

  /** Whether a value of `bytes` should go to the store instead; 0 only asks. */
  exceededBy(bytes: number): boolean {
    this.#sinceLook += bytes;
    if (this.#sinceLook > lookEveryBytes) {
      this.#sinceLook = 0;
      this.#exceeded = process.memoryUsage().arrayBuffers > limitBytes;
    }
    return this.#exceeded && (bytes === 0 || bytes >= worthABlockBytes);
  }
}
