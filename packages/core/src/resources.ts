/**
 * Resource vectors: how much a task asks for, how much a node has.
 *
 * Amounts are integers so that adding and subtracting never drifts: 1/10,000 of a unit for CPU, GPU and custom
 * resources, whole bytes for `memory` (a terabyte in 1/10,000 bytes would leave the safe integers).
 * A vector holds no zero entries and no negative ones.
 */
import { badOption, IonoError } from "./errors.ts";
import { closestName } from "./options/did-you-mean.ts";
import { parseSize, type Size } from "./units.ts";

/** Parts into which one CPU, GPU or custom resource can be divided. */
export const unitsPerResource = 10_000;

/** Resource name → amount. Keys of a vector made here are sorted. */
export type ResourceVector = Readonly<Record<string, number>>;

/** The options that ask for resources. */
export interface ResourceOptions {
  /** CPUs, to 0.0001. */
  numCpus?: number;
  /** GPUs: a fraction below 1 to 0.0001, or a whole number. */
  numGpus?: number;
  /** Memory to reserve. */
  memory?: Size;
  /** Custom resources by name, to 0.0001. */
  resources?: Readonly<Record<string, number>>;
}

export const noResources: ResourceVector = Object.freeze({});

const customName = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/;
const namedByOption: Readonly<Record<string, string>> = {
  cpu: "numCpus",
  cpus: "numCpus",
  gpu: "numGpus",
  gpus: "numGpus",
  memory: "memory",
};

/**
 * The vector that options ask for; what is left out of `options` comes from `defaults` (in whole CPUs and GPUs).
 * @param where begins the field's name in errors, e.g. "task option ".
 * @throws IonoError BadOption naming the field.
 */
export function parseResources(
  options: ResourceOptions,
  defaults: { numCpus: number; numGpus?: number } = { numCpus: 0 },
  where = "",
): ResourceVector {
  const amounts: [string, number][] = [
    ["CPU", resourceUnits(options.numCpus ?? defaults.numCpus, `${where}numCpus`)],
    ["GPU", gpuUnits(options.numGpus ?? defaults.numGpus ?? 0, `${where}numGpus`)],
    ["memory", options.memory === undefined ? 0 : parseSize(options.memory, `${where}memory`)],
  ];
  const custom: unknown = options.resources;
  if (custom !== undefined) {
    if (typeof custom !== "object" || custom === null || Array.isArray(custom)) {
      throw badOption(`${where}resources`, custom, 'an object like { "disk-io": 1 }');
    }
    for (const [name, amount] of Object.entries(custom)) {
      const field = `${where}resources[${JSON.stringify(name)}]`;
      const option = namedByOption[name.toLowerCase()];
      if (option !== undefined)
        throw new IonoError("BadOption", `${field} is given by the option ${option}; use that`);
      if (!customName.test(name)) {
        throw new IonoError("BadOption", `${field}: a name consists of letters, digits and _ . : / -`);
      }
      if (amount !== undefined) amounts.push([name, resourceUnits(amount, field)]);
    }
  }
  return makeVector(amounts);
}

/** A frozen vector with sorted keys and no zeros. */
export function makeVector(amounts: Iterable<readonly [string, number]>): ResourceVector {
  const kept = [...amounts].filter(([, amount]) => amount !== 0);
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.freeze(Object.fromEntries(kept));
}

/**
 * Units (1/10,000) of an amount.
 * @throws IonoError BadOption when it is negative, not finite, or finer than 0.0001.
 */
export function resourceUnits(amount: unknown, field: string): number {
  const right = "a number ≥ 0 with at most four decimals";
  if (typeof amount !== "number" || !(amount >= 0)) throw badOption(field, amount, right);
  const units = Math.round(amount * unitsPerResource);
  if (!Number.isSafeInteger(units)) throw badOption(field, amount, "a number below 900,000,000,000");
  if (Math.abs(units - amount * unitsPerResource) > 1e-6 * Math.max(1, amount))
    throw badOption(field, amount, right);
  return units;
}

/** As `resourceUnits`, and a fraction only below 1: a GPU is shared, or whole ones are taken. */
export function gpuUnits(amount: unknown, field: string): number {
  const units = resourceUnits(amount, field);
  if (units > unitsPerResource && units % unitsPerResource !== 0) {
    throw badOption(field, amount, "below 1 or a whole number");
  }
  return units;
}

/** True when `demand` can be taken from `available`. */
export function fits(demand: ResourceVector, available: ResourceVector): boolean {
  for (const name in demand) if (demand[name] > (available[name] ?? 0)) return false;
  return true;
}

export function addResources(a: ResourceVector, b: ResourceVector): ResourceVector {
  const sum: Record<string, number> = { ...a };
  for (const name in b) sum[name] = (sum[name] ?? 0) + b[name];
  return makeVector(Object.entries(sum));
}

/** @throws IonoError Internal when `b` is not contained in `a`: something was taken or given back twice. */
export function subtractResources(a: ResourceVector, b: ResourceVector): ResourceVector {
  const rest: Record<string, number> = { ...a };
  for (const name in b) {
    const left = (rest[name] ?? 0) - b[name];
    if (left < 0) throw new IonoError("Internal", `${shapeKey(b)} taken from ${shapeKey(a)}`);
    rest[name] = left;
  }
  return makeVector(Object.entries(rest));
}

/** The vector as a canonical text: equal vectors, equal keys. `"CPU=1,GPU=0.5,memory=1048576"`; nothing = `""`. */
export function shapeKey(vector: ResourceVector): string {
  const names = Object.keys(vector).sort();
  return names.map((name) => `${name}=${resourceAmount(name, vector[name])}`).join(",");
}

/** The vector of a key that `shapeKey` made. */
export function parseShapeKey(key: string): ResourceVector {
  if (key === "") return noResources;
  return makeVector(
    key.split(",").map((entry) => {
      const at = entry.lastIndexOf("=");
      const name = entry.slice(0, at);
      const amount = Number(entry.slice(at + 1));
      if (at < 1 || Number.isNaN(amount))
        throw new IonoError("Internal", `resource shape ${JSON.stringify(key)}`);
      return [name, name === "memory" ? amount : Math.round(amount * unitsPerResource)] as const;
    }),
  );
}

/** An amount of a vector as users count: CPUs, GPUs, bytes. */
export function resourceAmount(name: string, units: number): number {
  return name === "memory" ? units : units / unitsPerResource;
}

/** The vector as users count: `{ CPU: 1, GPU: 0.5, memory: 1048576 }`. */
export function resourceAmounts(vector: ResourceVector): Record<string, number> {
  return Object.fromEntries(
    Object.entries(vector).map(([name, units]) => [name, resourceAmount(name, units)]),
  );
}

/** Why `demand` will never fit a node that has `total`: the first resource that is too small, for an error's text. */
export function missingResource(demand: ResourceVector, total: ResourceVector): string | undefined {
  for (const name of Object.keys(demand)) {
    if (demand[name] <= (total[name] ?? 0)) continue;
    const has = resourceAmount(name, total[name] ?? 0);
    const mayBeMisspelt = total[name] === undefined && namedByOption[name.toLowerCase()] === undefined;
    const near = mayBeMisspelt ? closestName(name, Object.keys(total)) : undefined;
    const hint = near === undefined ? "" : ` (did you mean ${JSON.stringify(near)}?)`;
    return `${resourceAmount(name, demand[name])} ${name} asked for, ${has} there${hint}`;
  }
  return undefined;
}
