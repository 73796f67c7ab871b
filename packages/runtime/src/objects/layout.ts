import type { Encoded } from "../values/seam.ts";

/**
 * An encoded value in a block of the store:
 *
 *   u32 magic, u32 part count, f64 length of the bytes, f64 length of each part; the bytes; each part at the next multiple of 64
 */

const magic = 0x4f424a31;
const alignment = 64;
/** More parts than any value has; a damaged header must not make us allocate. */
const maxParts = 1_048_576;

export interface BlockLayout {
  readonly sizeBytes: number;
  readonly header: Uint8Array;
  /** Where each part begins. */
  readonly partOffsets: readonly number[];
}

/** Where everything of a value goes. Writes nothing. */
export function layOut(encoded: Encoded): BlockLayout {
  const headerBytes = 16 + 8 * encoded.parts.length;
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, encoded.parts.length, true);
  view.setFloat64(8, encoded.bytes.byteLength, true);
  const partOffsets: number[] = [];
  let at = headerBytes + encoded.bytes.byteLength;
  encoded.parts.forEach((part, i) => {
    view.setFloat64(16 + 8 * i, part.byteLength, true);
    at = align(at);
    partOffsets.push(at);
    at += part.byteLength;
  });
  return { sizeBytes: at, header, partOffsets };
}

/** The value in `memory`, as views of it. Undefined when it is none. */
export function readLayout(memory: ArrayBuffer, sizeBytes: number): Encoded | undefined {
  if (sizeBytes < 16 || sizeBytes > memory.byteLength) return undefined;
  const view = new DataView(memory, 0, sizeBytes);
  if (view.getUint32(0, true) !== magic) return undefined;
  const count = view.getUint32(4, true);
  const headerBytes = 16 + 8 * count;
  if (count > maxParts || headerBytes > sizeBytes) return undefined;
  const bytesLength = view.getFloat64(8, true);
  if (!fits(headerBytes, bytesLength, sizeBytes)) return undefined;
  const parts: Uint8Array[] = [];
  let at = headerBytes + bytesLength;
  for (let i = 0; i < count; i++) {
    const length = view.getFloat64(16 + 8 * i, true);
    at = align(at);
    if (!fits(at, length, sizeBytes)) return undefined;
    parts.push(new Uint8Array(memory, at, length));
    at += length;
  }
  return { bytes: new Uint8Array(memory, headerBytes, bytesLength), parts };
}

function align(at: number): number {
  return Math.ceil(at / alignment) * alignment;
}

function fits(at: number, length: number, sizeBytes: number): boolean {
  return Number.isSafeInteger(length) && length >= 0 && at + length <= sizeBytes;
}
