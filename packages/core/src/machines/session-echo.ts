/** Round trips of a session: each datagram says when it was sent, and a later one repeats that, plus how long it was held. */
import { sessionFlags, sessionTypes, type SessionHeader } from "./session-header.ts";

const mostRoundTripMicros = 120_000_000;

export class SessionEcho {
  /** `sentAt` of the datagram to repeat, and when it came; -1: none. */
  #stamp = -1;
  #stampAt = 0;

  /** The round trip in ms, when the datagram tells it. */
  take({ type, flags, sentAt, echo }: SessionHeader, now: number): number | undefined {
    if (this.#stamp < 0 && type !== sessionTypes.acknowledge) {
      this.#stamp = sentAt;
      this.#stampAt = now;
    }
    if ((flags & sessionFlags.echo) === 0) return undefined;
    const micros = (microsOf(now) - echo) >>> 0;
    // A clock that went back, or a peer that counts wrong, makes it huge.
    return micros < mostRoundTripMicros ? micros / 1000 : undefined;
  }

  /** What to write; undefined when there is nothing to repeat. */
  give(now: number): number | undefined {
    if (this.#stamp < 0) return undefined;
    const echo = (this.#stamp + microsOf(now - this.#stampAt)) >>> 0;
    this.#stamp = -1;
    return echo;
  }
}

/** µs of the clock, as they travel. */
export function microsOf(now: number): number {
  return (now * 1000) >>> 0;
}
