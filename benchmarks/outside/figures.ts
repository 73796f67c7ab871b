/** Cold start and idle memory of a runtime: the same steps for every runtime that is compared. */
import { median, spread } from "../core/figure.ts";
import type { Figure } from "../core/figure.ts";
import { isWanted } from "../core/only.ts";
import type { Plan } from "../plan.ts";
import { idleMemory, timeToFirstLine } from "./spawned.ts";
import type { Command } from "./spawned.ts";

const COLD_STARTS = 10;
/** After the first result, before memory is weighed. */
const REST_MS = 5_000;

/** `first` prints the first result and ends; `idle` prints it and goes on until its standard input ends. */
export async function outsideFigures(
  { first, idle }: { first: Command; idle: Command },
  { only, quick, suffix = "" }: Pick<Plan, "only" | "quick"> & { suffix?: string },
): Promise<Figure[]> {
  const figures: Figure[] = [];
  if (isWanted("cold start", only))
    figures.push(...(await coldStart(first, quick ? 2 : COLD_STARTS, suffix)));
  if (isWanted("idle memory", only)) {
    const { bytes, processes } = await idleMemory(idle, quick ? 1_000 : REST_MS);
    figures.push({
      name: `idle memory${suffix}`,
      value: bytes / 1e6,
      unit: "MB",
      note: `PSS of ${processes} processes, the program included`,
    });
  }
  return figures;
}

async function coldStart(command: Command, runs: number, suffix: string): Promise<Figure[]> {
  const veryFirst = await timeToFirstLine(command); // fills the caches of disk and compiler
  const times: { firstLine: number; end: number }[] = [];
  for (let i = 0; i < runs; i++) times.push(await timeToFirstLine(command));
  const firstLines = times.map(({ firstLine }) => firstLine);
  const ends = times.map(({ end }) => end);
  return [
    {
      name: `cold start: printed first result${suffix}`,
      value: median(firstLines),
      unit: "s",
      note: `${spread(firstLines, 3)}; the very first ${veryFirst.firstLine.toFixed(3)}`,
    },
    { name: `cold start: program ended${suffix}`, value: median(ends), unit: "s", note: spread(ends, 3) },
  ];
}
