import { describe, expect, test } from "vitest";
import { Bucket, lossDelayMs, noFaults } from "./proxy-faults.ts";
import { seededRandom } from "./proxy-random.ts";

describe("seeded random", () => {
  test("the same seed gives the same numbers, evenly spread in [0, 1)", () => {
    const [a, b, c] = [seededRandom(1), seededRandom(1), seededRandom(2)];
    const numbers = Array.from({ length: 10_000 }, () => a());
    expect(numbers).toEqual(Array.from({ length: 10_000 }, () => b()));
    expect(numbers.slice(0, 10)).not.toEqual(Array.from({ length: 10 }, () => c()));
    expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
    expect(numbers.reduce((sum, n) => sum + n) / 10_000).toBeCloseTo(0.5, 1);
  });
});

describe("bucket", () => {
  test("after a pause a burst of 20 ms goes at once, then the rate holds, whoever asks", () => {
    const bucket = new Bucket(1_000_000);
    expect(bucket.reserve(20_000, 1_000)).toBe(1_000);
    expect(bucket.reserve(5_000, 1_000)).toBe(1_005);
    expect(bucket.reserve(5_000, 1_000)).toBe(1_010);
    expect(bucket.reserve(1_000, 5_000)).toBe(4_981);
  });

  test("a quantum is 5 ms of the rate, at least a segment, at most 64 KiB", () => {
    expect([10, 1_000_000, 1e9].map((rate) => new Bucket(rate).quantumBytes)).toEqual([1_460, 5_000, 65_536]);
  });
});

describe("loss", () => {
  const faults = { ...noFaults, loss: 0.1, roundTripMs: 50 };
  const drawn = (...numbers: number[]) => {
    const left = [...numbers];
    return () => left.shift() ?? 1;
  };

  test("nothing lost costs nothing", () => {
    expect(lossDelayMs(faults, 10_000, drawn())).toBe(0);
    expect(lossDelayMs(noFaults, 10_000, () => 0)).toBe(0);
  });

  test("a lost segment with others behind it costs a round trip, one at the end a timeout", () => {
    expect(lossDelayMs(faults, 5 * 1_460, drawn(0))).toBe(50);
    expect(lossDelayMs(faults, 100, drawn(0))).toBe(200);
    expect(lossDelayMs({ ...faults, roundTripMs: 150 }, 100, drawn(0))).toBe(300);
  });

  test("when the repeat is lost too, the timeout doubles", () => {
    expect(lossDelayMs(faults, 100, drawn(0, 0, 0))).toBe(200 + 400 + 800);
  });

  test("it is as frequent as asked", () => {
    const random = seededRandom(4);
    let lost = 0;
    for (let n = 0; n < 10_000; n++) lost += lossDelayMs(faults, 1_000, random) > 0 ? 1 : 0;
    expect(lost / 10_000).toBeCloseTo(0.1, 1);
  });
});
