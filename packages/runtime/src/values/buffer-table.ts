import type { ValueWriter } from "./writer.ts";
import { PART_MIN_BYTES } from "./tags.ts";

/** How a raw buffer travels. */
export const BUFFER_EMBEDDED = 0;
export const BUFFER_PART = 1;
/** Added when the ArrayBuffer itself is part of the value, so that it must have its exact length. */
export const BUFFER_EXPOSED = 2;

interface Slot {
  readonly number: number;
  readonly buffer: ArrayBuffer;
  /** The range that views of this value need. */
  start: number;
  end: number;
  /** The largest element size among the views: what `start` must be a multiple of. */
  alignment: number;
  /** The ArrayBuffer itself is part of the value: all of it travels. */
  exposed: boolean;
}

/**
 * The ArrayBuffers of one value. Views name a buffer by number and their own place in it; which range
 * of the buffer travels is settled at the end: the union of what its views cover, or all of it when
 * the ArrayBuffer itself was met. So views that shared a buffer share it again, and ten bytes
 * out of Node's pool do not drag the pool along.
 */
export class BufferTable {
  private readonly slots = new Map<ArrayBuffer, Slot>();

  private slot(buffer: ArrayBuffer, start: number): Slot {
    let slot = this.slots.get(buffer);
    if (slot === undefined) {
      slot = { number: this.slots.size, buffer, start, end: start, alignment: 1, exposed: false };
      this.slots.set(buffer, slot);
    }
    return slot;
  }

  /** @returns the buffer's number. */
  addView(buffer: ArrayBuffer, byteOffset: number, byteLength: number, elementBytes: number): number {
    const slot = this.slot(buffer, byteOffset);
    slot.start = Math.min(slot.start, byteOffset);
    slot.end = Math.max(slot.end, byteOffset + byteLength);
    slot.alignment = Math.max(slot.alignment, elementBytes);
    return slot.number;
  }

  /** @returns the buffer's number. */
  addWhole(buffer: ArrayBuffer): number {
    const slot = this.slot(buffer, 0);
    slot.start = 0;
    slot.end = buffer.byteLength;
    slot.exposed = true;
    return slot.number;
  }

  /** Appends the table: large ranges go to the writer's parts as views, small ones are copied in. */
  write(writer: ValueWriter): void {
    writer.count(this.slots.size);
    for (const slot of this.slots.values()) {
      const start = slot.start - (slot.start % slot.alignment);
      const bytes = new Uint8Array(slot.buffer, start, slot.end - start);
      const part = bytes.length >= PART_MIN_BYTES;
      writer.byte((part ? BUFFER_PART : BUFFER_EMBEDDED) | (slot.exposed ? BUFFER_EXPOSED : 0));
      writer.count(start);
      writer.count(bytes.length);
      if (part) writer.parts.push(bytes);
      else writer.raw(bytes);
    }
  }
}
