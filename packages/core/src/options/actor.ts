/** Options of an actor: friendly outside, complete and unit-suffixed inside. */
import { badOption, IonoError } from "../errors.ts";
import type { LabelSelector } from "../labels.ts";
import { limits } from "../limits.ts";
import { parseResources, shapeKey, type ResourceOptions, type ResourceVector } from "../resources.ts";
import { closestName } from "./did-you-mean.ts";
import { compileMethodOptions, type CompiledMethodOptions, type MethodOptions } from "./method.ts";
import * as read from "./read.ts";
import { compileScheduling, strategyKey, type Scheduling, type SchedulingStrategy } from "./scheduling.ts";

export interface ConcurrencyGroup {
  /** How many of its calls may run at a time. */
  limit: number;
  methods?: readonly string[];
}

export interface ActorOptions extends ResourceOptions {
  /** Held while it lives. Left out: 1 to be placed, 0 once it runs. */
  numCpus?: number;
  scheduling?: Scheduling;
  /** Labels that the node must have: `{ gpu: "in(H100,H200)", zone: "!a" }`. */
  labels?: LabelSelector;
  /** How often it is restarted after its process died. Only 0 in this version. */
  restarts?: number;
  /** How often a call is retried after the actor died. Only 0 in this version. */
  taskRetries?: number;
  /** How many calls may be under way at a time; default 1,000 with any async method, else 1. */
  maxConcurrency?: number;
  concurrencyGroups?: Readonly<Record<string, ConcurrencyGroup>>;
  /** A name by which `getActor` finds it. */
  name?: string;
  namespace?: string;
  /** Answer the living actor of that name instead of failing. */
  getIfExists?: boolean;
  /** "handle": ends with its last handle. "detached": lives until killed. */
  lifetime?: "handle" | "detached";
  /** How many unfinished calls one caller may have; -1 (default) without limit. */
  maxPendingCalls?: number;
  /** Options of single methods, by name. `numReturns` is given per call instead, where its type is seen. */
  methods?: Readonly<Record<string, Omit<MethodOptions, "numReturns">>>;
}

/** What the options need to know about the class. */
export interface ActorClassInfo {
  /** Decides the default of `maxConcurrency`. */
  readonly hasAsyncMethods?: boolean;
  /** Names that `methods` and `concurrencyGroups` may use; left out, any. */
  readonly methodNames?: readonly string[];
}

export interface CompiledConcurrencyGroup {
  readonly name: string;
  readonly limit: number;
  readonly methods: readonly string[];
}

/** Resources in 1/10,000 units, memory in bytes. Frozen. */
export interface CompiledActorOptions {
  /** What it holds while it lives. */
  readonly cpuUnits: number;
  readonly gpuUnits: number;
  readonly memoryBytes: number;
  readonly resources: ResourceVector;
  readonly shape: string;
  /** What must be free for it to be placed. */
  readonly placementResources: ResourceVector;
  readonly placementShape: string;
  /** What `scheduling` and `labels` say. */
  readonly strategy: SchedulingStrategy;
  /** Canonical key of `strategy`; "" for the default. */
  readonly strategyKey: string;
  readonly restarts: number;
  readonly taskRetries: number;
  readonly maxConcurrency: number;
  readonly concurrencyGroups: readonly CompiledConcurrencyGroup[];
  /** "" when not given; so is `namespace`. */
  readonly name: string;
  readonly namespace: string;
  readonly getIfExists: boolean;
  readonly detached: boolean;
  /** -1: without limit. */
  readonly maxPendingCalls: number;
  /** Method name → its options; only methods that have some. */
  readonly methods: Readonly<Record<string, CompiledMethodOptions>>;
}

const schema: read.OptionSchema = {
  where: "actor option ",
  keys: [
    "numCpus",
    "numGpus",
    "memory",
    "resources",
    "scheduling",
    "labels",
    "restarts",
    "taskRetries",
    "maxConcurrency",
    "concurrencyGroups",
    "name",
    "namespace",
    "getIfExists",
    "lifetime",
    "maxPendingCalls",
    "methods",
    "exactlyOnce",
  ] satisfies (keyof ActorOptions | "exactlyOnce")[],
  later: {
    runtimeEnv: "runtime environments are still to come",
    checkpointEvery: "checkpoints of actors are still to come",
  },
  fixed: ["concurrencyGroups"],
};

