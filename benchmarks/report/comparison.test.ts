import { describe, expect, it } from "vitest";
import { compareFigures, compareRows } from "./comparison.ts";
import type { Round } from "./comparison.ts";
import { hostKind } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { toMarkdown } from "./table.ts";

const round = (rows: Round["rows"], figures: Round["figures"] = []): Round => ({ rows, figures });
const row = (name: string, mean: number) => ({ name, unit: "tasks", mean, sd: mean / 10 });

const machine: Machine = {
  cpu: "Intel(R) Xeon(R) CPU @ 2.20GHz",
  cores: 2,
  memoryGiB: 24,
  kernel: "linux 6.1 x64",
  node: "v24.21.0",
  iono: "0.1.0",
  ray: "2.60.0",
  python: "Python 3.11.7",
  date: "2026-11-24T12:00:00.000Z",
  loadBefore: 0.1,
};

describe("compareRows", () => {
  it("divides the medians of the rounds and judges by the goal", () => {
    const iono = [10_000, 30_000, 20_000].map((mean) => round([row("single client tasks sync", mean)]));
    const ray = [900, 1_000, 1_100].map((mean) => round([row("single client tasks sync", mean)]));
    const [compared] = compareRows(iono, ray);
    expect(compared).toMatchObject({ ratio: 20, goal: 20, met: true });
  });

  it("asks of a large put that it also reaches its share of the copy beside it", () => {
    const put = "single client put gigabytes";
    const rows = (copied: number) => [round([row(put, 8), row(`memcpy beside ${put}`, copied)])];
    const ray = [round([row(put, 2)])];
    expect(compareRows(rows(9), ray)[0]).toMatchObject({ ofCopy: 8 / 9, met: true });
    expect(compareRows(rows(16), ray)[0]).toMatchObject({ ofCopy: 0.5, met: false });
  });

  it("tells why a row has no rate", () => {
    const [compared] = compareRows([round([{ name: "single client tasks sync", error: "broken" }])], []);
    expect(compared).toMatchObject({ error: "broken", iono: undefined, met: undefined });
  });
});

describe("toMarkdown", () => {
  it("makes one table of rows and one of figures", () => {
    const figures = compareFigures(
      [round([], [{ name: "idle memory", value: 120, unit: "MB", note: "PSS of 4 processes" }])],
      [round([], [{ name: "idle memory", value: 800, unit: "MB" }])],
    );
    const rows = compareRows(
      [round([row("single client tasks sync", 5_000)])],
      [round([row("single client tasks sync", 500)])],
    );
    const page = toMarkdown({ machine, command: "node benchmarks/run.ts", rounds: 1, rows, figures });
    expect(page).toContain(
      "| single client tasks sync | 5,000 ± 500 | 500 ± 50.0 | 10.0  | 20     |           | NO  |",
    );
    expect(page).toContain("| idle memory | 120  | 800 | MB   | ≤ 150 | yes | PSS of 4 processes |");
    expect(page).toContain("Ray 2.60.0");
  });
});

describe("hostKind", () => {
  it("keeps what tells machines apart", () => {
    expect(hostKind(machine)).toBe("2x-intel-xeon");
    expect(hostKind({ ...machine, cpu: "AMD EPYC 7B13 Processor", cores: 4 })).toBe("4x-amd-epyc-7b13");
  });
});
