/** The worker processes of a node: started for a program, reached by their links, and what is done when they end. */
import { IonoError, type JobInfo } from "@iono/core";
import type { StoreServer } from "../objects/index.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { AgentOptions } from "./options.ts";
import type { Outputs } from "./outputs.ts";
import type { Peer, Processes } from "./processes.ts";
import { killed, killWorker, type StartWorker, type WorkerProcess } from "./worker-processes.ts";

export interface WorkersPort {
  readonly options: AgentOptions;
  readonly store: StoreServer;
  readonly storePath: string;
  readonly processes: Processes;
  readonly outputs: Outputs;
  /** Of the program that a worker is for; `key` is the lease machine's name of it. */
  readonly startWorker: StartWorker;
  /** Where a worker connects; "" when it is a child, which has its link. */
  readonly agentPath: string;
  jobInfo(key: string): JobInfo | Promise<JobInfo>;
  /** How a worker gets the program's modules; null when it has the same files. */
  foreignCode(number: number, job: JobInfo): WorkerOptions["code"];
  message(peer: Peer, chunk: Buffer, start: number, end: number): void;
  started(number: number, job: JobInfo): void;
  ended(number: number, reason: string): void;
  /** So many starts have failed in a row. */
  cannotStart(count: number, reason: string): void;
}

export class Workers {
  readonly #port: WorkersPort;
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #jobs = new Map<number, number>();
  #failedStarts = 0;
  #isStopped = false;

  constructor(port: WorkersPort) {
    this.#port = port;
  }

  get all(): ReadonlyMap<number, WorkerProcess> {
    return this.#workers;
  }

  /** Process number of the driver whose program the worker runs. */
  jobOf(number: number): number | undefined {
    return this.#jobs.get(number);
  }

  spawn(number: number, gpuIds: readonly number[], key: string): void {
    if (this.#isStopped) return;
    const job = this.#port.jobInfo(key);
    if (!(job instanceof Promise)) this.#start(number, gpuIds, job);
    else
      job.then(
        (info) => this.#start(number, gpuIds, info),
        (error: unknown) => {
          const reason = error instanceof IonoError ? error.message : String(error);
          this.#port.ended(number, `its program is not known: ${reason}`);
        },
      );
  }

  #start(number: number, gpuIds: readonly number[], job: JobInfo): void {
    if (this.#isStopped) return;
    const { options, store, storePath, processes, outputs } = this.#port;
    const boot: WorkerOptions = {
      number,
      job: job.seed,
      agentPid: process.pid,
      parentPid: options.driver === null ? options.parentPid : process.pid,
      agentPath: this.#port.agentPath,
      entry: job.entry,
      secret: options.secret,
      storePath,
      namespace: job.namespace,
      gpuIds,
      resources: options.resources,
      code: this.#port.foreignCode(number, job),
    };
    store.admit(number, options.secret);
    this.#jobs.set(number, job.job);
    this.#port.started(number, job);
    const worker = this.#port.startWorker(number, gpuIds, options, boot, this.#flagsFor(job), {
      frame: (from, chunk, start, end) => {
        const peer = processes.get(from.number);
        if (peer !== undefined) this.#port.message(peer, chunk, start, end);
      },
      output: (from, stream, text) =>
        outputs.of(job.job).write(from.number, stream, "worker", from.pid, text),
      ended: (from, reason) => this.#ended(from, reason),
    });
    this.#workers.set(number, worker);
    processes.add({ number, link: worker.link, pid: worker.pid, path: "" });
  }

  /** Beside those of this node's own program: what a program of another gave to its Node. */
  #flagsFor(job: JobInfo): readonly string[] {
    const { execArgv } = this.#port.options.worker;
    return this.#port.options.driver === null ? job.flags.filter((flag) => !execArgv.includes(flag)) : [];
  }

  /** It is up. */
  listens(): void {
    this.#failedStarts = 0;
  }

  #ended(worker: WorkerProcess, reason: string): void {
    const { number } = worker;
    if (!this.#workers.delete(number)) return;
    // Someone else's SIGKILL says nothing about whether workers can start.
    const failed = worker.reason === "" && worker.signal !== "SIGKILL";
    if (failed && this.#port.processes.get(number)?.path === "")
      this.#port.cannotStart(++this.#failedStarts, reason);
    worker.link.destroy();
    const job = this.#jobs.get(number);
    if (job !== undefined) this.#port.outputs.of(job).flushed(number);
    this.#port.store.processDied(number);
    this.#port.processes.ended(number, reason);
    this.#port.ended(number, reason);
    this.#jobs.delete(number);
  }

  /** Why it ends, when it says so itself. */
  retires(number: number, reason: string): void {
    const worker = this.#workers.get(number);
    if (worker !== undefined) worker.reason = reason;
  }

  kill(number: number, reason: string): void {
    const worker = this.#workers.get(number);
    if (worker !== undefined) killWorker(worker, reason);
  }

  /** Kills every worker, and starts none any more. Resolves when all have ended; the agent exits then. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#workers.values()].map((worker) => killed(worker, reason)));
  }
}
