import { frameHeaderBytes, frameKinds, FrameParser, writeFrameHeader } from "@iono/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameQueue, segmentHeadBytes } from "./frame-queue.ts";
import { SegmentPool } from "./segment-pool.ts";

const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 15_000, max: 18_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 300_000 }) },
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom("control" as const, "data" as const, "whole" as const),
      bytes: sizes,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("take" as const), bytes: fc.integer({ min: 9, max: 80_000 }) }),
  },
);

interface Seen {
  readonly number: number;
  readonly length: number;
}

describe("frames that wait", () => {
  it("come out whole and in order in their lane, control first, in segments of the size asked for", () => {
    const pool = new SegmentPool();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new FrameQueue(pool);
        const given: { control: Seen[]; data: Seen[] } = { control: [], data: [] };
        const seen: { control: Seen[]; data: Seen[] } = { control: [], data: [] };
        const parser = (lane: "control" | "data") =>
          new FrameParser((kind, chunk, start, end, dataLane) => {
            expect([kind, dataLane]).toEqual([frameKinds.watch, lane === "data"]);
            const length = end - start;
            seen[lane].push({ number: length === 0 ? 0 : chunk[start], length });
            if (length > 0) expect(chunk[end - 1]).toBe(chunk[start]);
          });
        const parsers = { control: parser("control"), data: parser("data") };
        let count = 0;
        const take = (bytes: number): boolean => {
          const waits = queue.bytes > queue.dataBytes;
          const segment = queue.take(bytes);
          if (segment === undefined) return false;
          expect(segment.isData).toBe(!waits);
          expect(segment.datagram.length).toBe(segmentHeadBytes + segment.bytes);
          expect(segment.bytes).toBeLessThanOrEqual(Math.max(bytes, 64 * 1024));
          parsers[segment.isData ? "data" : "control"].feed(
            Buffer.from(segment.datagram.subarray(segmentHeadBytes)),
          );
          pool.give(segment.datagram);
          return true;
        };
        for (const { type, bytes } of steps) {
          if (type === "take") {
            take(bytes);
            continue;
          }
          const number = bytes === 0 ? 0 : ++count % 256;
          const payload = Buffer.alloc(bytes, number);
          given[type === "data" ? "data" : "control"].push({ number, length: bytes });
          if (type === "whole") {
            const frame = Buffer.alloc(frameHeaderBytes + bytes, number);
            writeFrameHeader(new DataView(frame.buffer, frame.byteOffset), 0, frameKinds.watch, bytes);
            queue.addFrame(frame);
          } else queue.add(type, frameKinds.watch, payload);
        }
        while (take(40_000));
        expect(seen).toEqual(given);
        expect(queue.bytes).toBe(0);
      }),
      { numRuns: 200 },
    );
    pool.close();
  });
});

describe("memory of segments", () => {
  it("is used again in its size, and only that", () => {
    const pool = new SegmentPool();
    const one = pool.take(1_000_000);
    pool.give(one);
    const again = pool.take(900_000);
    expect([again.buffer, again.length]).toEqual([one.buffer, 900_000]);
    expect(pool.take(900_000).buffer).not.toBe(one.buffer);
    // Not of the pool: parts of other memory, small ones.
    pool.give(Buffer.alloc(3_000_000).subarray(10, 2_000_000));
    pool.give(Buffer.alloc(100));
    expect(pool.take(2_000_000).length).toBe(2_000_000);
    pool.close();
  });
});
