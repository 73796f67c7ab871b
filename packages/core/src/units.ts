/** Durations and sizes as users write them, turned into milliseconds and bytes. */
import { badOption } from "./errors.ts";
import { limits } from "./limits.ts";

export type DurationUnit = "ms" | "s" | "m" | "h";
/** Milliseconds, or a number with its unit: `"250ms"`, `"5s"`, `"2m"`, `"1h"`. */
export type Duration = number | `${number}${DurationUnit}`;

export type SizeUnit = "B" | "KB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB" | "TiB";
/** Bytes, or a number with its unit: `"64MiB"` (1024-based), `"1GB"` (1000-based). */
export type Size = number | `${number}${SizeUnit}`;

/** Longest delay a timer can hold (2^31 - 1 ms, 24.8 days). */
const maxDurationMs = limits.timer.value;

const durationMs: Record<DurationUnit, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const sizeBytes: Record<SizeUnit, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

const quantity = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/;

const rightDuration = 'milliseconds or a text like "250ms", "5s", "2m" or "1h"';
const rightSize = 'whole bytes or a text like "64MiB" or "1GB"';

/**
 * Milliseconds of a duration. `Infinity` stands for "without limit".
 * @throws IonoError BadOption when it is negative, NaN, unreadable, or longer than a timer can hold (24.8 days).
 */
export function parseDuration(value: unknown, field: string): number {
  const ms = typeof value === "number" ? value : readQuantity(value, durationMs);
  if (Number.isNaN(ms) || ms < 0) throw badOption(field, value, rightDuration);
  if (ms > maxDurationMs && ms !== Infinity) {
    throw badOption(field, value, "at most 596h (24.8 days), or left out for no limit");
  }
  return ms;
}

/**
 * Whole bytes of a size; fractions of a byte are rounded down.
 * @throws IonoError BadOption when it is negative, not a whole number of bytes, or unreadable.
 */
export function parseSize(value: unknown, field: string): number {
  const bytes = typeof value === "number" ? value : Math.floor(readQuantity(value, sizeBytes));
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw badOption(field, value, rightSize);
  return bytes;
}

/** NaN when the text is not a number followed by one of the units. */
function readQuantity(value: unknown, units: Readonly<Record<string, number>>): number {
  const match = typeof value === "string" ? quantity.exec(value) : null;
  if (match === null || !Object.hasOwn(units, match[2])) return Number.NaN;
  return Number(match[1]) * units[match[2]];
}

/** A duration for people: `"340µs"`, `"12.5ms"`, `"3.2s"`, `"4m 05s"`, `"2h 03m"`. */
export function formatDuration(ms: number): string {
  if (Number.isNaN(ms)) return "?";
  if (ms === Infinity) return "∞";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms === 0) return "0ms";
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))}µs`;
  if (ms < 999.5) return `${short(ms)}ms`;
  if (ms < 59_950) return `${short(ms / 1000)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

/** A size for people, 1024-based: `"512B"`, `"1.5KiB"`, `"64MiB"`. */
export function formatSize(bytes: number): string {
  if (!Number.isFinite(bytes)) return Number.isNaN(bytes) ? "?" : "∞";
  if (bytes < 0) return `-${formatSize(-bytes)}`;
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let amount = bytes;
  while (amount >= 1023.5 && at < names.length - 1) {
    amount /= 1024;
    at += 1;
  }
  return `${short(amount)}${names[at]}`;
}

/** Three significant digits at most, without trailing zeros; whole above 100. */
function short(amount: number): string {
  if (amount >= 99.95) return String(Math.round(amount));
  return String(Number(amount.toPrecision(3)));
}

function two(amount: number): string {
  return String(amount).padStart(2, "0");
}
