/** The programs that this node knows: its own, and those it runs parts of. */
import { IonoError, nodeOf, type JobInfo } from "@iono/core";

/** Programs that ended are forgotten; so many that run are kept. */
const mostJobs = 10_000;

export class Jobs {
  readonly #own: JobInfo | null;
  readonly #ask: (job: number) => Promise<JobInfo>;
  readonly #known = new Map<number, JobInfo>();
  readonly #asked = new Map<number, Promise<JobInfo>>();
  /** Job by process of this node. */
  readonly #ofProcess = new Map<number, number>();

  constructor(own: JobInfo | null, ask: (job: number) => Promise<JobInfo>) {
    this.#own = own;
    this.#ask = ask;
    if (own !== null) this.learn(own);
  }

  get own(): JobInfo | null {
    return this.#own;
  }

  learn(info: JobInfo): void {
    this.#known.delete(info.job);
    this.#known.set(info.job, info);
    if (this.#known.size <= mostJobs) return;
    const oldest = this.#known.keys().next().value;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  known(job: number): JobInfo | undefined {
    return this.#known.get(job);
  }

  /** Asks the program's own node when it is not known here. */
  info(job: number): Promise<JobInfo> {
    const known = this.#known.get(job);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.#asked.get(job);
    if (asked === undefined) {
      asked = this.#ask(job)
        .then((info) => {
          if (info === null || typeof info !== "object" || info.job !== job)
            throw new IonoError("OwnerDied", `job ${job} is not known on its node`);
          this.learn(info);
          return info;
        })
        .finally(() => this.#asked.delete(job));
      this.#asked.set(job, asked);
    }
    return asked;
  }

  ofNode(node: number): number[] {
    return [...this.#known.keys()].filter((job) => nodeOf(job) === node);
  }

  // processes of this node

  runsIn(process: number, job: number): void {
    this.#ofProcess.set(process, job);
  }

  processEnded(process: number): void {
    this.#ofProcess.delete(process);
  }

  /** Process number of the driver of a process of this node: its own for a driver. */
  driverOf(process: number): number {
    return this.#ofProcess.get(process) ?? this.#own?.job ?? process;
  }
}
