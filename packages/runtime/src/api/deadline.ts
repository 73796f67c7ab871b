/** The time that a call of several steps may still take. */
import { compileGetOptions, type GetOptions, type IonoError } from "@iono/core";

export class Deadline {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly #startedAt = performance.now();
  readonly #late: (timeoutMs: number) => IonoError;

  /**
   * @param late makes the error for when the time is over.
   * @throws IonoError BadOption, or the signal's reason when it is aborted already.
   */
  constructor(options: GetOptions<AbortSignal> | undefined, late: (timeoutMs: number) => IonoError) {
    const { timeoutMs, signal } = compileGetOptions(options);
    this.timeoutMs = timeoutMs;
    this.signal = signal;
    this.#late = late;
    signal?.throwIfAborted();
  }

  /** Infinity: without limit. */
  get leftMs(): number {
    return this.timeoutMs === Infinity
      ? Infinity
      : Math.max(0, this.timeoutMs - (performance.now() - this.#startedAt));
  }

  /** Waits for the promise. @throws what `late` makes, or the signal's reason, when it does not settle in time. */
  async within(promise: Promise<void>): Promise<void> {
    const { signal, leftMs } = this;
    if (leftMs === Infinity && signal === undefined) return promise;
    let timer: NodeJS.Timeout | undefined;
    const { promise: over, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal?.reason);
    if (leftMs !== Infinity) timer = setTimeout(() => reject(this.#late(this.timeoutMs)), leftMs);
    signal?.addEventListener("abort", abort);
    try {
      await Promise.race([promise, over]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}