/**
 * @param options as given to `remote(Class, options)`.
 * @param overrides as given to `.options(overrides)`.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileActorOptions(
  options?: ActorOptions,
  overrides?: ActorOptions,
  info: ActorClassInfo = {},
): CompiledActorOptions {
  const given: Partial<ActorOptions & { exactlyOnce: unknown }> = read.readKeys(schema, options, overrides);
  const { where } = schema;
  refuseLater(given);
  const resources = parseResources(given, { numCpus: 0 }, where);
  const placementResources = parseResources(given, { numCpus: 1 }, where);
  const strategy = compileScheduling(given.scheduling, given.labels, where);
  const name = given.name === undefined ? "" : read.readName(given.name, `${where}name`);
  const getIfExists = read.readBoolean(given.getIfExists ?? false, `${where}getIfExists`);
  if (getIfExists && name === "") throw new IonoError("BadOption", `${where}getIfExists needs a name`);
  const concurrency = info.hasAsyncMethods === true ? limits.asyncActorConcurrency.value : 1;
  const groups = readGroups(given.concurrencyGroups, `${where}concurrencyGroups`, info.methodNames);
  const methods = readMethods(given.methods, `${where}methods`, info.methodNames);
  for (const [method, { concurrencyGroup }] of Object.entries(methods)) {
    if (concurrencyGroup !== "" && !groups.some((group) => group.name === concurrencyGroup)) {
      const known = groups.map((group) => group.name).join(", ") || "none is declared";
      throw badOption(
        `${where}methods.${method}.concurrencyGroup`,
        concurrencyGroup,
        `one of concurrencyGroups (${known})`,
      );
    }
  }
  return Object.freeze({
    cpuUnits: resources["CPU"] ?? 0,
    gpuUnits: resources["GPU"] ?? 0,
    memoryBytes: resources["memory"] ?? 0,
    resources,
    shape: shapeKey(resources),
    placementResources,
    placementShape: shapeKey(placementResources),
    strategy,
    strategyKey: strategyKey(strategy),
    restarts: 0,
    taskRetries: 0,
    maxConcurrency: read.readInteger(given.maxConcurrency ?? concurrency, `${where}maxConcurrency`, 1),
    concurrencyGroups: groups,
    name,
    namespace: given.namespace === undefined ? "" : read.readName(given.namespace, `${where}namespace`),
    getIfExists,
    detached:
      read.readChoice(given.lifetime ?? "handle", `${where}lifetime`, ["handle", "detached"]) === "detached",
    maxPendingCalls: readMaxPendingCalls(given.maxPendingCalls, `${where}maxPendingCalls`),
    methods,
  });
}

function refuseLater(given: Partial<ActorOptions & { exactlyOnce: unknown }>): void {
  const { where } = schema;
  if (read.readCountOrUnlimited(given.restarts ?? 0, `${where}restarts`) !== 0) {
    throw read.notInThisVersion(`${where}restarts: ${given.restarts}`, "restarting actors is still to come");
  }
  if (read.readCountOrUnlimited(given.taskRetries ?? 0, `${where}taskRetries`) !== 0) {
    throw read.notInThisVersion(
      `${where}taskRetries: ${given.taskRetries}`,
      "retrying actor calls is still to come",
    );
  }
  if (read.readBoolean(given.exactlyOnce ?? false, `${where}exactlyOnce`)) {
    throw read.notInThisVersion(`${where}exactlyOnce: true`, "exactly-once calls are still to come");
  }
}

function readMaxPendingCalls(value: number | undefined, field: string): number {
  if (value === undefined || value === -1) return -1;
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw badOption(field, value, "a whole number ≥ 1, or -1 for no limit");
}

function readGroups(
  groups: ActorOptions["concurrencyGroups"],
  field: string,
  methodNames: readonly string[] | undefined,
): readonly CompiledConcurrencyGroup[] {
  if (groups === undefined) return Object.freeze([]);
  requireObject(groups, field, '{ io: { limit: 2, methods: ["read"] } }');
  const taken = new Map<string, string>();
  const compiled = Object.entries(groups).map(([name, group]) => {
    const where = `${field}.${name}.`;
    requireObject(group, `${field}.${name}`, '{ limit: 2, methods: ["read"] }');
    read.readKeys({ where, keys: ["limit", "methods"], later: {} }, group);
    const methods: unknown = group.methods ?? [];
    if (!Array.isArray(methods)) throw badOption(`${where}methods`, methods, "a list of method names");
    for (const method of methods) {
      requireMethod(read.readName(method, `${where}methods`), `${where}methods`, methodNames);
      const other = taken.get(method);
      if (other !== undefined) {
        throw new IonoError("BadOption", `${where}methods: ${method} is in the group ${other} already`);
      }
      taken.set(method, name);
    }
    return Object.freeze({
      name: read.readName(name, field),
      limit: read.readInteger(group.limit, `${where}limit`, 1),
      methods: Object.freeze([...methods]),
    });
  });
  return Object.freeze(compiled);
}

function readMethods(
  methods: ActorOptions["methods"],
  field: string,
  methodNames: readonly string[] | undefined,
): Readonly<Record<string, CompiledMethodOptions>> {
  if (methods === undefined) return Object.freeze({});
  requireObject(methods, field, '{ slow: { timeout: "1m" } }');
  const compiled: [string, CompiledMethodOptions][] = [];
  for (const [name, options] of Object.entries(methods)) {
    if (options === undefined) continue;
    requireMethod(name, field, methodNames);
    if (Object.hasOwn(Object(options), "numReturns")) {
      throw new IonoError(
        "BadOption",
        `${field}.${name}.numReturns: give it per call, .options({ numReturns: 2 }).remote()`,
      );
    }
    compiled.push([name, compileMethodOptions(options, undefined, `${field}.${name}.`)]);
  }
  return Object.freeze(Object.fromEntries(compiled));
}

function requireMethod(name: string, field: string, methodNames: readonly string[] | undefined): void {
  if (methodNames === undefined || methodNames.includes(name)) return;
  const near = closestName(name, methodNames);
  const hint = near === undefined ? `it has ${methodNames.join(", ") || "none"}` : `did you mean ${near}?`;
  throw new IonoError("BadOption", `${field}: the class has no method ${name}; ${hint}`);
}

function requireObject(value: unknown, field: string, example: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badOption(field, value, `an object like ${example}`);
  }
}
