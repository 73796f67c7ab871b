import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  badOption,
  CannotTravelError,
  describeValue,
  errorsMarkdown,
  errorTable,
  IonoError,
  isTaskError,
} from "./errors.ts";
import { limits } from "./limits.ts";

describe("the error table", () => {
  it("is sorted and every row says what to do", () => {
    const codes = Object.keys(errorTable);
    expect(codes).toEqual(codes.toSorted());
    for (const { remedy } of Object.values(errorTable)) expect(remedy).toMatch(/^[A-Z].*\.$/);
  });

  it("is what docs/errors.md shows", () => {
    const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
    expect(page, "write errorsMarkdown() to docs/errors.md").toBe(errorsMarkdown());
  });

  it("gives an error its name, whether to retry, and the remedy", () => {
    const error = new IonoError("GetTimeout", "late", { cause: 1 });
    expect(error).toMatchObject({ name: "GetTimeoutError", code: "GetTimeout", retryable: true, cause: 1 });
    expect(error.remedy).toBe(errorTable.GetTimeout.remedy);
    expect(String(error)).toBe("GetTimeoutError: late");
    expect(new CannotTravelError(["sample", "db"], "a socket").message).toBe("sample → db: a socket");
    expect(new CannotTravelError([], "a socket").message).toBe("a socket");
  });

  it("tells errors of tasks from others", () => {
    expect(isTaskError(new Error("x"))).toBe(false);
    expect(isTaskError({ remote: {} })).toBe(false);
    expect(isTaskError(Object.assign(new Error("x"), { remote: null }))).toBe(false);
    const remote = { task: "f", node: "n", pid: 1, attempt: 0, stack: "" };
    expect(isTaskError(Object.assign(new RangeError("x"), { remote }))).toBe(true);
  });
});

describe("describeValue", () => {
  it.each([
    ["a", '"a"'],
    ["a\nb", '"a\\nb"'],
    ["x".repeat(100), `"${"x".repeat(80)}…"`],
    [-0, "-0"],
    [5n, "5n"],
    [null, "null"],
    [undefined, "undefined"],
    [[1, 2], "an array of 2"],
    [{ a: 1 }, "{ a }"],
    [{ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1 }, "{ a, b, c, d, e, … }"],
    [Object.create(null), "{  }"],
    [new Map(), "an instance of Map"],
    [
      new (class {
        x = 1;
      })(),
      "an instance of a class",
    ],
    [Object.create({ constructor: 1 }), "an instance of a class"],
    [Symbol("s"), "Symbol(s)"],
    [() => 1, "a function"],
    [Math.max, "function max"],
  ])("case %#", (value, text) => {
    expect(describeValue(value)).toBe(text);
  });

  it("makes an option's error", () => {
    expect(badOption("retries", "x", "a number")).toMatchObject({
      code: "BadOption",
      message: 'retries must be a number; got "x"',
    });
  });
});

it("every limit is positive and says what happens at it", () => {
  expect(Object.keys(limits)).toEqual(Object.keys(limits).toSorted());
  for (const { value, atLimit } of Object.values(limits)) {
    expect(value).toBeGreaterThan(0);
    expect(atLimit).toMatch(/\.$|\.\)$/);
  }
});
