/** Options of one method of an actor: in the actor's `methods`, or per call by `.options()`. */
import { limits } from "../limits.ts";
import type { Duration } from "../units.ts";
import * as read from "./read.ts";

export interface MethodOptions {
  /** Display name; default `Class.method`. */
  name?: string;
  /** From `.remote()` to the result; default none. */
  timeout?: Duration;
  /** How long a cancelled async call may go on before its result is dropped; default 5 s. */
  cancelGrace?: Duration;
  numReturns?: number;
  /** How many items a generator method may be ahead of its reader, at least 1; default 1,024. */
  backpressure?: number;
  /** A group of the actor's `concurrencyGroups`. */
  concurrencyGroup?: string;
}

/** Times in ms. Frozen. */
export interface CompiledMethodOptions {
  /** "" when not given. */
  readonly name: string;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly cancelGraceMs: number;
  readonly numReturns: number;
  /** 0: the default. */
  readonly backpressure: number;
  /** "": the group that declares the method, else the default group. */
  readonly concurrencyGroup: string;
}

const keys = [
  "name",
  "timeout",
  "cancelGrace",
  "numReturns",
  "backpressure",
  "concurrencyGroup",
] satisfies (keyof MethodOptions)[];

/**
 * @param where begins the field's name in errors.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileMethodOptions(
  options?: MethodOptions,
  overrides?: MethodOptions,
  where = "method option ",
): CompiledMethodOptions {
  const given = read.readKeys(
    {
      where,
      keys,
      later: { taskRetries: "retrying actor calls is still to come", retries: "as taskRetries" },
    },
    options,
    overrides,
  );
  return Object.freeze({
    name: given.name === undefined ? "" : read.readName(given.name, `${where}name`),
    timeoutMs: read.readTaskTimeout(given.timeout, `${where}timeout`),
    cancelGraceMs: read.readFiniteDuration(
      given.cancelGrace ?? limits.cancelGrace.value,
      `${where}cancelGrace`,
    ),
    numReturns: read.readInteger(given.numReturns ?? 1, `${where}numReturns`, 0, limits.numReturns.value),
    backpressure:
      given.backpressure === undefined ? 0 : read.readInteger(given.backpressure, `${where}backpressure`, 1),
    concurrencyGroup:
      given.concurrencyGroup === undefined
        ? ""
        : read.readName(given.concurrencyGroup, `${where}concurrencyGroup`),
  });
}
