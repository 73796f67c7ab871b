/** Text for people, beyond the sizes and durations of core. */
import { formatSize } from "@iono/core";

/** The amount of a resource: memory as a size, everything else as a number with at most four decimals. */
export function formatAmount(resource: string, amount: number): string {
  return resource === "memory" ? formatSize(amount) : String(Number(amount.toFixed(4)));
}

/** `plural(1, "worker")` → "1 worker", `plural(2, "worker")` → "2 workers". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Rows as columns of equal width, two spaces apart; the last column runs free. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows
    .map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at]))).join("  "))
    .join("\n");
}
