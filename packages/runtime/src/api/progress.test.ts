import { describe, expect, it } from "vitest";
import {
  blendRate,
  formatBar,
  formatLast,
  formatLine,
  ProgressLine,
  type ProgressState,
} from "./progress.ts";

const state = (change: Partial<ProgressState> = {}): ProgressState => ({
  label: "map",
  done: 450,
  total: 1000,
  failed: 0,
  elapsedMs: 4000,
  ratePerSecond: 112.4,
  ...change,
});

/** A line on a terminal or not, with a clock that is moved by hand. */
function setUp(options: { isTTY?: boolean; columns?: number; total?: number } = {}) {
  const written: string[] = [];
  const clock = { now: 0 };
  const output = { ...options, write: (text: string) => written.push(text) };
  const line = new ProgressLine({ label: "map", total: options.total ?? -1, output, now: () => clock.now });
  return { written, clock, line };
}

describe("formatting", () => {
  it("draws a bar when the total is known", () => {
    expect(formatBar(state())).toBe("map ██████████░░░░░░░░░░░░░░ 45% 450/1,000 112/s ETA 4.89s");
    expect(formatBar(state({ done: 0, ratePerSecond: Number.NaN }))).toBe(`map ${"░".repeat(24)} 0% 0/1,000`);
    expect(formatBar(state({ done: 1000 }))).toBe(`map ${"█".repeat(24)} 100% 1,000 112/s`);
    expect(formatBar(state({ done: 1200, failed: 3 }))).toBe(
      `map ${"█".repeat(24)} 100% 1,200/1,000 112/s 3 failed`,
    );
    expect(formatBar(state({ total: -1 }))).toBe("map 450 112/s 4s");
    expect(formatBar(state({ done: 0, total: 0 }))).toBe("map 0 112/s 4s");
  });

  it("writes lines elsewhere", () => {
    expect(formatLine(state())).toBe("map 45% 450/1,000 112/s ETA 4.89s");
    expect(formatLine(state({ total: -1, ratePerSecond: 0 }))).toBe("map 450 0/s 4s");
    expect(formatLine(state({ ratePerSecond: 0.05 }))).toBe("map 45% 450/1,000 20s each ETA 3h 03m");
    expect(formatLine(state({ done: 1_234_567, total: -1, ratePerSecond: 12_345 }))).toBe(
      "map 1,234,567 12,345/s 4s",
    );
  });

  it("says at the end what was done", () => {
    expect(formatLast(state({ done: 1000, elapsedMs: 8900 }), "done")).toBe("map done: 1,000 in 8.9s, 112/s");
    expect(formatLast(state({ failed: 2 }), "stopped")).toBe("map stopped: 450/1,000 in 4s, 112/s, 2 failed");
    expect(formatLast(state({ done: 0, total: -1, elapsedMs: 0, ratePerSecond: Number.NaN }), "done")).toBe(
      "map done: 0 in 0ms",
    );
  });

  it("blends rates by how long they were measured", () => {
    expect(blendRate(Number.NaN, 10, 100)).toBe(10);
    expect(blendRate(10, 20, 0)).toBe(10);
    expect(blendRate(10, 20, 5000)).toBeCloseTo(16.32, 2);
    expect(blendRate(10, 20, 1e9)).toBeCloseTo(20);
  });
});

describe("ProgressLine", () => {
  it("moves one bar on a terminal, ten times a second at most", () => {
    const { written, clock, line } = setUp({ isTTY: true, columns: 40, total: 100 });
    line.add(1);
    for (let at = 0; at < 50; at += 1) {
      clock.now += 10;
      line.add(1);
    }
    expect(written).toHaveLength(6);
    for (const text of written) {
      expect(text.startsWith("\r")).toBe(true);
      expect(text.endsWith("\u001b[K")).toBe(true);
      expect(text.slice(1, -3).length).toBeLessThanOrEqual(39);
    }
    line.finish("done");
    expect(written.at(-1)).toBe("\rmap done: 51/100 in 500ms, 102/s\u001b[K\n");
  });

  it("takes a terminal that does not know its width for one of 80 columns", () => {
    const { written, line } = setUp({ isTTY: true, columns: 0, total: 100 });
    line.add(1);
    expect(written[0]).toContain("map ");
  });

  it("writes a line every five seconds elsewhere", () => {
    const { written, clock, line } = setUp();
    for (let at = 0; at < 120; at += 1) {
      clock.now += 100;
      line.add(10, at === 0 ? 1 : 0);
    }
    expect(written).toEqual(["map 500 100/s 5s 1 failed\n", "map 1,000 100/s 10s 1 failed\n"]);
    line.finish("done");
    line.finish("stopped");
    line.add(5);
    expect(written.slice(2)).toEqual(["map done: 1,200 in 12s, 100/s, 1 failed\n"]);
  });
});
