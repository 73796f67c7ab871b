import { describe, expect, it } from "vitest";
import { parseIdx } from "./idx.ts";

const twoByThree = Buffer.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);

describe("parseIdx", () => {
  it("reads the values behind the header", () => {
    expect([...parseIdx(twoByThree, [3], "f")]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("names the file and what is wrong with it", () => {
    expect(() => parseIdx(twoByThree.subarray(0, 5), [3], "f")).toThrow("f: 5 bytes are too few");
    expect(() => parseIdx(twoByThree, [], "f")).toThrow("f: begins with 0x802");
    expect(() => parseIdx(twoByThree, [4], "f")).toThrow("f: items are 3, not 4");
    expect(() => parseIdx(twoByThree.subarray(0, 17), [3], "f")).toThrow(
      "f: 5 values, but its header says 6",
    );
  });
});
