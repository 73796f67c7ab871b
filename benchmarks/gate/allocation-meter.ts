import { GCProfiler } from "node:v8";

/**
 * Bytes of V8's heap that this process allocates between start and stop: what the heap has grown by, and
 * what every garbage collection in between has taken from it. Exact, and without flags.
 */
export class AllocationMeter {
  readonly #profiler = new GCProfiler();
  readonly #usedAtStart: number;

  /** Starts. */
  constructor() {
    this.#profiler.start();
    this.#usedAtStart = process.memoryUsage().heapUsed;
  }

  stop(): number {
    const usedAtEnd = process.memoryUsage().heapUsed;
    let freed = 0;
    for (const { beforeGC, afterGC } of this.#profiler.stop().statistics) {
      freed += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize;
    }
    return usedAtEnd - this.#usedAtStart + freed;
  }
}
