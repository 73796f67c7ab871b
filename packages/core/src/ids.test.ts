import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatNumberedId,
  formatOwnedId,
  formatRefId,
  parseNumberedId,
  parseOwnedId,
  parseRefId,
} from "./ids.ts";

const owners = fc.integer({ min: 0, max: 0xffff_ffff });
const sequences = fc.maxSafeNat();

describe("ids", () => {
  it("parse back", () => {
    fc.assert(
      fc.property(owners, sequences, (owner, sequence) => {
        expect(parseRefId(formatRefId(owner, sequence))).toEqual({ owner, sequence });
        expect(parseOwnedId("actor", formatOwnedId("actor", owner, sequence))).toEqual({ owner, sequence });
        expect(parseNumberedId("node", formatNumberedId("node", sequence))).toBe(sequence);
      }),
    );
  });

  it("are compact", () => {
    expect(formatRefId(123, 72_729)).toBe("3f-1k49");
    expect(formatOwnedId("task", 123, 72_729)).toBe("task-3f-1k49");
    expect(formatNumberedId("job", 2)).toBe("job-2");
  });

  it("have one spelling", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-z]{1,8}-[0-9a-z]{1,12}$/), (text) => {
        const id = parseRefId(text);
        expect(id === undefined ? text : formatRefId(id.owner, id.sequence)).toBe(text);
      }),
    );
  });

  it.each(["", "1", "1-", "-1", "01-1", "1-01", "1-1-1", "A-1", "zzzzzzz-1", "1-zzzzzzzzzzz", "1 -1", "é-1"])(
    "%j is no ref",
    (text) => {
      expect(parseRefId(text)).toBeUndefined();
    },
  );

  it("of another kind do not parse", () => {
    expect(parseOwnedId("task", "actor-1-1")).toBeUndefined();
    expect(parseNumberedId("node", "job-1")).toBeUndefined();
    expect(parseNumberedId("node", "node-01")).toBeUndefined();
    expect(parseNumberedId("node", "node-")).toBeUndefined();
    expect(() => formatNumberedId("node", -1)).toThrow(expect.objectContaining({ code: "Internal" }));
  });
});
