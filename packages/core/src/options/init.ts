/** Options of `init()`. */
import { badOption } from "../errors.ts";
import { parseLabels, type Labels } from "../labels.ts";
import { limits } from "../limits.ts";
import { parseResources, resourceUnits, type ResourceVector } from "../resources.ts";
import { parseSize, type Size } from "../units.ts";
import * as read from "./read.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface InitOptions {
  /** Of the head of a cluster to join, like `iono://10.0.0.5:7600`; default `IONO_ADDRESS`, else a local cluster. */
  address?: string;
  /** What `iono start --head` or `iono token create` printed; default `IONO_TOKEN`. */
  token?: string;
  /** Namespace of named actors; default one of its own for this program. */
  namespace?: string;
  /** CPUs that tasks may use; default those the process may use. */
  numCpus?: number;
  /** GPUs that tasks may use; default those found. Whole. */
  numGpus?: number;
  /** Custom resources of this machine. */
  resources?: Readonly<Record<string, number>>;
  /** Labels of this machine. */
  labels?: Labels;
  /** Size of the object store, or a share of memory like `"30%"` (default). */
  objectStore?: Size | `${number}%`;
  /** Where objects go that do not fit the store; default a directory under the temporary one. */
  spillDir?: string;
  /** Most worker processes at a time; default 256. */
  maxWorkers?: number;
  /** Run everything in this process, for unit tests and breakpoints. */
  inline?: boolean;
  /** Default "warn". */
  logLevel?: LogLevel;
}

/** What the machine has, within what this process is allowed. */
export interface MachineTotals {
  readonly cpus: number;
  readonly gpus: number;
  readonly memoryBytes: number;
}

/** Resources in 1/10,000 units, memory in bytes. Frozen. */
export interface CompiledInitOptions {
  /** Both "" for a local cluster. */
  readonly address: string;
  readonly token: string;
  /** "" when not given. */
  readonly namespace: string;
  readonly cpuUnits: number;
  readonly gpuUnits: number;
  readonly memoryBytes: number;
  /** CPU, GPU, memory (what the object store leaves) and custom resources. */
  readonly resources: ResourceVector;
  readonly labels: Labels;
  readonly objectStoreBytes: number;
  /** "" when not given. */
  readonly spillDir: string;
  readonly maxWorkers: number;
  readonly inline: boolean;
  readonly logLevel: LogLevel;
}

const schema: read.OptionSchema = {
  where: "init option ",
  keys: [
    "address",
    "token",
    "namespace",
    "numCpus",
    "numGpus",
    "resources",
    "labels",
    "objectStore",
    "spillDir",
    "maxWorkers",
    "inline",
    "logLevel",
  ] satisfies (keyof InitOptions)[],
  later: {
    dashboard: "the dashboard is still to come",
    runtimeEnv: "runtime environments are still to come",
  },
};

const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];
const defaultStoreShare = 0.3;

/**
 * @param machine supplies the defaults of CPUs, GPUs and sizes.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileInitOptions(
  options: InitOptions | undefined,
  machine: MachineTotals,
): CompiledInitOptions {
  const given = read.readKeys(schema, options);
  const { where } = schema;
  const objectStoreBytes = readStoreBytes(given.objectStore, `${where}objectStore`, machine.memoryBytes);
  const numGpus = read.readInteger(given.numGpus ?? machine.gpus, `${where}numGpus`, 0);
  const numCpus = given.numCpus ?? machine.cpus;
  resourceUnits(numCpus, `${where}numCpus`);
  const memory = Math.max(0, machine.memoryBytes - objectStoreBytes);
  const resources = parseResources(
    { numCpus, numGpus, memory, resources: given.resources },
    undefined,
    where,
  );
  const labels = parseLabels(given.labels ?? {}, `${where}labels`);
  if (Object.keys(labels).length > limits.labels.value) {
    throw badOption(`${where}labels`, given.labels, `at most ${limits.labels.value} labels`);
  }
  const { address, token } = readAddress(given);
  return Object.freeze({
    address,
    token,
    namespace: given.namespace === undefined ? "" : read.readName(given.namespace, `${where}namespace`),
    cpuUnits: resources["CPU"] ?? 0,
    gpuUnits: resources["GPU"] ?? 0,
    memoryBytes: memory,
    resources,
    labels,
    objectStoreBytes,
    spillDir: readPath(given.spillDir, `${where}spillDir`),
    maxWorkers: read.readInteger(given.maxWorkers ?? limits.workers.value, `${where}maxWorkers`, 1),
    inline: read.readBoolean(given.inline ?? false, `${where}inline`),
    logLevel: read.readChoice(given.logLevel ?? "warn", `${where}logLevel`, logLevels),
  });
}

/** What only a cluster that starts with the program has of it. */
export const localInitOptions = [
  "numCpus",
  "numGpus",
  "resources",
  "labels",
  "maxWorkers",
] as const satisfies (keyof InitOptions)[];

function readAddress({ address = "", token = "", inline, ...others }: InitOptions): {
  address: string;
  token: string;
} {
  const { where } = schema;
  for (const [field, value] of Object.entries({ address, token })) {
    if (typeof value !== "string" || value.length > 1024)
      throw badOption(`${where}${field}`, value, field === "address" ? '"iono://host:port"' : "a token");
  }
  if (address === "" && token !== "")
    throw badOption(`${where}address`, address, "the address of the cluster that the token is for");
  if (address !== "" && token === "")
    throw badOption(
      `${where}token`,
      token,
      "the token that `iono start --head` or `iono token create` printed",
    );
  if (address !== "" && inline === true)
    throw badOption(
      `${where}inline`,
      inline,
      "false with an address: inline runs everything in this process",
    );
  for (const name of localInitOptions) {
    if (address !== "" && others[name] !== undefined)
      throw badOption(`${where}${name}`, others[name], "absent with an address: the cluster has its own");
  }
  return { address, token };
}

function readStoreBytes(value: InitOptions["objectStore"], field: string, memoryBytes: number): number {
  if (value === undefined) return Math.floor(memoryBytes * defaultStoreShare);
  if (typeof value === "string" && value.endsWith("%")) {
    const share = /^\d+(?:\.\d+)?%$/.test(value) ? Number(value.slice(0, -1)) : Number.NaN;
    if (!(share > 0 && share <= 90))
      throw badOption(field, value, 'a share up to "90%", or a size like "2GiB"');
    return Math.floor((memoryBytes * share) / 100);
  }
  const bytes = parseSize(value, field);
  if (bytes < 1024 * 1024) throw badOption(field, value, 'at least "1MiB", or a share of memory like "30%"');
  return bytes;
}

function readPath(value: unknown, field: string): string {
  if (value === undefined) return "";
  if (typeof value !== "string" || value === "" || value.includes("\0"))
    throw badOption(field, value, "a directory's path");
  return value;
}
