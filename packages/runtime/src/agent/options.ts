/** What the driver tells the agent at its start, complete: passed in the environment variable `IONO_BOOT`. */
import type { ResourceVector } from "@iono/core";
import type { JobSeed } from "../member/job-id.ts";

export interface AgentOptions {
  readonly version: string;
  readonly driverPid: number;
  readonly program: string;
  readonly job: JobSeed;
  /** Every process of the cluster knows it; a connection without it is refused. */
  readonly secret: string;
  /** Path of the page by which the driver learns where the store is; "" without shared memory. */
  readonly bootPage: string;
  /** Of the program's named actors. */
  readonly namespace: string;
  readonly resources: ResourceVector;
  readonly labels: Readonly<Record<string, string>>;
  readonly objectStoreBytes: number;
  readonly spillDir: string;
  readonly maxWorkers: number;
  readonly logLevel: string;
  /** How workers are started: program arguments of node and the file they run. */
  readonly worker: { readonly execArgv: readonly string[]; readonly file: string };
  /** URL of the program's entry, which workers never run. */
  readonly entry: string;
  readonly startWorkers: number;
}

/** Process number of the driver of a local cluster; workers follow. */
export const driverNumber = 1;
export const firstWorkerNumber = 2;

export function readAgentOptions(): AgentOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("the agent is started by a program that uses iono, not by hand");
  return JSON.parse(text) as AgentOptions;
}
