/** What workers print, by the program they run. */
import type { FromAgent } from "@iono/core";
import { WorkerOutput } from "./output.ts";

export interface OutputsPort {
  /** To a process, of this node or (a driver's log) of another. */
  send(process: number, message: FromAgent): void;
  queuedBytes(process: number): number;
}

export class Outputs {
  readonly #port: OutputsPort;
  readonly #outputs = new Map<number, WorkerOutput>();

  constructor(port: OutputsPort) {
    this.#port = port;
  }

  /** @param job process number of the program's driver. */
  of(job: number): WorkerOutput {
    let output = this.#outputs.get(job);
    if (output === undefined) this.#outputs.set(job, (output = new WorkerOutput(job, this.#port)));
    return output;
  }

  forget(job: number): void {
    this.#outputs.delete(job);
  }
}
