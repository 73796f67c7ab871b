/** Waits that double, up to a limit, with jitter: so that many who lost the same peer do not come back at once. */
export class Backoff {
  readonly #leastMs: number;
  readonly #mostMs: number;
  #nextMs: number;

  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
    this.#nextMs = leastMs;
  }

  /** In ms: between half of it and all of it. */
  next(): number {
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(this.#mostMs, this.#nextMs * 2);
    return waitMs * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#nextMs = this.#leastMs;
  }
}
