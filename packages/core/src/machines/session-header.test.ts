import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSessionHeader, sessionHeaderBytes, sessionTypes, writeSessionHeader } from "./session-header.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const long = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const header = fc.record({
  type: fc.constantFrom(...Object.values(sessionTypes)),
  flags: fc.integer({ min: 0, max: 15 }),
  source: word,
  target: word,
  sequence: long,
  acknowledged: long,
  selective: word,
  sentAt: word,
  echo: word,
});

describe("the header of a session", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(header, fc.integer({ min: 0, max: 20 }), (given, at) => {
        const bytes = new Uint8Array(at + sessionHeaderBytes);
        writeSessionHeader(new DataView(bytes.buffer), at, given);
        expect(readSessionHeader(bytes, at)).toEqual(given);
        expect(readSessionHeader(bytes.subarray(0, -1), at)).toBeUndefined();
      }),
    );
  });

  it("is none with bits or numbers that nobody writes", () => {
    const refused = (change: (view: DataView) => void): void => {
      const bytes = new Uint8Array(sessionHeaderBytes);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, sessionTypes.ping, true);
      expect(readSessionHeader(bytes, 0)).toBeDefined();
      change(view);
      expect(readSessionHeader(bytes, 0)).toBeUndefined();
    };
    refused((view) => view.setUint8(0, 0));
    refused((view) => view.setUint8(0, 8));
    refused((view) => view.setUint8(1, 16));
    refused((view) => view.setUint8(2, 1));
    refused((view) => view.setUint32(16, 2 ** 21, true));
    refused((view) => view.setUint32(24, 2 ** 21, true));
  });
});
