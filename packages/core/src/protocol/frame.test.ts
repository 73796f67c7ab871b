import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dataLaneBit,
  FrameError,
  frameHeaderBytes,
  frameKinds,
  FrameParser,
  maxFrameBytes,
  writeFrameHeader,
  type FrameKind,
} from "./frame.ts";

interface Seen {
  readonly kind: FrameKind;
  readonly bytes: readonly number[];
  readonly dataLane: boolean;
}

function collecting(maxBytes?: number): { parser: FrameParser; seen: Seen[] } {
  const seen: Seen[] = [];
  const parser = new FrameParser((kind, chunk, start, end, dataLane) => {
    seen.push({ kind, bytes: [...chunk.subarray(start, end)], dataLane });
  }, maxBytes);
  return { parser, seen };
}

function encode(frames: readonly Seen[]): Uint8Array {
  const total = frames.reduce((sum, frame) => sum + frameHeaderBytes + frame.bytes.length, 0);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const frame of frames) {
    writeFrameHeader(
      new DataView(bytes.buffer),
      at,
      frame.kind,
      frame.bytes.length,
      frame.dataLane ? dataLaneBit : 0,
    );
    bytes.set(frame.bytes, at + frameHeaderBytes);
    at += frameHeaderBytes + frame.bytes.length;
  }
  return bytes;
}

const frame: fc.Arbitrary<Seen> = fc.record({
  kind: fc.constantFrom(...Object.values(frameKinds)),
  bytes: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
  dataLane: fc.boolean(),
});

describe("FrameParser", () => {
  it("finds the same frames however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (frames, cuts) => {
          const bytes = encode(frames);
          const { parser, seen } = collecting();
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            parser.feed(bytes.subarray(at, at + cut));
            at += cut;
          }
          expect(seen).toEqual(frames);
        },
      ),
    );
  });

  it("reads byte by byte", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        const { parser, seen } = collecting();
        for (const byte of encode(frames)) parser.feed(Uint8Array.of(byte));
        expect(seen).toEqual(frames);
      }),
    );
  });

  it("ends random bytes with a FrameError, or waits for more: nothing else comes of them", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const { parser } = collecting();
        try {
          for (const chunk of chunks) parser.feed(chunk);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses too long a frame by its header, before there is any memory for it", () => {
    const { parser } = collecting();
    const header = new Uint8Array(frameHeaderBytes);
    writeFrameHeader(new DataView(header.buffer), 0, frameKinds.control, maxFrameBytes + 1);
    expect(() => parser.feed(header)).toThrow(/at most/);
  });

  it("refuses kinds and bits it does not know", () => {
    for (const word of [0, 999, frameKinds.control | 0x200, frameKinds.control | 0x10000]) {
      const header = new Uint8Array(frameHeaderBytes);
      new DataView(header.buffer).setUint32(4, word, true);
      expect(() => collecting().parser.feed(header), String(word)).toThrow(FrameError);
    }
  });

  it("accepts longer frames once it is told that it may", () => {
    const long = { kind: frameKinds.control, bytes: new Array<number>(100).fill(7), dataLane: false };
    const { parser, seen } = collecting(50);
    expect(() => parser.feed(encode([long]))).toThrow(FrameError);
    parser.maxBytes = 100;
    parser.feed(encode([long]));
    expect(seen).toEqual([long]);
  });
});
