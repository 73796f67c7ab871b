import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addResources,
  fits,
  makeVector,
  missingResource,
  noResources,
  parseResources,
  parseShapeKey,
  resourceAmounts,
  shapeKey,
  subtractResources,
} from "./resources.ts";

const vectors = fc
  .dictionary(fc.constantFrom("CPU", "GPU", "memory", "disk-io", "a/b"), fc.integer({ min: 0, max: 1e9 }))
  .map((amounts) => makeVector(Object.entries(amounts)));

describe("parseResources", () => {
  it("counts in 1/10,000 units and whole bytes, sorted, without zeros, frozen", () => {
    const vector = parseResources(
      { numGpus: 0.5, memory: "1MiB", resources: { disk: 0.0001, none: 0 } },
      { numCpus: 1 },
    );
    expect(vector).toEqual({ CPU: 10_000, GPU: 5000, disk: 1, memory: 1_048_576 });
    expect(Object.keys(vector)).toEqual(["CPU", "GPU", "disk", "memory"]);
    expect(Object.isFrozen(vector)).toBe(true);
    expect(parseResources({ numCpus: 0 }, { numCpus: 1 })).toEqual({});
  });

  it.each([0.1, 0.2, 0.3, 0.7, 1.1, 1000.1, 12_345.6789, 0.0001])("takes %d without drift", (numCpus) => {
    expect(parseResources({ numCpus })["CPU"]).toBe(Math.round(numCpus * 10_000));
  });

  it.each([
    [{ numCpus: -1 }, "t.numCpus must be a number ≥ 0 with at most four decimals; got -1"],
    [{ numCpus: Number.NaN }, "t.numCpus must be a number ≥ 0 with at most four decimals; got NaN"],
    [{ numCpus: Infinity }, "t.numCpus must be a number below 900,000,000,000; got Infinity"],
    [{ numCpus: 0.00001 }, "t.numCpus must be a number ≥ 0 with at most four decimals; got 0.00001"],
    [{ numCpus: "2" as never }, 't.numCpus must be a number ≥ 0 with at most four decimals; got "2"'],
    [{ numGpus: 1.5 }, "t.numGpus must be below 1 or a whole number; got 1.5"],
    [{ memory: "1 GB" as never }, 't.memory must be whole bytes or a text like "64MiB" or "1GB"; got "1 GB"'],
    [{ resources: [] as never }, 't.resources must be an object like { "disk-io": 1 }; got an array of 0'],
    [{ resources: { CPU: 1 } }, 't.resources["CPU"] is given by the option numCpus; use that'],
    [{ resources: { gpu: 1 } }, 't.resources["gpu"] is given by the option numGpus; use that'],
    [{ resources: { "a=b": 1 } }, 't.resources["a=b"]: a name consists of letters, digits and _ . : / -'],
    [
      { resources: { a: -0.5 } },
      't.resources["a"] must be a number ≥ 0 with at most four decimals; got -0.5',
    ],
  ])("refuses %j", (options, message) => {
    expect(() => parseResources(options, { numCpus: 1 }, "t.")).toThrow(
      expect.objectContaining({ code: "BadOption", message: message }),
    );
  });
});

describe("arithmetic", () => {
  it("gives back exactly what was taken", () => {
    fc.assert(
      fc.property(vectors, vectors, (a, b) => {
        const sum = addResources(a, b);
        expect(fits(b, sum)).toBe(true);
        expect(subtractResources(sum, b)).toEqual(a);
        expect(shapeKey(addResources(b, a))).toBe(shapeKey(sum));
      }),
    );
  });

  it("refuses to give more than there is", () => {
    expect(() => subtractResources(makeVector([["CPU", 1]]), makeVector([["GPU", 1]]))).toThrow(
      expect.objectContaining({ code: "Internal" }),
    );
  });

  it("fits when every amount does", () => {
    const node = makeVector([
      ["CPU", 20_000],
      ["GPU", 10_000],
    ]);
    expect(fits(noResources, noResources)).toBe(true);
    expect(fits(makeVector([["CPU", 20_000]]), node)).toBe(true);
    expect(fits(makeVector([["CPU", 20_001]]), node)).toBe(false);
    expect(fits(makeVector([["disk", 1]]), node)).toBe(false);
  });
});

describe("shapeKey", () => {
  it("is canonical and reads as users count", () => {
    expect(shapeKey({ memory: 1024, GPU: 5000, CPU: 10_000 })).toBe("CPU=1,GPU=0.5,memory=1024");
    expect(shapeKey(noResources)).toBe("");
  });

  it("parses back", () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        expect(parseShapeKey(shapeKey(vector))).toEqual(vector);
      }),
    );
  });
});

it("says what is missing", () => {
  const total = parseResources({ numCpus: 4, resources: { diskIo: 2 } });
  expect(missingResource(parseResources({ numCpus: 4 }), total)).toBeUndefined();
  expect(missingResource(parseResources({ numCpus: 5 }), total)).toBe("5 CPU asked for, 4 there");
  expect(missingResource(parseResources({ resources: { disk_io: 1 } }), total)).toBe(
    '1 disk_io asked for, 0 there (did you mean "diskIo"?)',
  );
  expect(resourceAmounts(total)).toEqual({ CPU: 4, diskIo: 2 });
});
