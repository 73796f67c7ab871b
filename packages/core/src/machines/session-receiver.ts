/** The receiving half of a session: order, repeats, and when to acknowledge. */
import { sessionFlags } from "./session-header.ts";

/** An acknowledgement waits at most this long for something to travel with. */
export const acknowledgeDelayMs = 10;
/** … or for so many segments, or bytes. */
const acknowledgeSegments = 16;
const acknowledgeBytes = 512 * 1024;

/** Segments that arrived before their turn: more than this is dropped, and comes again. */
const mostEarlySegments = 4096;
const mostEarlyBytes = 96 * 1024 * 1024;

export interface ReceivedSegment<P> {
  readonly payload: P;
  readonly bytes: number;
  readonly flags: number;
}

export class SessionReceiver<P> {
  /** Sequence of the segment that comes next. */
  #next = 1;
  readonly #early = new Map<number, ReceivedSegment<P>>();
  #earlyBytes = 0;
  /** Segments and bytes handled since the last acknowledgement. */
  #segments = 0;
  #bytes = 0;
  /** When to acknowledge; Infinity: nothing to. */
  acknowledgeAt = Infinity;

  get acknowledged(): number {
    return this.#next - 1;
  }

  get selective(): number {
    if (this.#early.size === 0) return 0;
    let bits = 0;
    for (let i = 0; i < 32; i++) if (this.#early.has(this.#next + 1 + i)) bits |= 1 << i;
    return bits >>> 0;
  }

  /** Adds to `ready` what is to be handed on now, in order. */
  receive(sequence: number, segment: ReceivedSegment<P>, now: number, ready: ReceivedSegment<P>[]): void {
    if (sequence !== this.#next) {
      // Either the sender has not heard from us, or something is missing: both should know at once.
      this.acknowledgeAt = now;
      if (sequence > this.#next) this.#keep(sequence, segment);
      return;
    }
    this.#take(segment, ready);
    if (segment.flags & sessionFlags.urgent) this.acknowledgeAt = now;
    if (this.#early.size > 0) {
      this.acknowledgeAt = now;
      for (let next = this.#early.get(this.#next); next !== undefined; next = this.#early.get(this.#next)) {
        this.#early.delete(this.#next);
        this.#earlyBytes -= next.bytes;
        this.#take(next, ready);
      }
    }
    if (this.#segments >= acknowledgeSegments || this.#bytes >= acknowledgeBytes) this.acknowledgeAt = now;
    else this.acknowledgeAt = Math.min(this.acknowledgeAt, now + acknowledgeDelayMs);
  }

  /** An acknowledgement has been written. */
  sent(): void {
    this.#segments = 0;
    this.#bytes = 0;
    this.acknowledgeAt = Infinity;
  }

  /** @throws Error naming what is wrong. */
  check(): void {
    let bytes = 0;
    for (const [sequence, segment] of this.#early) {
      bytes += segment.bytes;
      if (sequence <= this.#next) throw new Error(`segment ${sequence} is kept, ${this.#next} comes next`);
    }
    if (bytes !== this.#earlyBytes)
      throw new Error(`${bytes} bytes are early, ${this.#earlyBytes} are counted`);
  }

  #take(segment: ReceivedSegment<P>, ready: ReceivedSegment<P>[]): void {
    this.#next++;
    this.#segments++;
    this.#bytes += segment.bytes;
    ready.push(segment);
  }

  #keep(sequence: number, segment: ReceivedSegment<P>): void {
    if (this.#early.has(sequence) || this.#early.size >= mostEarlySegments) return;
    if (this.#earlyBytes + segment.bytes > mostEarlyBytes) return;
    this.#early.set(sequence, segment);
    this.#earlyBytes += segment.bytes;
  }
}
