import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Figure } from "../figure.ts";

/**
 * Runs one program of figures: `node <program>.ts --out <file> [--quick]` writes them there as JSON.
 * `measure` is told how much of the full size to do: 1, or a small share with `--quick`.
 */
export async function runProgram(measure: (share: number) => Promise<Figure[]>): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: "string" }, quick: { type: "boolean", default: false } },
  });
  const figures = await measure(values.quick ? 0.05 : 1);
  if (values.out !== undefined) writeFileSync(values.out, JSON.stringify(figures));
  for (const { name, value, unit, note } of figures) {
    console.log(`${name}: ${Number(value.toPrecision(4))} ${unit}${note === undefined ? "" : ` (${note})`}`);
  }
}
