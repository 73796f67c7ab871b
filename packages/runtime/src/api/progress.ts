/**
 * How far something is: one bar that moves on a terminal, one line every few seconds elsewhere, and a last line.
 * What it says is a pure function of the numbers; it is driven by the work, without a timer of its own.
 */
import { formatDuration } from "@iono/core";

/** Where progress is written; `process.stderr` is one. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressState {
  readonly label: string;
  readonly done: number;
  /** -1: unknown. */
  readonly total: number;
  readonly failed: number;
  readonly elapsedMs: number;
  /** Of late, per second. */
  readonly ratePerSecond: number;
}

export interface ProgressLineOptions {
  label: string;
  /** -1: unknown. */
  total: number;
  output: ProgressOutput;
  /** Milliseconds that only grow. */
  now: () => number;
}

const redrawMs = 100;
const lineMs = 5000;
/** Time over which the rate forgets. */
const rateMs = 5000;
const barColumns = 24;

/** A line that says how far the work is. */
export class ProgressLine {
  readonly #label: string;
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #onTerminal: boolean;
  #total: number;
  #done = 0;
  #failed = 0;
  #rate = Number.NaN;
  #measuredAt: number;
  #measuredDone = 0;
  #drawnAt: number;
  #finished = false;

  constructor(options: ProgressLineOptions) {
    this.#label = options.label;
    this.#total = options.total;
    this.#output = options.output;
    this.#now = options.now;
    this.#onTerminal = options.output.isTTY === true;
    this.#startedAt = this.#measuredAt = options.now();
    // The first bar is drawn with the first result, the first line after its interval.
    this.#drawnAt = this.#onTerminal ? -Infinity : this.#startedAt;
  }

  /** Counts items that are done, and how many of them failed. */
  add(done: number, failed = 0): void {
    this.#done += done;
    this.#failed += failed;
    const now = this.#now();
    if (this.#finished || now - this.#drawnAt < (this.#onTerminal ? redrawMs : lineMs)) return;
    this.#drawnAt = now;
    this.#measure(now);
    const state = this.#state(now, this.#rate);
    if (this.#onTerminal) {
      // Terminals that do not know their width say 0.
      this.#output.write(`\r${cut(formatBar(state), (this.#output.columns || 80) - 1)}\u001b[K`);
    } else this.#output.write(`${formatLine(state)}\n`);
  }

  /** Writes the last line; whatever comes later is not shown. */
  finish(outcome: "done" | "stopped"): void {
    if (this.#finished) return;
    this.#finished = true;
    const now = this.#now();
    const elapsedMs = now - this.#startedAt;
    const text = formatLast(this.#state(now, perSecond(this.#done, elapsedMs)), outcome);
    this.#output.write(this.#onTerminal ? `\r${text}\u001b[K\n` : `${text}\n`);
  }

  #measure(now: number): void {
    const rate = perSecond(this.#done - this.#measuredDone, now - this.#measuredAt);
    if (Number.isNaN(rate)) return;
    this.#rate = blendRate(this.#rate, rate, now - this.#measuredAt);
    this.#measuredAt = now;
    this.#measuredDone = this.#done;
  }

  #state(now: number, ratePerSecond: number): ProgressState {
    return {
      label: this.#label,
      done: this.#done,
      total: this.#total,
      failed: this.#failed,
      elapsedMs: now - this.#startedAt,
      ratePerSecond,
    };
  }
}

/** The rate with a new measurement of `overMs` taken in: the longer it took, the more it counts. */
export function blendRate(before: number, measured: number, overMs: number): number {
  if (Number.isNaN(before)) return measured;
  return before + (measured - before) * (1 - Math.exp(-overMs / rateMs));
}

/** `map ████████░░░░ 45% 450/1,000 112/s ETA 4.9s` */
export function formatBar(state: ProgressState): string {
  if (state.total <= 0) return formatLine(state);
  const share = Math.min(1, state.done / state.total);
  const filled = Math.floor(share * barColumns);
  const bar = "█".repeat(filled) + "░".repeat(barColumns - filled);
  return join([
    state.label,
    bar,
    `${Math.floor(share * 100)}%`,
    count(state),
    rate(state),
    eta(state),
    failures(state),
  ]);
}

/** `map 45% 450/1,000 112/s ETA 4.9s`; without a total `map 450 112/s 4s`. */
export function formatLine(state: ProgressState): string {
  const known = state.total > 0;
  const share = known ? `${Math.floor(Math.min(1, state.done / state.total) * 100)}%` : "";
  const time = known ? eta(state) : formatDuration(state.elapsedMs);
  return join([state.label, share, count(state), rate(state), time, failures(state)]);
}

/** `map done: 1,000 in 8.9s, 112/s` */
export function formatLast(state: ProgressState, outcome: "done" | "stopped"): string {
  const parts = [`${count(state)} in ${formatDuration(state.elapsedMs)}`, rate(state), failures(state)];
  return `${state.label} ${outcome}: ${parts.filter((part) => part !== "").join(", ")}`;
}

function count({ done, total }: ProgressState): string {
  return total >= 0 && done !== total ? `${grouped(done)}/${grouped(total)}` : grouped(done);
}

function rate({ ratePerSecond }: ProgressState): string {
  if (!Number.isFinite(ratePerSecond)) return "";
  if (ratePerSecond >= 100) return `${grouped(Math.round(ratePerSecond))}/s`;
  if (ratePerSecond >= 1 || ratePerSecond === 0) return `${Number(ratePerSecond.toPrecision(2))}/s`;
  return `${formatDuration(1000 / ratePerSecond)} each`;
}

function eta({ done, total, ratePerSecond }: ProgressState): string {
  if (done >= total || !(ratePerSecond > 0)) return "";
  return `ETA ${formatDuration(((total - done) / ratePerSecond) * 1000)}`;
}

function failures({ failed }: ProgressState): string {
  return failed === 0 ? "" : `${grouped(failed)} failed`;
}

/** Thousands with commas, whatever the locale: logs are read by programs too. */
function grouped(amount: number): string {
  return String(amount).replace(/\B(?=(\d{3})+$)/g, ",");
}

function perSecond(done: number, ms: number): number {
  return ms > 0 ? (done / ms) * 1000 : Number.NaN;
}

function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : text.slice(0, Math.max(0, columns));
}
