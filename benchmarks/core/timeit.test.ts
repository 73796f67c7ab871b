import { describe, expect, it } from "vitest";
import { isWanted } from "./only.ts";
import { median } from "./figure.ts";
import { meanAndDeviation, timeit } from "./timeit.ts";

describe("timeit", () => {
  it("counts the units of asynchronous and synchronous rows and closes them", async () => {
    for (const once of [() => {}, async () => {}]) {
      let isClosed = false;
      const prepare = () => ({ once, close: () => void (isClosed = true) });
      const timing = { settleMs: 0, warmupMs: 1, windows: 2, windowMs: 1 };
      const { mean } = await timeit({ name: "nothing", unit: "calls", units: 7, prepare }, timing);
      expect(mean).toBeGreaterThan(0);
      expect(isClosed).toBe(true);
    }
  });
});

describe("meanAndDeviation", () => {
  it("is numpy's mean and std", () => {
    expect(meanAndDeviation([1, 2, 3, 4])).toEqual({ mean: 2.5, sd: Math.sqrt(1.25) });
  });
});

describe("median", () => {
  it("is the middle", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});

describe("isWanted", () => {
  it("takes parts of names, and everything when none is given", () => {
    expect(isWanted("1:1 actor calls sync", [])).toBe(true);
    expect(isWanted("1:1 actor calls sync", ["tasks", "actor calls"])).toBe(true);
    expect(isWanted("1:1 actor calls sync", ["tasks"])).toBe(false);
  });
});
