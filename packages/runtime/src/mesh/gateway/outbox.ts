/**
 * What waits to be sent on one ROUTER socket: a queue for each connection, bounded in bytes, and one loop that writes.
 * A peer that does not take what is sent to it holds up nobody else; what does not fit any more is dropped.
 */
import type { Router } from "zeromq";
import { Deque } from "../../owner/deque.ts";
import { identityOf, turnEvery } from "./sockets.ts";

export interface OutboxLimits {
  readonly connectionBytes: number;
  readonly allBytes: number;
  /** Short messages to connections that are bound to nobody. */
  readonly notes: number;
}

interface Line {
  readonly connection: number;
  readonly identity: Buffer;
  readonly waiting: Deque<Buffer>;
  bytes: number;
  isReady: boolean;
  /** 0: the peer takes what is sent. */
  heldSinceMs: number;
}

const shortestWaitMs = 1;
const longestWaitMs = 32;
/** What waited so long for a peer is given up: sessions have sent it again. */
const staleMs = 5000;

export class Outbox {
  readonly #socket: Router;
  readonly #limits: OutboxLimits;
  readonly #lines = new Map<number, Line>();
  readonly #ready = new Deque<Line>();
  readonly #held = new Set<Line>();
  readonly #notes = new Deque<{ readonly connection: number; readonly bytes: Buffer }>();
  readonly #onGone: (connection: number) => void;
  #wake: (() => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #waitMs = shortestWaitMs;
  queuedBytes = 0;
  sentMessages = 0;
  sentBytes = 0;
  /** Messages that were given up after they had been taken. */
  lost = 0;

  constructor(socket: Router, limits: OutboxLimits, onGone: (connection: number) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#onGone = onGone;
    void this.#write();
  }

  /** False: there is no room for it. The bytes must not be changed afterwards. */
  send(connection: number, bytes: Buffer): boolean {
    let line = this.#lines.get(connection);
    if (
      this.queuedBytes + bytes.length > this.#limits.allBytes ||
      (line !== undefined && line.bytes + bytes.length > this.#limits.connectionBytes)
    )
      return false;
    if (line === undefined) {
      const identity = identityOf(connection);
      line = { connection, identity, waiting: new Deque(), bytes: 0, isReady: false, heldSinceMs: 0 };
      this.#lines.set(connection, line);
    }
    line.waiting.push(bytes);
    line.bytes += bytes.length;
    this.queuedBytes += bytes.length;
    if (line.heldSinceMs === 0) this.#makeReady(line);
    return true;
  }

  /** Sent if it can be sent at once, or else dropped. */
  note(connection: number, bytes: Buffer): void {
    if (this.#notes.length >= this.#limits.notes) return;
    this.#notes.push({ connection, bytes });
    this.#awake();
  }

  /** Drops what waits for the connection. */
  forget(connection: number): void {
    const line = this.#lines.get(connection);
    if (line === undefined) return;
    this.#lines.delete(connection);
    this.#held.delete(line);
    this.#empty(line);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#lines.clear();
    this.#awake();
  }

  #makeReady(line: Line): void {
    if (line.isReady) return;
    line.isReady = true;
    this.#ready.push(line);
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  async #write(): Promise<void> {
    let turnNow = turnEvery();
    while (!this.#socket.closed) {
      const note = this.#notes.shift();
      const line = note === undefined ? this.#ready.shift() : undefined;
      if (note !== undefined) await this.#sendNote(note.connection, note.bytes);
      else if (line !== undefined) await this.#sendNext(line);
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        turnNow = turnEvery();
        continue;
      }
      const turning = turnNow(0);
      if (turning !== undefined) await turning;
    }
  }

  async #sendNote(connection: number, bytes: Buffer): Promise<void> {
    try {
      await this.#socket.send([identityOf(connection), bytes]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EHOSTUNREACH") this.#onGone(connection);
    }
  }

  /** Sends one message of the line, so that all lines have their turn. */
  async #sendNext(line: Line): Promise<void> {
    line.isReady = false;
    const bytes = line.waiting.peek();
    if (bytes === undefined) return;
    try {
      await this.#socket.send([line.identity, bytes]);
    } catch (error) {
      this.#refused(line, error as NodeJS.ErrnoException);
      return;
    }
    this.#waitMs = shortestWaitMs;
    line.heldSinceMs = 0;
    this.sentMessages++;
    this.sentBytes += bytes.length;
    // It may have been forgotten while it was sent.
    if (line.waiting.shift() === undefined) return;
    line.bytes -= bytes.length;
    this.queuedBytes -= bytes.length;
    if (line.waiting.length > 0) this.#makeReady(line);
  }

  #refused(line: Line, { code }: NodeJS.ErrnoException): void {
    if (code === "EAGAIN" && this.#lines.get(line.connection) === line) {
      const nowMs = performance.now();
      if (line.heldSinceMs === 0) line.heldSinceMs = nowMs;
      else if (nowMs - line.heldSinceMs > staleMs) this.#empty(line);
      this.#hold(line);
      return;
    }
    this.forget(line.connection);
    if (code === "EHOSTUNREACH") this.#onGone(line.connection);
  }

  /** Its peer takes nothing now: ROUTER sockets do not tell when it does again. */
  #hold(line: Line): void {
    this.#held.add(line);
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const held = [...this.#held];
      this.#held.clear();
      for (const each of held) {
        if (each.waiting.length > 0) this.#makeReady(each);
        else each.heldSinceMs = 0;
      }
    }, this.#waitMs);
    this.#waitMs = Math.min(longestWaitMs, this.#waitMs * 2);
  }

  #empty(line: Line): void {
    this.lost += line.waiting.length;
    this.queuedBytes -= line.bytes;
    line.bytes = 0;
    line.waiting.clear();
  }
}
