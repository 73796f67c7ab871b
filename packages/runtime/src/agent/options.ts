/** What an agent is told at its start, complete: passed in the environment variable `IONO_BOOT`. */
import { processNumber, type ResourceVector } from "@iono/core";
import { randomBytes } from "node:crypto";
import type { JobSeed } from "../member/job-id.ts";
import type { CurveKeys } from "../mesh/keys.ts";
import type { NodeOptions } from "../supervisor/options.ts";
import { version } from "../version.ts";

/** The cluster of several machines that an agent joins. */
export interface ClusterJoin {
  /** `iono://host:port` of its head. */
  readonly address: string;
  readonly token: string;
  /** Null: made at the start, and kept in memory only. */
  readonly keys: CurveKeys | null;
  /** The gateway of this machine, if there is one. `guards`: it is this agent's, which says who may come in. */
  readonly gateway: { readonly path: string; readonly secret: string; readonly guards: boolean } | null;
  /** `host:port` where other nodes dial that gateway; "" when they do not. */
  readonly endpoint: string;
}

/** The program that started the agent. */
export interface AgentDriver {
  readonly pid: number;
  readonly program: string;
  readonly job: JobSeed;
  /** URL of the program's entry, which workers never run. */
  readonly entry: string;
  /** Of the program's named actors. */
  readonly namespace: string;
  /** Path of the page by which the driver learns where the store is; "" without shared memory. */
  readonly bootPage: string;
}

export interface AgentOptions {
  readonly version: string;
  readonly parentPid: number;
  /** Null for a node that was started by `iono start`. */
  readonly driver: AgentDriver | null;
  /** Null in a local cluster. */
  readonly cluster: ClusterJoin | null;
  /** "": the head finds one. */
  readonly name: string;
  /** Every process of the node knows it; a connection without it is refused. */
  readonly secret: string;
  readonly resources: ResourceVector;
  readonly labels: Readonly<Record<string, string>>;
  readonly objectStoreBytes: number;
  readonly spillDir: string;
  readonly maxWorkers: number;
  readonly logLevel: string;
  /** How workers are started: program arguments of node and the file they run. */
  readonly worker: { readonly execArgv: readonly string[]; readonly file: string };
  readonly startWorkers: number;
  /** Where packages are found for programs of other machines. */
  readonly directory: string;
}

/** What a supervisor tells: the rest follows. */
export interface ClusterAgentOptions {
  readonly supervisorPid: number;
  readonly node: NodeOptions;
  readonly directory: string;
  readonly worker: AgentOptions["worker"];
  readonly cluster: ClusterJoin;
}

/** Process number of a node's driver; workers follow. */
export function driverNumber(node: number): number {
  return processNumber(node, 1);
}

export function firstWorkerNumber(node: number): number {
  return processNumber(node, 2);
}

export function readAgentOptions(): AgentOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("the agent is started by a program that uses iono, not by hand");
  const options = JSON.parse(text) as AgentOptions | ClusterAgentOptions;
  return "supervisorPid" in options ? ofNode(options) : options;
}

function ofNode({ supervisorPid, node, directory, worker, cluster }: ClusterAgentOptions): AgentOptions {
  return {
    ...node,
    version,
    parentPid: supervisorPid,
    driver: null,
    cluster,
    secret: randomBytes(24).toString("base64url"),
    logLevel: "warn",
    worker,
    startWorkers: 0,
    directory,
  };
}
