/**
 * A thread that sleeps in the kernel takes longer to wake up than a short task takes to run. So when the answers that
 * this process waited for lately came within a moment, it polls its sockets for such a moment before it sleeps: one task
 * at a time goes three times as fast, and whoever waits for long work does not poll at all.
 */

/** Waits shorter than this on average are worth polling for; a poll that lasts longer is given up. */
const momentMs = 0.15;
const pollMs = 0.1;

export class BriefPolling {
  #meanWaitMs = Number.POSITIVE_INFINITY;
  #until = 0;
  #isPolling = false;

  readonly #turn = (): void => {
    // An immediate that is due makes the event loop look at its sockets without sleeping.
    if (performance.now() < this.#until) setImmediate(this.#turn);
    else this.#isPolling = false;
  };

  /** A wait begins. Returns its time, for `ended`. */
  begin(): number {
    const now = performance.now();
    if (this.#meanWaitMs < momentMs) {
      this.#until = now + pollMs;
      if (!this.#isPolling) {
        this.#isPolling = true;
        setImmediate(this.#turn);
      }
    }
    return now;
  }

  ended(beganMs: number): void {
    const waitedMs = performance.now() - beganMs;
    const mean = this.#meanWaitMs;
    // One long wait ends the polling; some short ones in a row begin it.
    if (mean === Number.POSITIVE_INFINITY || waitedMs > 4 * momentMs) this.#meanWaitMs = waitedMs;
    else this.#meanWaitMs = mean + (waitedMs - mean) * 0.2;
    this.#until = 0;
  }
}
