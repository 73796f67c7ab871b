import type { ValueReader } from "./reader.ts";

/** Names kept: a power of two. */
const SIZE = 512;
/** Names up to this many bytes are kept. */
export const CACHED_KEY_MAX = 32;

/** Property names: the same few come again and again, and each is made once. */
export class KeyCache {
  private readonly keys: (string | undefined)[] = new Array<string | undefined>(SIZE).fill(undefined);

  /** Reads a Latin-1 name of `length` bytes, at most `CACHED_KEY_MAX`. */
  read(reader: ValueReader, length: number): string {
    const buffer = reader.buffer;
    const start = reader.position;
    const end = start + length;
    if (end > reader.end) reader.malformed("a string goes beyond the end");
    let hash = length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + buffer[at]) | 0;
    const slot = (hash ^ (hash >>> 9)) & (SIZE - 1);
    const cached = this.keys[slot];
    if (cached !== undefined && cached.length === length) {
      let at = 0;
      while (at < length && cached.charCodeAt(at) === buffer[start + at]) at++;
      if (at === length) {
        reader.position = end;
        return cached;
      }
    }
    return (this.keys[slot] = reader.shortString(length));
  }
}
