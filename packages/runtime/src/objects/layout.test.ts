import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layOut, readLayout } from "./layout.ts";

const bytes = fc.uint8Array({ maxLength: 200 });

/** What the store's client does with a layout. */
function written(encoded: {
  readonly bytes: Uint8Array;
  readonly parts: readonly Uint8Array[];
}): ArrayBuffer {
  const layout = layOut(encoded);
  const memory = new Uint8Array(layout.sizeBytes).fill(0xee);
  memory.set(layout.header);
  memory.set(encoded.bytes, layout.header.byteLength);
  encoded.parts.forEach((part, i) => memory.set(part, layout.partOffsets[i]));
  return memory.buffer;
}

describe("the layout of a block", () => {
  it("brings every value back, its parts aligned to 64 bytes", () => {
    fc.assert(
      fc.property(bytes, fc.array(bytes, { maxLength: 8 }), (head, parts) => {
        const memory = written({ bytes: head, parts });
        const read = readLayout(memory, memory.byteLength);
        expect(read?.bytes).toEqual(head);
        expect(read?.parts).toEqual(parts);
        expect(read?.parts.every((part) => part.byteOffset % 64 === 0)).toBe(true);
      }),
    );
  });

  it("refuses damage instead of reading outside the block", () => {
    const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(bytes, fc.array(bytes, { maxLength: 3 }), damage, fc.nat(), (head, parts, changes, cut) => {
        const memory = written({ bytes: head, parts });
        const view = new Uint8Array(memory);
        for (const { at, byte } of changes) view[at % view.length] = byte;
        const size = Math.max(0, memory.byteLength - (cut % 20));
        const read = readLayout(memory, size);
        for (const part of read === undefined ? [] : [read.bytes, ...read.parts]) {
          expect(part.byteOffset + part.byteLength).toBeLessThanOrEqual(size);
        }
      }),
    );
  });
});
