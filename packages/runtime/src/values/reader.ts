import type { Decoder } from "./decode.ts";
import { asFastBuffer, type FastBuffer } from "./fast-buffer.ts";
import { SHORT_STRING, SHORT_STRING_MAX, TAG_LATIN1, TAG_UTF16, TAG_UTF8 } from "./tags.ts";

/** Strings up to this long are put together in JavaScript; beyond, a call into Node is cheaper. */
const HAND_BUILT_MAX = 8;

/** Bytes up to this many are copied by a loop. */
const HAND_COPIED_MAX = 64;

const none: readonly Uint8Array[] = [];

/** Bytes that values are read from, one after the other. Every read is checked against `end`. */
export class ValueReader {
  buffer: FastBuffer;
  /** The next byte to read. */
  position: number;
  end: number;
  /** Raw data, taken in order by the values that name it. */
  parts: readonly Uint8Array[];
  /** How many of `parts` were taken. */
  partsTaken = 0;
  /** `buffer` seen as numbers. */
  view: DataView;
  /** The decoder's working state, kept from value to value. */
  decoder: Decoder | undefined = undefined;

  constructor(buffer: Uint8Array, position = 0, end = buffer.length, parts: readonly Uint8Array[] = none) {
    this.buffer = asFastBuffer(buffer);
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.position = position;
    this.end = end;
    this.parts = parts;
    this.checkBounds();
  }

  /** Reads from other bytes from now on. */
  reset(buffer: Uint8Array, position = 0, end = buffer.length, parts: readonly Uint8Array[] = none): void {
    if (buffer !== this.buffer) {
      this.buffer = asFastBuffer(buffer);
      this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }
    this.position = position;
    this.end = end;
    this.parts = parts;
    this.partsTaken = 0;
    this.checkBounds();
  }

  private checkBounds(): void {
    if (!(this.position >= 0 && this.position <= this.end && this.end <= this.buffer.length)) {
      throw new RangeError(
        `a value cannot be read from bytes ${this.position} to ${this.end} of a buffer of ${this.buffer.length} bytes`,
      );
    }
  }

  /** @returns never: throws the error for bytes that no encoder wrote. */
  malformed(what: string): never {
    throw new Error(`malformed value at byte ${this.position}: ${what}`);
  }

  /** Throws unless `bytes` more bytes are there. */
  need(bytes: number): void {
    if (bytes > this.end - this.position)
      this.malformed(`${bytes} bytes expected, ${this.end - this.position} are left`);
  }

  byte(): number {
    if (this.position >= this.end) this.malformed("it ends too early");
    return this.buffer[this.position++];
  }

  /** An unsigned integer as `ValueWriter.count` writes it. */
  count(): number {
    const first = this.byte();
    if (first < 128) return first;
    let value = first - 128;
    for (let scale = 128; scale < 2 ** 53; scale *= 128) {
      const next = this.byte();
      value += (next & 127) * scale;
      if (next < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    return this.malformed("a count beyond 2^53");
  }

  /** A count of things that take at least one byte each in the input, so that nothing is allocated that the input does not justify. */
  countOfThings(): number {
    const count = this.count();
    if (count > this.end - this.position)
      this.malformed(`${count} entries in ${this.end - this.position} bytes`);
    return count;
  }

  float64(): number {
    this.need(8);
    const value = this.view.getFloat64(this.position, true);
    this.position += 8;
    return value;
  }

  /** A copy-free view of the next bytes. */
  raw(bytes: number): Buffer {
    this.need(bytes);
    const start = this.position;
    this.position = start + bytes;
    return this.buffer.subarray(start, start + bytes);
  }

  /** Fills `target` with the next bytes. */
  copyTo(target: Uint8Array): void {
    const length = target.length;
    this.need(length);
    const start = this.position;
    this.position = start + length;
    if (length > HAND_COPIED_MAX) this.buffer.copy(target, 0, start, start + length);
    else for (let i = 0; i < length; i++) target[i] = this.buffer[start + i];
  }

  /** A string with its tag. */
  string(): string {
    const tag = this.byte();
    const length = tag - SHORT_STRING;
    if (length >= 0 && length <= SHORT_STRING_MAX) return this.shortString(length);
    return this.longString(tag);
  }

  /** A Latin-1 string of `length` bytes. */
  shortString(length: number): string {
    const start = this.position;
    const end = start + length;
    if (end > this.end) this.malformed("a string goes beyond the end");
    this.position = end;
    if (length > HAND_BUILT_MAX) return this.buffer.latin1Slice(start, end);
    return handBuilt(this.buffer, start, length);
  }

  longString(tag: number): string {
    if (tag === TAG_LATIN1) {
      const bytes = this.count();
      this.need(bytes);
      const start = this.position;
      this.position = start + bytes;
      return this.buffer.latin1Slice(start, start + bytes);
    }
    if (tag === TAG_UTF8) {
      const bytes = this.count();
      this.need(bytes);
      const start = this.position;
      this.position = start + bytes;
      return this.buffer.utf8Slice(start, start + bytes);
    }
    if (tag === TAG_UTF16) {
      const units = this.count();
      this.need(2 * units);
      const start = this.position;
      this.position = start + 2 * units;
      return this.buffer.ucs2Slice(start, start + 2 * units);
    }
    return this.malformed(`a string expected, not tag ${tag}`);
  }
}

const of = String.fromCharCode;

/** One call with all the characters: for the shortest strings faster than a call into Node. */
function handBuilt(b: FastBuffer, at: number, length: number): string {
  switch (length) {
    case 0:
      return "";
    case 1:
      return of(b[at]);
    case 2:
      return of(b[at], b[at + 1]);
    case 3:
      return of(b[at], b[at + 1], b[at + 2]);
    case 4:
      return of(b[at], b[at + 1], b[at + 2], b[at + 3]);
    case 5:
      return of(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4]);
    case 6:
      return of(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5]);
    case 7:
      return of(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6]);
    default:
      return of(b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7]);
  }
}
