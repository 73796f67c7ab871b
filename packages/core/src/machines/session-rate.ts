/**
 * How many bytes a session may have under way: as many as its link carries in a while, by the rate at which the other
 * side has acknowledged lately. What waits in sockets beyond the round trip itself is at most half a second's worth, so
 * that a heartbeat never waits long behind bulk.
 *
 * The rate is the best of the last few spans in which the window was what held sending up; spans in which there was
 * little to send can only raise it. While it rises, the window grows by what was acknowledged: it doubles in a round
 * trip at most, so that the burst which a shaped link lets through does not look like its rate for long.
 */

export const minWindowBytes = 32 * 1024;
export const maxWindowBytes = 64 * 1024 * 1024;
const firstWindowBytes = 128 * 1024;
/** Until a rate is known. */
const unmeasuredWindowBytes = 4 * 1024 * 1024;

/** A window holds so long a time of the measured rate … */
const windowMs = 50;
/** … or so many round trips, … */
const windowRoundTrips = 2;
/** … but not more than this beyond the round trip. */
const mostQueuedMs = 500;

/**
 * The rate is counted over spans of this, or between the least round trip and the present one: what waits on the way makes
 * round trips long, and the sooner its rate is known, the sooner it is less.
 */
const shortestSpanMs = 100;
const keptSpans = 5;

export class SessionRate {
  #windowBytes = firstWindowBytes;
  /** Bytes a millisecond, oldest first. */
  readonly #rates: number[] = [];
  #spanStart = -1;
  #spanBytes = 0;
  /** The window was full at some time in this span. */
  #wasFull = false;

  /** Undefined before the first measurement. */
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #leastMs = Infinity;
  #leastAt = 0;
  #lostAt = -Infinity;
  /** Since when the window has been the least; Infinity: it is more. */
  #smallSince = Infinity;

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** Undefined before the first measurement. */
  get roundTripMs(): number | undefined {
    return this.#smoothedMs;
  }

  /** No acknowledgement comes sooner. */
  get soonMs(): number {
    const smoothedMs = this.#smoothedMs ?? 0;
    return Math.max(Math.min(smoothedMs, this.#leastMs), smoothedMs / 2);
  }

  /** How long an acknowledgement may take before something is taken for lost. */
  get timeoutMs(): number {
    if (this.#smoothedMs === undefined) return firstTimeoutMs;
    return Math.max(minTimeoutMs, Math.min(maxTimeoutMs, this.#smoothedMs + 4 * this.#variationMs));
  }

  /** RFC 6298, and the least, which grows slowly when it is not seen any more. */
  measured(roundTripMs: number, now: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
    } else {
      this.#variationMs += (Math.abs(this.#smoothedMs - roundTripMs) - this.#variationMs) / 4;
      this.#smoothedMs += (roundTripMs - this.#smoothedMs) / 8;
    }
    // Hardly anything of this session waits on the way: if round trips are long, the way is.
    const isBare = now - this.#smallSince > roundTripMs;
    if (roundTripMs <= this.#leastMs || isBare) {
      this.#leastMs = roundTripMs;
      this.#leastAt = now;
    } else if (now - this.#leastAt > leastKeptMs) {
      // Slowly: longer round trips may be nothing but what waits on the way.
      this.#leastMs = Math.min(roundTripMs, this.#leastMs * leastGrowth);
      this.#leastAt = now;
    }
  }

  full(): void {
    this.#wasFull = true;
  }

  /** Sending starts after nothing was under way. */
  started(now: number): void {
    this.#spanStart = now;
    this.#spanBytes = 0;
    this.#wasFull = false;
  }

  acknowledged(bytes: number, now: number): void {
    this.#spanBytes += bytes;
    const passedMs = now - this.#spanStart;
    if (passedMs >= this.#spanMs) {
      this.#keep(this.#spanBytes / passedMs);
      this.#spanStart = now;
      this.#spanBytes = 0;
      this.#wasFull = false;
    }
    const grown = this.#windowBytes + bytes;
    this.#windowBytes = Math.max(minWindowBytes, Math.min(maxWindowBytes, grown, this.#goalBytes()));
    if (this.#windowBytes > minWindowBytes) this.#smallSince = Infinity;
    else if (this.#smallSince === Infinity) this.#smallSince = now;
  }

  /** Nothing was acknowledged for too long: the link is slower than it was. */
  timedOut(): void {
    this.#windowBytes = Math.max(minWindowBytes, this.#windowBytes / 2);
  }

  /** Something was lost, on the way or by a relay whose room is full: less at once, for a round trip. */
  lost(now: number): void {
    if (now - this.#lostAt < Math.max(shortestSpanMs, this.#smoothedMs ?? 0)) return;
    this.#lostAt = now;
    for (let i = 0; i < this.#rates.length; i++) this.#rates[i] *= lossFactor;
    this.#windowBytes = Math.max(minWindowBytes, this.#windowBytes * lossFactor);
  }

  /** There is another way; nothing is known of its rate. */
  forget(): void {
    this.#rates.length = 0;
    this.#windowBytes = Math.min(this.#windowBytes, 8 * firstWindowBytes);
    this.#leastMs = Infinity;
  }

  get #spanMs(): number {
    const smoothedMs = this.#smoothedMs ?? 0;
    return Math.max(shortestSpanMs, (smoothedMs + Math.min(smoothedMs, this.#leastMs)) / 2);
  }

  #keep(rate: number): void {
    if (!this.#wasFull && this.#rates.length > 0 && rate <= Math.max(...this.#rates)) return;
    this.#rates.push(rate);
    if (this.#rates.length > keptSpans) this.#rates.shift();
  }

  #goalBytes(): number {
    if (this.#rates.length === 0) return unmeasuredWindowBytes;
    const least = this.#leastMs === Infinity ? 0 : this.#leastMs;
    const heldMs = Math.min(Math.max(windowMs, windowRoundTrips * least), least + mostQueuedMs);
    return Math.max(...this.#rates) * heldMs;
  }
}

const lossFactor = 0.7;
const firstTimeoutMs = 1000;
const minTimeoutMs = 200;
const maxTimeoutMs = 5000;
const leastKeptMs = 30_000;
const leastGrowth = 1.1;
