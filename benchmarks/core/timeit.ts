/**
 * How Ray times its microbenchmarks (`ray_microbenchmark_helpers.timeit`): wait for the machine to settle,
 * warm up, then count whole steps in several windows. A step is a tenth of what the warm-up managed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Measured, Row } from "./row.ts";

/** How long each part takes. */
export interface Timing {
  settleMs: number;
  warmupMs: number;
  windows: number;
  windowMs: number;
}

/** Ray's own. */
export const standardTiming: Timing = { settleMs: 10_000, warmupMs: 1_000, windows: 4, windowMs: 2_000 };

/** To see that everything runs; its figures are not for the record. */
export const quickTiming: Timing = { settleMs: 0, warmupMs: 200, windows: 2, windowMs: 300 };

/** Times one row. */
export async function timeit(row: Row, timing: Timing): Promise<Measured> {
  const prepared = await row.prepare();
  try {
    await sleep(timing.settleMs);
    const step = Math.floor((await countFor(prepared.once, 1, timing.warmupMs)).count / 10) + 1;
    const rates: number[] = [];
    for (let window = 0; window < timing.windows; window++) {
      const { count, seconds } = await countFor(prepared.once, step, timing.windowMs);
      rates.push((row.units * count) / seconds);
    }
    return { name: row.name, unit: row.unit, ...meanAndDeviation(rates) };
  } finally {
    prepared.close?.();
  }
}

async function countFor(
  once: () => unknown,
  step: number,
  durationMs: number,
): Promise<{ count: number; seconds: number }> {
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < durationMs) {
    for (let i = 0; i < step; i++) {
      const pending = once();
      if (pending instanceof Promise) await pending; // a synchronous call is timed without an await
    }
    count += step;
  }
  return { count, seconds: (performance.now() - start) / 1000 };
}

/** Mean and population standard deviation, as numpy's `mean` and `std`. */
export function meanAndDeviation(values: number[]): { mean: number; sd: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, sd: Math.sqrt(variance) };
}
