/** Links over sessions: between two nodes, whatever way their datagrams take. Acknowledgements are the credit. */
import {
  channels,
  FrameError,
  FrameParser,
  SessionMachine,
  type Channel,
  type FrameKind,
  type SessionEnd,
  type SessionEvent,
  type SessionHeader,
  type SessionInstruction,
  type Transmit,
} from "@iono/core";
import { performance } from "node:perf_hooks";
import type { Lane, Link, LinkEvents } from "../links/link.ts";
import { FrameQueue } from "./frame-queue.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** The other node has lost the session, has ended it, or does not answer: nothing that it sent was wrong. */
export class SessionLostError extends Error {
  override name = "SessionLostError";
  /** Marks a loss of the connection, as it does in errors of sockets (see `isConnectionLoss`). */
  readonly syscall = "session";
  readonly node: number;
  readonly end: SessionEnd;

  constructor(node: number, end: SessionEnd) {
    super(
      end === "silent"
        ? `node ${node} did not answer while the link to it was closing`
        : `node ${node} has ended the link, or lost its state`,
    );
    this.node = node;
    this.end = end;
  }
}

export interface SessionHooks {
  readonly node: number;
  readonly channel: Channel;
  readonly pool: SegmentPool;
  /** False: not now. `datagram` has room for the headers; without one, there is no payload. */
  transmit(header: SessionHeader, datagram: Buffer | undefined): boolean;
  established(): void;
  health(health: "up" | "suspect"): void;
  renewWay(): void;
  /** Called in the turn in which it ends. */
  ended(): void;
}

const MiB = 1024 * 1024;

/**
 * Control frames do not pause, and a node may be silent for a while before it is declared dead. Whoever has so much for
 * one that takes nothing loses the link.
 */
const mostQueuedBytes = 512 * MiB;

/** The data lane pauses when so much waits, beside what is under way; it goes on at half of it. */
const pauseBytes = 4 * MiB;

/**
 * Segments are a part of the window, within these. A piece of an object goes into one; larger ones would be encrypted,
 * sent and decrypted one after the other, not at once, and leave the caches meanwhile.
 */
const segmentBytes = {
  [channels.control]: { least: 8 * 1024, most: 64 * 1024 },
  [channels.bulk]: { least: 16 * 1024, most: MiB + 64 * 1024 },
} as const;
const windowParts = 4;

const nobody: LinkEvents = {
  frame: () => {
    throw new FrameError("nobody listens to this link");
  },
  closed: () => {},
};

const noPayload = Buffer.alloc(0);

