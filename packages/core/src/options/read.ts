/** What every kind of options shares: known keys, keys of later versions, and the readers of single fields. */
import { badOption, describeValue, IonoError } from "../errors.ts";
import { limits } from "../limits.ts";
import { parseDuration, type Duration } from "../units.ts";
import { closestName } from "./did-you-mean.ts";

/** How a kind of options speaks of itself in errors, and which keys it takes. */
export interface OptionSchema {
  /** Begins every field's name in errors: "task option ". */
  readonly where: string;
  readonly keys: readonly string[];
  /** Keys that exist in the API but not in this version, with what they are for. */
  readonly later: Readonly<Record<string, string>>;
  /** Keys that may be given where the thing is defined but not in `.options()`. */
  readonly fixed?: readonly string[];
}

/**
 * The options that are given (not undefined), checked for unknown keys; `overrides` win over `options`.
 * @throws IonoError BadOption naming the key.
 */
export function readKeys<T extends object>(
  schema: OptionSchema,
  options: T | undefined,
  overrides?: T,
): Partial<T> {
  const given: Record<string, unknown> = {};
  take(schema, options, given);
  if (overrides !== undefined) {
    for (const key of schema.fixed ?? []) {
      if (Object.hasOwn(Object(overrides), key) && Reflect.get(overrides, key) !== undefined) {
        throw new IonoError(
          "BadOption",
          `${schema.where}${key} cannot be changed by .options(); give it to remote()`,
        );
      }
    }
    take(schema, overrides, given);
  }
  return given as Partial<T>;
}

function take(schema: OptionSchema, options: unknown, into: Record<string, unknown>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new IonoError(
      "BadOption",
      `${schema.where.trim()}s must be an object; got ${describeValue(options)}`,
    );
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (Object.hasOwn(schema.later, key)) throw notInThisVersion(`${schema.where}${key}`, schema.later[key]);
    if (!schema.keys.includes(key)) {
      const near = closestName(key, [...schema.keys, ...Object.keys(schema.later)]);
      const hint = near === undefined ? `known: ${schema.keys.join(", ")}` : `did you mean ${near}?`;
      throw new IonoError("BadOption", `${schema.where}${key} is unknown; ${hint}`);
    }
    into[key] = value;
  }
}

export function notInThisVersion(field: string, why: string): IonoError {
  return new IonoError("BadOption", `${field} is not in this version (${why}); leave it out`);
}

/** A whole number from `min` to `max`. */
export function readInteger(
  value: unknown,
  field: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`;
  throw badOption(field, value, `a whole number ${range}`);
}

/** As `readInteger`, and -1 for "without limit". */
export function readCountOrUnlimited(value: unknown, field: string): number {
  if (value === -1) return -1;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw badOption(field, value, "a whole number ≥ 0, or -1 for no limit");
}

export function readBoolean(value: unknown, field: string): boolean {
  if (typeof value === "boolean") return value;
  throw badOption(field, value, "true or false");
}

export function readChoice<T extends string>(value: unknown, field: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw badOption(field, value, choices.map((choice) => JSON.stringify(choice)).join(" or "));
}

/** A non-empty text of at most `limits.actorName` characters without control characters. */
export function readName(value: unknown, field: string): string {
  const most = limits.actorName.value;
  if (typeof value === "string" && value !== "" && value.length <= most && !/\p{Cc}/u.test(value))
    return value;
  throw badOption(field, value, `a non-empty text of at most ${most} characters on one line`);
}

/** A time after which work is given up: more than 0 ms; 0 stands for "no limit" in compiled task and method options. */
export function readTaskTimeout(value: Duration | undefined, field: string): number {
  if (value === undefined || value === Infinity) return 0;
  const timeoutMs = parseDuration(value, field);
  if (timeoutMs === 0) throw badOption(field, value, "more than 0, or left out for no limit");
  return timeoutMs;
}

/** A time to wait: 0 looks once; Infinity, and left out, wait without limit. */
export function readWaitTimeout(value: Duration | undefined, field: string): number {
  return value === undefined ? Infinity : parseDuration(value, field);
}

export function readFiniteDuration(value: Duration, field: string): number {
  const ms = parseDuration(value, field);
  if (ms === Infinity) throw badOption(field, value, 'finite: milliseconds or a text like "5s"');
  return ms;
}

/** What `AbortSignal` is to core, which knows no platform. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
}

export function readSignal<S extends AbortSignalLike>(value: S | undefined, field: string): S | undefined {
  const ok =
    value === undefined ||
    (typeof value === "object" &&
      value !== null &&
      typeof value.aborted === "boolean" &&
      "addEventListener" in value);
  if (!ok) throw badOption(field, value, "an AbortSignal");
  return value;
}
