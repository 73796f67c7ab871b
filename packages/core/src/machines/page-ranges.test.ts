import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageRanges } from "./page-ranges.ts";

const size = 40;
const range = fc.record({ start: fc.nat(size - 1), count: fc.integer({ min: 1, max: 8 }) });
const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), range }),
  fc.record({ kind: fc.constant("remove" as const), range }),
  fc.record({ kind: fc.constantFrom("bestFit" as const, "firstFit" as const, "smallest" as const), range }),
);

/** The pages of a set, one by one. */
function pagesOf(ranges: PageRanges): number[] {
  return [...ranges].flatMap(([start, count]) => Array.from({ length: count }, (_, i) => start + i));
}

describe("PageRanges", () => {
  it("behaves as a set of pages, with neighbours joined", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranges = new PageRanges();
        const model = new Set<number>();
        for (const { kind, range: given } of steps) {
          const pages = Array.from({ length: given.count }, (_, i) => given.start + i);
          const has = pages.filter((page) => model.has(page)).length;
          expect(ranges.contains(given.start, given.count)).toBe(has === given.count);
          if (kind === "add") {
            if (has > 0) expect(() => ranges.add(given.start, given.count)).toThrow(/in the set already/);
            else {
              ranges.add(given.start, given.count);
              for (const page of pages) model.add(page);
            }
          } else if (kind === "remove") {
            if (has < given.count)
              expect(() => ranges.remove(given.start, given.count)).toThrow(/not in the set/);
            else {
              ranges.remove(given.start, given.count);
              for (const page of pages) model.delete(page);
            }
          } else take(ranges, model, kind, given.count);
          expect(pagesOf(ranges)).toEqual([...model].toSorted((a, b) => a - b));
          expect(ranges.total).toBe(model.size);
          const found = [...ranges];
          for (let i = 1; i < found.length; i++) {
            expect(found[i][0]).toBeGreaterThan(found[i - 1][0] + found[i - 1][1]); // a gap lies between
          }
        }
      }),
    );
  });
});

function take(
  ranges: PageRanges,
  model: Set<number>,
  kind: "bestFit" | "firstFit" | "smallest",
  count: number,
): void {
  const before = [...ranges];
  if (kind === "smallest") {
    const taken = ranges.takeSmallest(count);
    if (before.length === 0) expect(taken).toBeUndefined();
    else {
      const smallest = Math.min(...before.map(([, pages]) => pages));
      expect(taken?.count).toBe(Math.min(smallest, count));
      for (let i = 0; i < (taken?.count ?? 0); i++) model.delete((taken?.start ?? 0) + i);
    }
    return;
  }
  const fitting = before.filter(([, pages]) => pages >= count);
  const start = kind === "bestFit" ? ranges.takeBestFit(count) : ranges.takeFirstFit(count);
  if (fitting.length === 0) {
    expect(start).toBe(-1);
    return;
  }
  const best = Math.min(...fitting.map(([, pages]) => pages));
  if (kind === "bestFit") expect(before.find(([from]) => from === start)?.[1]).toBe(best);
  else expect(start).toBe(fitting[0][0]);
  for (let i = 0; i < count; i++) model.delete(start + i);
}
