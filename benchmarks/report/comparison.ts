/** Puts what both sides measured together, and beside the goals. */
import { median } from "../core/figure.ts";
import type { Figure } from "../core/figure.ts";
import type { Failed, Measured } from "../core/row.ts";
import { atMost, shareOfCopy, timesRay } from "./goals.ts";

/** What one round brought, of one runtime. */
export interface Round {
  rows: (Measured | Failed)[];
  figures: (Figure | Failed)[];
}

/** A rate of Ray's microbenchmark. Of several rounds: the median of the rounds. */
export interface RowComparison {
  name: string;
  unit: string;
  iono?: { mean: number; sd: number };
  ray?: { mean: number; sd: number };
  /** iono's rate by Ray's. */
  ratio?: number;
  goal?: number;
  /** Rate by that of the plain copy of the same bytes. */
  ofCopy?: number;
  met?: boolean;
  error?: string;
}

/** Any other figure. */
export interface FigureComparison {
  name: string;
  unit: string;
  iono?: number;
  ray?: number;
  goal?: number;
  met?: boolean;
  note?: string;
  error?: string;
}

/** Rows in the order they were measured. */
export function compareRows(iono: Round[], ray: Round[]): RowComparison[] {
  return names([...iono, ...ray], ({ rows }) => rows).map((name) => {
    const own = medianRow(iono, name);
    const peer = medianRow(ray, name);
    const copy = medianRow(iono, `memcpy beside ${name}`);
    const goal = timesRay[name];
    const ratio = own && peer ? own.mean / peer.mean : undefined;
    const ofCopy = own && copy ? own.mean / copy.mean : undefined;
    const isJudged = goal !== undefined && ratio !== undefined;
    return {
      name,
      unit: own?.unit ?? "",
      iono: own && { mean: own.mean, sd: own.sd },
      ray: peer && { mean: peer.mean, sd: peer.sd },
      ratio,
      goal,
      ofCopy,
      met: isJudged ? ratio >= goal && (ofCopy === undefined || ofCopy >= shareOfCopy) : undefined,
      error: own ? undefined : errorOf([...iono, ...ray], name, ({ rows }) => rows),
    };
  });
}

/** iono's figures, then those that only Ray has. */
export function compareFigures(iono: Round[], ray: Round[]): FigureComparison[] {
  return names([...iono, ...ray], ({ figures }) => figures).map((name) => {
    const own = medianFigure(iono, name);
    const peer = medianFigure(ray, name);
    const goal = atMost[name];
    return {
      name,
      unit: own?.unit ?? peer?.unit ?? "",
      iono: own?.value,
      ray: peer?.value,
      goal,
      met: goal !== undefined && own ? own.value <= goal : undefined,
      note: own?.note ?? peer?.note,
      error: own || peer ? undefined : errorOf([...iono, ...ray], name, ({ figures }) => figures),
    };
  });
}

function names(rounds: Round[], of: (round: Round) => { name: string }[]): string[] {
  return [...new Set(rounds.flatMap((round) => of(round).map(({ name }) => name)))];
}

function medianRow(rounds: Round[], name: string): Measured | undefined {
  const all = rounds
    .flatMap(({ rows }) => rows)
    .filter((row): row is Measured => row.name === name && "mean" in row);
  if (all.length === 0) return undefined;
  return { ...all[0], mean: median(all.map(({ mean }) => mean)), sd: median(all.map(({ sd }) => sd)) };
}

function medianFigure(rounds: Round[], name: string): Figure | undefined {
  const all = rounds
    .flatMap(({ figures }) => figures)
    .filter((figure): figure is Figure => figure.name === name && "value" in figure);
  return all.length === 0 ? undefined : { ...all[0], value: median(all.map(({ value }) => value)) };
}

function errorOf(
  rounds: Round[],
  name: string,
  of: (round: Round) => (Measured | Figure | Failed)[],
): string | undefined {
  return rounds.flatMap(of).find((entry): entry is Failed => entry.name === name && "error" in entry)?.error;
}
