import { describe, expect, it } from "vitest";
import { decode, readValue } from "./decode.ts";
import { encode, writeValue } from "./encode.ts";
import { rejectingDecodeHost, rejectingEncodeHost } from "./hosts.ts";
import { ValueReader } from "./reader.ts";
import type { Encoded } from "./seam.ts";
import { PART_MIN_BYTES } from "./tags.ts";
import { ValueWriter } from "./writer.ts";

const send = (value: unknown): Encoded => encode(value, rejectingEncodeHost);
const receive = (encoded: Encoded): unknown => decode(encoded, rejectingDecodeHost);

/** Parts as a mapping of shared memory would hold them: aligned pieces of one large buffer. */
function mapped({ bytes, parts }: Encoded): Encoded {
  const sizes = parts.map((part) => Math.ceil(part.byteLength / 64) * 64);
  const memory = new ArrayBuffer(64 + sizes.reduce((sum, size) => sum + size, 0));
  let at = 64;
  const placed = parts.map((part, i) => {
    const piece = new Uint8Array(memory, at, part.byteLength);
    piece.set(part);
    at += sizes[i];
    return piece;
  });
  return { bytes, parts: placed };
}

describe("raw data", () => {
  it("goes to the parts from 4 KiB on, without a copy", () => {
    const small = new Uint8Array(PART_MIN_BYTES - 1);
    const large = new Uint8Array(PART_MIN_BYTES);
    expect(send(small).parts).toEqual([]);
    const { bytes, parts } = send([small.subarray(0, 10), large]);
    expect(parts).toHaveLength(1);
    expect(parts[0].buffer).toBe(large.buffer);
    expect(bytes.length).toBeLessThan(64);
  });

  it("arrives as a view of the part, whatever its element size", () => {
    for (const array of [
      new Float64Array(100_000),
      new Float32Array(200_000).subarray(1),
      new Uint8Array(1e6).subarray(3),
      Buffer.alloc(1e6).subarray(5),
    ]) {
      array[7] = 42;
      const sent = mapped(send({ array }));
      const received = (receive(sent) as { array: typeof array }).array;
      expect(received.buffer).toBe(sent.parts[0].buffer);
      expect(Object.getPrototypeOf(received)).toBe(Object.getPrototypeOf(array));
      expect(received.length).toBe(array.length);
      expect(received[7]).toBe(42);
      received[8] = 5;
      expect(
        sent.parts[0][
          8 * array.BYTES_PER_ELEMENT +
            (array.BYTES_PER_ELEMENT === 8 ? 7 : array.BYTES_PER_ELEMENT === 4 ? 3 : 0)
        ],
      ).not.toBe(0);
    }
  });

  it("is copied when the part lies askew or the ArrayBuffer itself is asked for", () => {
    const array = new Float64Array(1000).fill(3);
    const sent = send(array);
    const askew = new Uint8Array(8001).subarray(1);
    askew.set(sent.parts[0]);
    expect(receive({ bytes: sent.bytes, parts: [askew] })).toEqual(array);
    const both = mapped(send([array.buffer, array]));
    const [buffer, view] = receive(both) as [ArrayBuffer, Float64Array];
    expect(buffer.byteLength).toBe(8000);
    expect(view.buffer).toBe(buffer);
  });

  it("of a small view on a large buffer stays small", () => {
    const pooled = Buffer.from("ten bytes.");
    expect(pooled.buffer.byteLength).toBeGreaterThan(1000);
    expect(send(pooled).bytes.length).toBeLessThan(32);
    const secret = new Uint8Array(64).fill(9);
    secret[8] = 1;
    const { bytes } = send(secret.subarray(8, 9));
    expect(bytes.filter((byte) => byte === 9)).toHaveLength(0);
    const { parts } = send([new Uint8Array(new ArrayBuffer(1e6), 100, 5000)]);
    expect(parts[0].byteLength).toBe(5000);
  });

  it("is shared by the views that shared it, in one piece from first to last", () => {
    const buffer = new ArrayBuffer(100_000);
    const value = {
      bytes: new Uint8Array(buffer, 1001, 10),
      doubles: new Float64Array(buffer, 8000, 1000),
      view: new DataView(buffer, 4004, 4),
    };
    const sent = mapped(send(value));
    expect(sent.parts).toHaveLength(1);
    expect(sent.parts[0].byteLength).toBeLessThan(16_000);
    const { bytes, doubles, view } = receive(sent) as typeof value;
    expect(bytes.buffer).toBe(doubles.buffer);
    expect(doubles.byteOffset - bytes.byteOffset).toBe(8000 - 1001);
    new Uint8Array(view.buffer)[view.byteOffset] = 77;
    expect(view.getUint8(0)).toBe(77);
  });

  it("of several values in one message is taken in order", () => {
    const writer = new ValueWriter();
    const arrays = [1, 2, 3].map((n) => new Uint8Array(5000).fill(n));
    for (const array of arrays) writeValue(writer, { array }, rejectingEncodeHost);
    const { bytes, parts } = writer.take();
    const reader = new ValueReader(bytes, 0, bytes.length, parts);
    for (const array of arrays) expect(readValue(reader, rejectingDecodeHost)).toEqual({ array });
  });

  it("that is missing or of another size is malformed", () => {
    const { bytes, parts } = send(new Uint8Array(5000));
    expect(() => receive({ bytes, parts: [] })).toThrow("malformed value");
    expect(() => receive({ bytes, parts: [parts[0].subarray(1)] })).toThrow("malformed value");
  });
});

describe("a refused value", () => {
  it("leaves the writer as it was", () => {
    const writer = new ValueWriter();
    writeValue(writer, "before", rejectingEncodeHost);
    const before = writer.position;
    expect(() =>
      writeValue(writer, [new Uint8Array(5000), { bad: Promise.resolve() }], rejectingEncodeHost, [
        "argument 1",
      ]),
    ).toThrow("argument 1 → [1] → bad: a promise cannot travel");
    expect(writer.position).toBe(before);
    expect(writer.parts).toEqual([]);
    writeValue(writer, { a: 1 }, rejectingEncodeHost);
    const { bytes } = writer.take();
    const reader = new ValueReader(bytes);
    expect([readValue(reader, rejectingDecodeHost), readValue(reader, rejectingDecodeHost)]).toEqual([
      "before",
      { a: 1 },
    ]);
  });
});

describe("a reader", () => {
  it("refuses bounds outside its bytes", () => {
    expect(() => new ValueReader(new Uint8Array(3), 0, 4)).toThrow(RangeError);
    expect(() => new ValueReader(new Uint8Array(3), 2, 1)).toThrow(RangeError);
    expect(() => readValue(new ValueReader(new Uint8Array(0)), rejectingDecodeHost)).toThrow(
      "malformed value at byte 0: it ends too early",
    );
  });

  it("says when bytes are left over", () => {
    const { bytes } = send(1);
    expect(() => receive({ bytes: Buffer.concat([bytes, bytes]), parts: [] })).toThrow(
      "1 bytes are left over",
    );
  });
});
