import type { Encoder } from "./encode.ts";
import { allocate, type FastBuffer } from "./fast-buffer.ts";
import type { Encoded } from "./seam.ts";
import {
  SHORT_STRING,
  SHORT_STRING_MAX,
  TAG_FLOAT64,
  TAG_INT32,
  TAG_LATIN1,
  TAG_UTF16,
  TAG_UTF8,
  SMALL_INT,
  SMALL_INT_MAX,
} from "./tags.ts";

/** Free bytes that `reserve` always leaves beyond what was asked, so that a tag and a number need no check of their own. */
const SLACK = 32;

/**
 * A growing byte buffer that values are appended to. One writer serves many messages: `reset()` or `take()` between them.
 *
 * The owner may write bytes of its own between values (after `reserve`), moving `position`.
 */
export class ValueWriter {
  buffer: FastBuffer;
  /** Bytes written so far. */
  position = 0;
  /** Raw data kept out of the bytes, in the order the values name it. Views, not copies: copy them before user code runs. */
  parts: Uint8Array[] = [];
  /** URLs of the modules that the values written so far import, each once. */
  modules: string[] = [];
  /** `buffer` seen as numbers. */
  view: DataView;
  /** Up to here a tag and a number fit without a check. */
  softEnd: number;
  /** The encoder's working state, kept from value to value. */
  encoder: Encoder | undefined = undefined;

  constructor(initialBytes = 8192) {
    this.buffer = allocate(Math.max(initialBytes, 2 * SLACK));
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length);
    this.softEnd = this.buffer.length - SLACK;
  }

  /** Makes room for `bytes` more bytes, and a tag and a number besides. */
  reserve(bytes: number): void {
    const wanted = this.position + bytes;
    if (wanted <= this.softEnd) return;
    const grown = allocate(Math.max(this.buffer.length * 2, wanted + 2 * SLACK));
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
    this.view = new DataView(grown.buffer, grown.byteOffset, grown.length);
    this.softEnd = grown.length - SLACK;
  }

  /** Forgets everything written. */
  /** Writes into `buffer` from now on, from `position`. */
  useBuffer(buffer: FastBuffer, position = 0): void {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.softEnd = buffer.length - SLACK;
    this.position = position;
  }

  reset(): void {
    this.position = 0;
    if (this.parts.length > 0) this.parts = [];
    if (this.modules.length > 0) this.modules = [];
  }

  /** Everything written, copied out; the writer is empty afterwards. */
  take(): Encoded {
    const bytes = new Uint8Array(this.position);
    bytes.set(this.buffer.subarray(0, this.position));
    const encoded: Encoded = { bytes, parts: this.parts };
    this.reset();
    return encoded;
  }

  byte(value: number): void {
    if (this.position > this.softEnd) this.reserve(0);
    this.buffer[this.position++] = value;
  }

  /** An unsigned integer up to 2⁵³ − 1, seven bits a byte. */
  count(value: number): void {
    if (this.position > this.softEnd) this.reserve(0);
    let rest = value;
    while (rest > 127) {
      this.buffer[this.position++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.position++] = rest;
  }

  /** A float64 without a tag. */
  float64(value: number): void {
    if (this.position > this.softEnd) this.reserve(0);
    this.view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** A number with its tag. */
  number(value: number): void {
    if (this.position > this.softEnd) this.reserve(0);
    const position = this.position;
    const integer = value | 0;
    if (integer === value && (integer !== 0 || 1 / value > 0)) {
      if (integer >= 0 && integer <= SMALL_INT_MAX) {
        this.buffer[position] = SMALL_INT + integer;
        this.position = position + 1;
        return;
      }
      this.buffer[position] = TAG_INT32;
      this.view.setInt32(position + 1, integer, true);
      this.position = position + 5;
      return;
    }
    this.buffer[position] = TAG_FLOAT64;
    this.view.setFloat64(position + 1, value, true);
    this.position = position + 9;
  }

  /** A string with its tag, exact also for lone surrogates. */
  string(value: string): void {
    const length = value.length;
    if (length > SHORT_STRING_MAX) return this.longString(value);
    if (this.position + length > this.softEnd) this.reserve(length);
    const buffer = this.buffer;
    let at = this.position;
    buffer[at++] = SHORT_STRING + length;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 255) return this.longString(value);
      buffer[at++] = unit;
    }
    this.position = at;
  }

  private longString(value: string): void {
    const length = value.length;
    const utf8Bytes = Buffer.byteLength(value, "utf8");
    if (utf8Bytes === length) {
      this.byte(TAG_LATIN1);
      this.count(length);
      this.reserve(length);
      this.position += this.buffer.latin1Write(value, this.position, length);
    } else if (utf8Bytes < 2 * length && value.isWellFormed()) {
      this.byte(TAG_UTF8);
      this.count(utf8Bytes);
      this.reserve(utf8Bytes);
      this.position += this.buffer.utf8Write(value, this.position, utf8Bytes);
    } else {
      this.byte(TAG_UTF16);
      this.count(length);
      this.reserve(2 * length);
      this.position += this.buffer.ucs2Write(value, this.position, 2 * length);
    }
  }
}
