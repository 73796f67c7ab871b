/** What the agent tells a worker at its start, in the environment variable `IONO_BOOT`. */
import type { ResourceVector } from "@iono/core";
import type { JobSeed } from "../member/job-id.ts";

export interface WorkerOptions {
  readonly number: number;
  /** Of the program that this worker is for. */
  readonly job: JobSeed;
  readonly agentPid: number;
  /** URL of the program's entry, which a worker never runs. */
  readonly entry: string;
  readonly secret: string;
  readonly storePath: string;
  readonly namespace: string;
  readonly gpuIds: readonly number[];
  readonly resources: ResourceVector;
  /** Set when the program's files are on another machine. */
  readonly code: ForeignCode | null;
}

/** How a worker gets the modules of a program of another machine. */
export interface ForeignCode {
  /** `file:` URL of the directory whose modules come from there. */
  readonly root: string;
  /** Socket of the agent's relay. */
  readonly socketPath: string;
  /** Name of this node, for messages. */
  readonly node: string;
  /** Where packages are found. */
  readonly packagesDir: string;
  /** Of iono, on the program's machine. */
  readonly version: string;
}

export function readWorkerOptions(): WorkerOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("a worker is started by an agent, not by hand");
  return JSON.parse(text) as WorkerOptions;
}
