/** Options of `get` and `wait`. */
import { badOption } from "../errors.ts";
import type { Duration } from "../units.ts";
import * as read from "./read.ts";

export interface GetOptions<S extends read.AbortSignalLike = read.AbortSignalLike> {
  /** How long to wait; 0 looks once. Default without limit. */
  timeout?: Duration;
  signal?: S;
}

export interface CompiledGetOptions<S extends read.AbortSignalLike = read.AbortSignalLike> {
  /** Infinity: without limit. */
  readonly timeoutMs: number;
  readonly signal: S | undefined;
}

export interface WaitOptions<S extends read.AbortSignalLike = read.AbortSignalLike> extends GetOptions<S> {
  /** How many refs to wait for; default 1. */
  count?: number;
}

export interface CompiledWaitOptions<
  S extends read.AbortSignalLike = read.AbortSignalLike,
> extends CompiledGetOptions<S> {
  readonly count: number;
}

const get: read.OptionSchema = { where: "get option ", keys: ["timeout", "signal"], later: {} };
const wait: read.OptionSchema = { where: "wait option ", keys: ["count", "timeout", "signal"], later: {} };

/** @throws IonoError BadOption naming the field, the value and what would be right. */
export function compileGetOptions<S extends read.AbortSignalLike>(
  options?: GetOptions<S>,
): CompiledGetOptions<S> {
  const given: Partial<GetOptions<S>> = read.readKeys(get, options);
  return Object.freeze({
    timeoutMs: read.readWaitTimeout(given.timeout, `${get.where}timeout`),
    signal: read.readSignal(given.signal, `${get.where}signal`),
  });
}

/**
 * @param refCount how many refs there are; `count` may not exceed it.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileWaitOptions<S extends read.AbortSignalLike>(
  options: WaitOptions<S> | undefined,
  refCount: number,
): CompiledWaitOptions<S> {
  const given: Partial<WaitOptions<S>> = read.readKeys(wait, options);
  const field = `${wait.where}count`;
  const count = read.readInteger(given.count ?? Math.min(1, refCount), field, Math.min(1, refCount));
  if (count > refCount) throw badOption(field, count, `at most ${refCount}, the number of refs`);
  return Object.freeze({
    timeoutMs: read.readWaitTimeout(given.timeout, `${wait.where}timeout`),
    signal: read.readSignal(given.signal, `${wait.where}signal`),
    count,
  });
}
