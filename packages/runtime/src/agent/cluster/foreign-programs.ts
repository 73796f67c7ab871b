/** Programs of other machines whose parts run here: their modules come from there, through the agents. */
import type { CodeRequest } from "@iono/core";
import * as net from "node:net";
import { CodeRelay } from "../../code/code-relay.ts";
import { publish } from "../../links/publish.ts";
import type { WorkerCode } from "../../code/worker-code.ts";

export interface ForeignProgramsOptions {
  /** Name of this node. */
  readonly node: string;
  readonly hostId: string;
  readonly secret: string;
  readonly packagesDir: string;
  /** Asks the node of a job's driver. */
  ask(job: number, request: CodeRequest): Promise<unknown>;
}

export class ForeignPrograms {
  readonly #options: ForeignProgramsOptions;
  readonly #relay: CodeRelay;
  #path = "";
  #stop: (() => void) | null = null;

  constructor(options: ForeignProgramsOptions) {
    this.#options = options;
    this.#relay = new CodeRelay({ ask: (job, request) => options.ask(Number(job), request) });
  }

  async listen(): Promise<void> {
    const { path, close } = await publish(net.createServer((socket) => this.#relay.accept(socket)));
    this.#path = path;
    this.#stop = close;
  }

  /** What a worker of this node is told; null when the program's files are the same here. */
  forWorker(process: number, job: number, hostId: string, root: string, version: string): WorkerCode | null {
    const { hostId: own, node, packagesDir, secret } = this.#options;
    if (hostId === own || root === "") return null;
    this.#relay.admit(process, secret, String(job));
    return { root, socketPath: this.#path, node, packagesDir, version };
  }

  processEnded(process: number): void {
    this.#relay.processDied(process);
  }

  forget(job: number): void {
    this.#relay.forget(String(job));
  }

  close(): void {
    this.#stop?.();
    this.#relay.close();
  }
}
