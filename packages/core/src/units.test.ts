import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

describe("parseDuration", () => {
  it.each([
    [0, 0],
    [2.5, 2.5],
    [Infinity, Infinity],
    ["250ms", 250],
    ["5s", 5000],
    ["1.5m", 90_000],
    ["2h", 7_200_000],
    ["0s", 0],
  ])("%j is %d ms", (text, ms) => {
    expect(parseDuration(text, "timeout")).toBe(ms);
  });

  it.each([
    -1,
    Number.NaN,
    "5",
    "5 s",
    "s",
    "-5s",
    "5S",
    "5sec",
    "1e3ms",
    "Infinitys",
    "",
    " 5s",
    null,
    undefined,
    {},
    5n,
    true,
  ])("refuses %s, naming the field", (value) => {
    expect(() => parseDuration(value, "timeout")).toThrow(
      expect.objectContaining({
        code: "BadOption",
        message: expect.stringMatching(/^timeout must be milliseconds or a text/),
      }),
    );
  });

  it("refuses what no timer can hold", () => {
    expect(parseDuration(2_147_483_647, "timeout")).toBe(2_147_483_647);
    expect(() => parseDuration("597h", "timeout")).toThrow(
      'timeout must be at most 596h (24.8 days), or left out for no limit; got "597h"',
    );
  });
});

describe("parseSize", () => {
  it.each([
    [0, 0],
    [4096, 4096],
    ["10B", 10],
    ["64MiB", 67_108_864],
    ["1GB", 1_000_000_000],
    ["1.5KiB", 1536],
    ["0.5B", 0],
    ["2TiB", 2_199_023_255_552],
  ])("%j is %d bytes", (text, bytes) => {
    expect(parseSize(text, "memory")).toBe(bytes);
  });

  it.each([
    -1,
    1.5,
    Infinity,
    Number.NaN,
    "64",
    "64 MiB",
    "64mib",
    "64M",
    "-1B",
    "99999TiB",
    "constructor",
    null,
    [],
    "1toString",
  ])("refuses %s, naming the field", (value) => {
    expect(() => parseSize(value, "memory")).toThrow(
      expect.objectContaining({
        code: "BadOption",
        message: expect.stringMatching(/^memory must be whole bytes or a text/),
      }),
    );
  });
});

describe("formatters", () => {
  it.each([
    [0, "0ms"],
    [0.34, "340µs"],
    [0.0001, "1µs"],
    [12.345, "12.3ms"],
    [999.4, "999ms"],
    [999.6, "1s"],
    [3210, "3.21s"],
    [59_960, "1m 00s"],
    [245_000, "4m 05s"],
    [3_599_600, "1h 00m"],
    [7_380_000, "2h 03m"],
    [-5000, "-5s"],
    [Infinity, "∞"],
    [Number.NaN, "?"],
  ])("%d ms reads %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it.each([
    [0, "0B"],
    [512, "512B"],
    [1023.9, "1KiB"],
    [1536, "1.5KiB"],
    [67_108_864, "64MiB"],
    [1024 ** 5 * 3, "3PiB"],
    [-1024, "-1KiB"],
    [Infinity, "∞"],
  ])("%d bytes reads %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it("formatted sizes parse back to within their three digits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 49 }), (bytes) => {
        const back = parseSize(formatSize(bytes), "size");
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(1 + bytes * 0.006);
      }),
    );
  });
});