export class SessionLink implements Link {
  readonly isLoopback = false;
  readonly #hooks: SessionHooks;
  readonly #machine: SessionMachine<Buffer>;
  readonly #queue: FrameQueue;
  readonly #parsers: readonly [FrameParser, FrameParser];
  #events = nobody;
  #closed = false;
  #isClosing = false;
  #isPaused = false;
  #isFlushSet = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #isReferenced = true;
  readonly #flushNow = () => {
    this.#isFlushSet = false;
    this.#flush();
  };
  readonly #tick = () => {
    this.#timerAt = Infinity;
    this.#handle({ type: "tick", now: performance.now() });
  };

  constructor(epoch: number, hooks: SessionHooks) {
    this.#hooks = hooks;
    this.#queue = new FrameQueue(hooks.pool);
    this.#machine = new SessionMachine(epoch, noPayload, performance.now());
    const parser = () =>
      new FrameParser((kind, chunk, start, end) => {
        if (!this.#closed) this.#events.frame(kind, asBuffer(chunk), start, end);
      });
    this.#parsers = [parser(), parser()];
    this.#arm();
  }

  get epoch(): number {
    return this.#machine.epoch;
  }

  get isEstablished(): boolean {
    return this.#machine.isEstablished;
  }

  get roundTripMs(): number | undefined {
    return this.#machine.roundTripMs;
  }

  /** Bytes that may be under way now. */
  get windowBytes(): number {
    return this.#machine.windowBytes;
  }

  get queuedBytes(): number {
    return this.#queue.bytes + this.#machine.unacknowledgedBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    if (this.#closed || this.#isClosing) return true;
    this.#queue.add(lane, kind, payload);
    this.#setFlush();
    if (this.#queue.bytes > mostQueuedBytes) this.#overflow();
    if (lane === "control") return true;
    if (this.#queue.dataBytes >= pauseBytes) this.#isPaused = true;
    return !this.#isPaused;
  }

  sendFrame(frame: Uint8Array): void {
    if (this.#closed || this.#isClosing) return;
    this.#queue.addFrame(frame);
    this.#setFlush();
    if (this.#queue.bytes > mostQueuedBytes) this.#overflow();
  }

  close(): void {
    if (this.#closed || this.#isClosing) return;
    this.#isClosing = true;
    // A session that nobody has heard of, and nobody needs.
    if (!this.isEstablished && this.#queue.bytes === 0) return this.destroy();
    this.#handle({ type: "closing", now: performance.now() });
    this.#flush();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    for (const each of this.#machine.handle({ type: "abort" }))
      if (each.type === "transmit") this.#transmit(each);
    this.#end(error);
  }

  ref(): void {
    this.#isReferenced = true;
    this.#timer?.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#timer?.unref();
  }

  /** This side wants the link. */
  open(): void {
    this.#handle({ type: "open", now: performance.now() });
  }

  /** A datagram of the peer; `payload` is what lies behind its headers. */
  receive(header: SessionHeader, payload: Buffer): void {
    this.#handle({ type: "datagram", header, payload, bytes: payload.length, now: performance.now() });
  }

  /** What is under way may be lost, and there is a new way. */
  way(): void {
    this.#handle({ type: "way", now: performance.now() });
  }

  #overflow(): void {
    const { node } = this.#hooks;
    this.destroy(
      new Error(`more than ${mostQueuedBytes / MiB} MiB wait for node ${node}, which takes nothing`),
    );
  }

  #setFlush(): void {
    if (this.#isFlushSet) return;
    this.#isFlushSet = true;
    // On a quiet link nothing is gained by waiting for more; what is said in one go still goes together.
    if (this.#machine.unacknowledgedBytes === 0) queueMicrotask(this.#flushNow);
    else setImmediate(this.#flushNow);
  }

  #handle(event: SessionEvent<Buffer>): void {
    if (this.#closed) return;
    this.#perform(this.#machine.handle(event));
    if (!this.#closed) this.#flush();
  }

  /** Sends as much as there is room for. */
  #flush(): void {
    if (this.#closed) return;
    const machine = this.#machine;
    if (this.#queue.bytes > 0) {
      const now = performance.now();
      const { least, most } = segmentBytes[this.#hooks.channel];
      const mostBytes = Math.max(least, Math.min(most, machine.windowBytes / windowParts)) | 0;
      while (machine.roomBytes > 0) {
        const segment = this.#queue.take(mostBytes);
        if (segment === undefined) break;
        const { datagram, bytes, isData } = segment;
        this.#perform(machine.handle({ type: "send", payload: datagram, bytes, isData, now }));
      }
      if (this.#isPaused && this.#queue.dataBytes <= pauseBytes / 2) {
        this.#isPaused = false;
        this.#events.drained?.();
      }
    }
    if (this.#isClosing && this.#queue.bytes === 0 && machine.isEstablished)
      this.#perform(machine.handle({ type: "close", now: performance.now() }));
    if (!this.#closed) this.#arm();
  }

  #perform(instructions: readonly SessionInstruction<Buffer>[]): void {
    for (const each of instructions) {
      if (this.#closed) return;
      switch (each.type) {
        case "transmit":
          this.#transmit(each);
          break;
        case "deliver":
          this.#deliver(each.payload, each.isData);
          break;
        case "released":
          this.#hooks.pool.give(each.payload);
          break;
        case "established":
          this.#hooks.established();
          break;
        case "peerClosed":
          this.#isClosing = true;
          this.#machine.handle({ type: "closing", now: performance.now() });
          break;
        case "health":
          this.#hooks.health(each.health);
          break;
        case "renewWay":
          this.#hooks.renewWay();
          break;
        case "ended":
          this.#end(this.#errorOf(each.end));
          break;
      }
    }
  }

  #transmit({ header, payload, sequence, again }: Transmit<Buffer>): void {
    const hasPayload = payload !== undefined && payload.length > 0;
    // What was sent before may still be read by a socket.
    const datagram = hasPayload && again ? Buffer.from(payload) : payload;
    if (this.#hooks.transmit(header, hasPayload ? datagram : undefined)) return;
    this.#machine.handle({ type: "refused", sequence, now: performance.now() });
  }

  #deliver(payload: Buffer, isData: boolean): void {
    try {
      this.#parsers[isData ? 1 : 0].feed(payload);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new FrameError(String(error)));
    }
  }

  #errorOf(end: SessionEnd): Error | undefined {
    switch (end) {
      case "closed":
      case "aborted":
        return undefined;
      case "broken":
        return new FrameError(`node ${this.#hooks.node} acknowledges what was never sent to it`);
      default:
        return new SessionLostError(this.#hooks.node, end);
    }
  }

  #end(error: Error | undefined): void {
    this.#closed = true;
    this.#queue.clear();
    clearTimeout(this.#timer);
    this.#hooks.ended();
    setImmediate(() => this.#events.closed(error));
  }

  #arm(): void {
    const at = this.#machine.tickAt;
    // A timer that fires too early does no harm; setting it anew for each datagram would.
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(this.#tick, Math.max(0, at - performance.now()));
    if (!this.#isReferenced) this.#timer.unref();
  }
}

/** A frame that came in pieces was put together by the parser, in plain bytes. */
function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
