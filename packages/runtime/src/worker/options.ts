/** What the agent tells a worker at its start, in the environment variable `IONO_BOOT`. */
import type { ResourceVector } from "@iono/core";
import type { WorkerCode } from "../code/worker-code.ts";
import type { JobSeed } from "../member/job-id.ts";

export interface WorkerOptions {
  readonly number: number;
  /** Of the program that this worker is for. */
  readonly job: JobSeed;
  readonly agentPid: number;
  /** It ends with its parent: the agent, or the supervisor of the machine. */
  readonly parentPid: number;
  /** Where the agent is reached; "" when descriptor 3 is the link to it. */
  readonly agentPath: string;
  /** URL of the program's entry, which a worker never runs. */
  readonly entry: string;
  readonly secret: string;
  readonly storePath: string;
  readonly namespace: string;
  readonly gpuIds: readonly number[];
  readonly resources: ResourceVector;
  /** Set when the program's files are on another machine. */
  readonly code: WorkerCode | null;
}

export function readWorkerOptions(): WorkerOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("a worker is started by an agent, not by hand");
  return JSON.parse(text) as WorkerOptions;
}
