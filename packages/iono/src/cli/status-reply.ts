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

export interface Demand {
  /** Of one task: `"CPU=1,GPU=0.5"`, followed by `|` and the strategy unless that is the usual one. */
  readonly shape: string;
  readonly count: number;
}

export interface StoreStatus {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  /** On disk now. */
  readonly diskBytes: number;
  /** Ever moved to disk. */
  readonly spilledBytes: number;
}

export interface NodeStatus {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: { readonly total: Amounts; readonly available: Amounts };
  readonly workers: readonly WorkerStatus[];
  readonly actors: readonly ActorStatus[];
  /** What waits for resources, by the shape it asks for. */
  readonly demand: readonly Demand[];
  readonly store: StoreStatus;
}

export interface LinkStatus {
  /** Name of a node, or `the head`. */
  readonly to: string;
  /** Null until it was measured. */
  readonly roundTripMs: number | null;
}

/** The cluster of several machines that an agent belongs to. */
export interface ClusterMembership {
  readonly id: string;
  /** `tcp://host:port`, as this machine dials it. */
  readonly head: string;
  /** Id and name of the agent's own node. */
  readonly node: string;
  readonly name: string;
  readonly links: readonly LinkStatus[];
  /** Names of the nodes that did not answer in time, or `the head`. */
  readonly silent: readonly string[];
  /** Those that have no node yet. */
  readonly actors: readonly ActorStatus[];
  /** What processes of the agent's own node want that no node can hold. */
  readonly unplaced: readonly Demand[];
}

export interface ProgramStatus {
  /** The node agent's. */
  readonly pid: number;
  readonly driverPid: number;
  /** The user's program, as it was started. */
  readonly program: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** The local one, or those of the cluster. */
  readonly nodes: readonly NodeStatus[];
  /** Null in a local cluster. */
  readonly cluster: ClusterMembership | null;
  readonly store: StoreStatus;
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

const demand: Reader<Demand> = (value, path) => {
  const fields = record(value, path);
  return { shape: text(fields["shape"], `${path}.shape`), count: count(fields["count"], `${path}.count`) };
};

const store: Reader<StoreStatus> = (value, path) => {
  const fields = record(value, path);
  return {
    capacityBytes: count(fields["capacityBytes"], `${path}.capacityBytes`),
    usedBytes: count(fields["usedBytes"], `${path}.usedBytes`),
    diskBytes: count(fields["diskBytes"], `${path}.diskBytes`),
    spilledBytes: count(fields["spilledBytes"], `${path}.spilledBytes`),
  };
};

const link: Reader<LinkStatus> = (value, path) => {
  const fields = record(value, path);
  const { roundTripMs } = fields;
  return {
    to: text(fields["to"], `${path}.to`),
    roundTripMs: roundTripMs === null ? null : amount(roundTripMs, `${path}.roundTripMs`),
  };
};

const node: Reader<NodeStatus> = (value, path) => {
  const fields = record(value, path);
  const resources = record(fields["resources"], `${path}.resources`);
  return {
    id: text(fields["id"], `${path}.id`),
    name: text(fields["name"], `${path}.name`),
    labels: recordOf(text)(fields["labels"], `${path}.labels`),
    resources: {
      total: amounts(resources["total"], `${path}.resources.total`),
      available: amounts(resources["available"], `${path}.resources.available`),
    },
    workers: listOf(worker)(fields["workers"], `${path}.workers`),
    actors: listOf(actor)(fields["actors"], `${path}.actors`),
    demand: listOf(demand)(fields["demand"], `${path}.demand`),
    store: store(fields["store"], `${path}.store`),
  };
};

const membership: Reader<ClusterMembership> = (value, path) => {
  const fields = record(value, path);
  return {
    id: text(fields["id"], `${path}.id`),
    head: text(fields["head"], `${path}.head`),
    node: text(fields["node"], `${path}.node`),
    name: text(fields["name"], `${path}.name`),
    links: listOf(link)(fields["links"], `${path}.links`),
    silent: listOf(text)(fields["silent"], `${path}.silent`),
    actors: listOf(actor)(fields["actors"], `${path}.actors`),
    unplaced: listOf(demand)(fields["unplaced"], `${path}.unplaced`),
  };
};

/** What an agent or a supervisor answers: one line of JSON, without an error. */
function reply(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new StatusReplyError("reply", line.slice(0, 80), "one line of JSON");
  }
  const fields = record(value, "reply");
  // Who does not know the request says so, and what it knows.
  if (fields["error"] !== undefined) throw new StatusReplyError("reply.error", fields["error"], "no error");
  return fields;
}

/**
 * Reads one line of JSON; fields that this version does not know are dropped.
 * @throws StatusReplyError naming the field, its value and what it should be.
 */
export function parseStatusReply(line: string): ProgramStatus {
  const fields = reply(line);
  const { cluster } = fields;
  return {
    pid: count(fields["pid"], "reply.pid"),
    driverPid: count(fields["driverPid"], "reply.driverPid"),
    program: text(fields["program"], "reply.program"),
    startedAtMs: amount(fields["startedAtMs"], "reply.startedAtMs"),
    nodes: listOf(node)(fields["nodes"], "reply.nodes"),
    cluster: cluster === undefined || cluster === null ? null : membership(cluster, "reply.cluster"),
    store: store(fields["store"], "reply.store"),
    versions: recordOf(text)(fields["versions"], "reply.versions"),
  };
}

/** The supervisor of a node, which lives on while its agent is started anew. */
export interface SupervisorStatus {
  readonly pid: number;
  /** Name of its node; "" until it has joined once. */
  readonly name: string;
  /** `iono://host:port` of the cluster's head. */
  readonly address: string;
  readonly isHead: boolean;
  /** The agent's; 0 while there is none. */
  readonly agentPid: number;
  /** Whether the agent has joined. */
  readonly isJoined: boolean;
  /** Why the agent ended, or did not join, when it did last; "" when all is well. */
  readonly trouble: string;
}

/** @throws StatusReplyError */
export function parseSupervisorReply(line: string): SupervisorStatus {
  const fields = reply(line);
  return {
    pid: count(fields["pid"], "reply.pid"),
    name: text(fields["name"], "reply.name"),
    address: text(fields["address"], "reply.address"),
    isHead: flag(fields["isHead"], "reply.isHead"),
    agentPid: count(record(fields["processes"], "reply.processes")["agent"], "reply.processes.agent"),
    isJoined: flag(fields["isJoined"], "reply.isJoined"),
    trouble: text(fields["trouble"], "reply.trouble"),
  };
}
