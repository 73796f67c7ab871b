/** When workers may be started: not too many at a time, and after a failure not at once. */
import { unitsPerResource } from "../resources.ts";
import type { Worker } from "./lease-state.ts";

const longestPauseTicks = 512;

export class LeaseStarts {
  /** Processes that may start at one time: more would only slow each other down. */
  readonly #most: number;
  #failed = 0;
  #pauseTicks = 0;

  constructor(cpuUnits: number) {
    this.#most = Math.max(2, Math.floor(cpuUnits / unitsPerResource));
  }

  get isPausing(): boolean {
    return this.#pauseTicks > 0;
  }

  mayStart(workers: Iterable<Worker>): boolean {
    let starting = 0;
    for (const worker of workers) if (worker.state === "starting") starting++;
    return starting < this.#most;
  }

  succeeded(): void {
    this.#failed = 0;
  }

  /** Whatever keeps workers from starting will not be better at once. */
  failed(): void {
    this.#failed++;
    this.#pauseTicks = Math.min(longestPauseTicks, 2 ** this.#failed);
  }

  tick(): void {
    if (this.#pauseTicks > 0) this.#pauseTicks--;
  }
}
