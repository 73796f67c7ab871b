/**
 * How often something may happen: buckets that fill with time. One for all, and one for each key (an address, a
 * connection), of which the `keysKept` used last are remembered.
 */

export interface RateSettings {
  readonly perSecond: number;
  /** How many may happen at once. */
  readonly burst: number;
}

export class Rate {
  readonly #settings: RateSettings;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(settings: RateSettings) {
    this.#settings = settings;
    this.#tokens = settings.burst;
  }

  /** Whether it may happen now; if so it counts. `nowMs` never goes back. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Nothing happened for so long that the bucket is full. */
  isFull(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#tokens >= this.#settings.burst;
  }

  #fill(nowMs: number): void {
    const { perSecond, burst } = this.#settings;
    const passedMs = Math.max(0, nowMs - this.#at);
    this.#tokens = Math.min(burst, this.#tokens + (passedMs * perSecond) / 1000);
    this.#at = Math.max(this.#at, nowMs);
  }
}

export class Rates<K> {
  readonly #settings: RateSettings;
  readonly #keysKept: number;
  readonly #rates = new Map<K, Rate>();

  constructor(settings: RateSettings, keysKept: number) {
    this.#settings = settings;
    this.#keysKept = keysKept;
  }

  take(key: K, nowMs: number): boolean {
    const rate = this.#rates.get(key) ?? new Rate(this.#settings);
    // The one used last stands last, so that the first is the one to forget.
    this.#rates.delete(key);
    this.#rates.set(key, rate);
    if (this.#rates.size > this.#keysKept) {
      for (const oldest of this.#rates.keys()) {
        this.#rates.delete(oldest);
        break;
      }
    }
    return rate.take(nowMs);
  }

  get size(): number {
    return this.#rates.size;
  }
}
