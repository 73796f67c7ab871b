/** The answer of a node agent to `{"kind":"status"}`, read strictly: an agent of another version must not be half understood. */

/** Amount by resource; memory in bytes. */
export type Amounts = Readonly<Record<string, number>>;

export interface WorkerStatus {
  readonly pid: number;
  /** What it is doing: `idle`, `leased`, `actor` … */
  readonly state: string;
  /** True while its task waits for others, and its CPU is lent. */
  readonly blocked: boolean;
}

export interface ActorStatus {
  readonly className: string;
  /** "" when it has none. */
  readonly name: string;
  readonly state: string;
}

export interface NodeStatus {
  readonly id: string;
  readonly resources: { readonly total: Amounts; readonly available: Amounts };
  readonly workers: readonly WorkerStatus[];
  readonly actors: readonly ActorStatus[];
  /** What waits for resources, by the shape it asks for: `"CPU=1,GPU=0.5"`. */
  readonly demand: readonly { readonly shape: string; readonly count: number }[];
}

export interface ProgramStatus {
  /** The node agent's. */
  readonly pid: number;
  readonly driverPid: number;
  /** The user's program, as it was started. */
  readonly program: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly nodes: readonly NodeStatus[];
  readonly store: {
    readonly capacityBytes: number;
    readonly usedBytes: number;
    /** On disk now. */
    readonly diskBytes: number;
    /** Ever moved to disk. */
    readonly spilledBytes: number;
  };
  /** Version by package or program. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The answer is not what this version of the command understands. `path` leads to the field. */
export class StatusReplyError extends Error {
  readonly path: string;

  constructor(path: string, value: unknown, expected: string) {
    super(`${path} is ${JSON.stringify(value) ?? "missing"}, expected ${expected}`);
    this.name = "StatusReplyError";
    this.path = path;
  }
}

type Reader<T> = (value: unknown, path: string) => T;

const count: Reader<number> = (value, path) => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new StatusReplyError(path, value, "a whole number from 0");
};

const amount: Reader<number> = (value, path) => {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new StatusReplyError(path, value, "a number");
};

const flag: Reader<boolean> = (value, path) => {
  if (typeof value === "boolean") return value;
  throw new StatusReplyError(path, value, "true or false");
};

const text: Reader<string> = (value, path) => {
  if (typeof value === "string") return value;
  throw new StatusReplyError(path, value, "a string");
};

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new StatusReplyError(path, value, "an object");
}

const recordOf =
  <T>(read: Reader<T>): Reader<Record<string, T>> =>
  (value, path) =>
    Object.fromEntries(
      Object.entries(record(value, path)).map(([key, entry]) => [key, read(entry, `${path}.${key}`)]),
    );

const listOf =
  <T>(read: Reader<T>): Reader<T[]> =>
  (value, path) => {
    if (!Array.isArray(value)) throw new StatusReplyError(path, value, "an array");
    return value.map((entry, at) => read(entry, `${path}[${at}]`));
  };

const amounts = recordOf(amount);

const worker: Reader<WorkerStatus> = (value, path) => {
  const fields = record(value, path);
  return {
    pid: count(fields["pid"], `${path}.pid`),
    state: text(fields["state"], `${path}.state`),
    blocked: flag(fields["blocked"], `${path}.blocked`),
  };
};

const actor: Reader<ActorStatus> = (value, path) => {
  const fields = record(value, path);
  return {
    className: text(fields["className"], `${path}.className`),
    name: text(fields["name"], `${path}.name`),
    state: text(fields["state"], `${path}.state`),
  };
};

const demand: Reader<NodeStatus["demand"][number]> = (value, path) => {
  const fields = record(value, path);
  return { shape: text(fields["shape"], `${path}.shape`), count: count(fields["count"], `${path}.count`) };
};

const node: Reader<NodeStatus> = (value, path) => {
  const fields = record(value, path);
  const resources = record(fields["resources"], `${path}.resources`);
  return {
    id: text(fields["id"], `${path}.id`),
    resources: {
      total: amounts(resources["total"], `${path}.resources.total`),
      available: amounts(resources["available"], `${path}.resources.available`),
    },
    workers: listOf(worker)(fields["workers"], `${path}.workers`),
    actors: listOf(actor)(fields["actors"], `${path}.actors`),
    demand: listOf(demand)(fields["demand"], `${path}.demand`),
  };
};

/**
 * Reads one line of JSON; fields that this version does not know are dropped.
 * @throws StatusReplyError naming the field, its value and what it should be.
 */
export function parseStatusReply(line: string): ProgramStatus {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new StatusReplyError("reply", line.slice(0, 80), "one line of JSON");
  }
  const fields = record(value, "reply");
  // An agent that does not know the request says so, and what it knows.
  if (fields["error"] !== undefined) throw new StatusReplyError("reply.error", fields["error"], "no error");
  const store = record(fields["store"], "reply.store");
  return {
    pid: count(fields["pid"], "reply.pid"),
    driverPid: count(fields["driverPid"], "reply.driverPid"),
    program: text(fields["program"], "reply.program"),
    startedAtMs: amount(fields["startedAtMs"], "reply.startedAtMs"),
    nodes: listOf(node)(fields["nodes"], "reply.nodes"),
    store: {
      capacityBytes: count(store["capacityBytes"], "reply.store.capacityBytes"),
      usedBytes: count(store["usedBytes"], "reply.store.usedBytes"),
      diskBytes: count(store["diskBytes"], "reply.store.diskBytes"),
      spilledBytes: count(store["spilledBytes"], "reply.store.spilledBytes"),
    },
    versions: recordOf(text)(fields["versions"], "reply.versions"),
  };
}
