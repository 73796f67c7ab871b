/** Options of a remote function: friendly outside, complete and unit-suffixed inside. */
import type { LabelSelector } from "../labels.ts";
import { limits } from "../limits.ts";
import { parseResources, shapeKey, type ResourceOptions, type ResourceVector } from "../resources.ts";
import type { Duration } from "../units.ts";
import * as read from "./read.ts";
import { readRetryOn, type RetryOn } from "./retry.ts";
import { compileScheduling, strategyKey, type Scheduling, type SchedulingStrategy } from "./scheduling.ts";

export interface TaskOptions extends ResourceOptions {
  /** Default 1. */
  numCpus?: number;
  scheduling?: Scheduling;
  /** Labels that the node must have: `{ gpu: "in(H100,H200)", zone: "!a" }`. */
  labels?: LabelSelector;
  /** How often a task whose worker died is run again; default 3, -1 without limit. */
  retries?: number;
  /** Which errors of the task itself count as a reason to run it again; default none. */
  retryOn?: RetryOn;
  /** Pause before it is run again; default 0. */
  retryDelay?: Duration;
  /** From `.remote()` to the result; default none. */
  timeout?: Duration;
  /** How long a cancelled task may go on before its worker is replaced; default 5 s. */
  cancelGrace?: Duration;
  /** How many refs `.remote()` returns: the function returns an array of that length. Default 1. */
  numReturns?: number;
  /** How many items a generator may be ahead of its reader, at least 1; default 1,024. */
  backpressure?: number;
  /** After how many runs of this function its worker is replaced; 0 never. Default 0, with GPUs 1. */
  maxCalls?: number;
  /** Display name; default the function's own. */
  name?: string;
}

/** Times in ms, resources in 1/10,000 units, memory in bytes. Frozen. */
export interface CompiledTaskOptions {
  /** "" when not given. */
  readonly name: string;
  readonly cpuUnits: number;
  readonly gpuUnits: number;
  readonly memoryBytes: number;
  readonly resources: ResourceVector;
  /** Canonical key of `resources`. */
  readonly shape: string;
  /** What `scheduling` and `labels` say. */
  readonly strategy: SchedulingStrategy;
  /** Canonical key of `strategy`; "" for the default. */
  readonly strategyKey: string;
  /** -1: without limit. */
  readonly retries: number;
  /** null: an error of the task is final. */
  readonly retryOn: RetryOn | null;
  readonly retryDelayMs: number;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly cancelGraceMs: number;
  readonly numReturns: number;
  /** 0: the default. */
  readonly backpressure: number;
  /** 0: never. */
  readonly maxCalls: number;
}

const schema: read.OptionSchema = {
  where: "task option ",
  keys: [
    "numCpus",
    "numGpus",
    "memory",
    "resources",
    "scheduling",
    "labels",
    "retries",
    "retryOn",
    "retryDelay",
    "timeout",
    "cancelGrace",
    "numReturns",
    "backpressure",
    "maxCalls",
    "name",
  ] satisfies (keyof TaskOptions)[],
  later: {
    runtimeEnv: "runtime environments are still to come",
  },
  fixed: ["maxCalls"],
};

/**
 * @param options as given to `remote(fn, options)`.
 * @param overrides as given to `.options(overrides)`; what they leave out comes from `options`.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileTaskOptions(options?: TaskOptions, overrides?: TaskOptions): CompiledTaskOptions {
  const given = read.readKeys(schema, options, overrides);
  const { where } = schema;
  const resources = parseResources(given, { numCpus: 1 }, where);
  const strategy = compileScheduling(given.scheduling, given.labels, where);
  const gpuUnits = resources["GPU"] ?? 0;
  return Object.freeze({
    name: given.name === undefined ? "" : read.readName(given.name, `${where}name`),
    cpuUnits: resources["CPU"] ?? 0,
    gpuUnits,
    memoryBytes: resources["memory"] ?? 0,
    resources,
    shape: shapeKey(resources),
    strategy,
    strategyKey: strategyKey(strategy),
    retries: read.readCountOrUnlimited(given.retries ?? limits.taskRetries.value, `${where}retries`),
    retryOn: readRetryOn(given.retryOn, `${where}retryOn`),
    retryDelayMs: read.readFiniteDuration(given.retryDelay ?? 0, `${where}retryDelay`),
    timeoutMs: read.readTaskTimeout(given.timeout, `${where}timeout`),
    cancelGraceMs: read.readFiniteDuration(
      given.cancelGrace ?? limits.cancelGrace.value,
      `${where}cancelGrace`,
    ),
    numReturns: read.readInteger(given.numReturns ?? 1, `${where}numReturns`, 0, limits.numReturns.value),
    backpressure:
      given.backpressure === undefined ? 0 : read.readInteger(given.backpressure, `${where}backpressure`, 1),
    // Memory of the accelerator is only given back when the process ends.
    maxCalls: read.readInteger(given.maxCalls ?? (gpuUnits > 0 ? 1 : 0), `${where}maxCalls`, 0),
  });
}
