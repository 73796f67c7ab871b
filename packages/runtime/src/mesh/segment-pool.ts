/**
 * Memory of large segments, used again: fresh pages cost more than the copying into them, and buffers outside the heap
 * make the collector run. A segment comes back when it was sent once only and has been acknowledged: nobody reads it then.
 */

/** Smaller buffers are not worth the trouble. */
const leastBytes = 128 * 1024;
/** What is kept at most, of all sizes together. */
const mostFreeBytes = 32 * 1024 * 1024;
/** What nobody asked for in this time is given up. */
const keptMs = 2000;
const sizeStepBytes = 256 * 1024;

export class SegmentPool {
  /** By size, in steps. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;
  #wasUsed = false;
  #timer: NodeJS.Timeout | undefined;

  take(bytes: number): Buffer {
    if (bytes < leastBytes) return Buffer.allocUnsafe(bytes);
    const size = sizeOf(bytes);
    const known = this.#free.get(size)?.pop();
    this.#wasUsed = true;
    if (known === undefined) return Buffer.allocUnsafeSlow(size).subarray(0, bytes);
    this.#freeBytes -= size;
    return known.length === bytes ? known : Buffer.from(known.buffer, 0, bytes);
  }

  give(buffer: Buffer): void {
    const size = buffer.buffer.byteLength;
    if (buffer.length < leastBytes || size !== sizeOf(buffer.length) || buffer.byteOffset !== 0) return;
    if (this.#freeBytes + size > mostFreeBytes) return;
    const known = this.#free.get(size);
    if (known === undefined) this.#free.set(size, [buffer]);
    else known.push(buffer);
    this.#freeBytes += size;
    this.#timer ??= setInterval(() => this.#age(), keptMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#free.clear();
    this.#freeBytes = 0;
  }

  #age(): void {
    if (!this.#wasUsed) this.close();
    this.#wasUsed = false;
  }
}

function sizeOf(bytes: number): number {
  return Math.ceil(bytes / sizeStepBytes) * sizeStepBytes;
}
