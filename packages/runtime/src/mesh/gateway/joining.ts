/**
 * The door for those who are no node yet: any key may knock, only join requests are heard, few at a time, and each is
 * passed to the head, which answers. Nothing that comes in here gets further than that.
 */
import { Rate, Rates } from "@iono/core";
import type { Router } from "zeromq";
import type { CurveKeys } from "../keys.ts";
import { Outbox } from "./outbox.ts";
import { bindAgain, bindRouter, doors, makeRouter, readRouter, watchRouter } from "./sockets.ts";

const requestRate = { perSecond: 20, burst: 40 };
const connectionRate = { perSecond: 0.5, burst: 3 };
const keptConnections = 1024;
const mostPending = 256;
const answerMs = 30_000;
/** With more open connections all are closed: those who have business here come again. */
const mostConnections = 256;
const limits = { connectionBytes: 4 * 1024 * 1024, allBytes: 32 * 1024 * 1024, notes: 256 };

interface Pending {
  readonly connection: number;
  readonly sinceMs: number;
}

export class Joining {
  readonly #keys: CurveKeys;
  readonly #host: string;
  /** False: nobody can answer now. */
  readonly #ask: (id: number, request: Buffer) => boolean;
  readonly #rate = new Rate(requestRate);
  readonly #connectionRates = new Rates<number>(connectionRate, keptConnections);
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #socket: Router | null = null;
  #outbox: Outbox | null = null;
  #connections = 0;
  #isRebinding = false;
  #isClosed = false;
  port = 0;
  joins = 0;
  dropped = 0;

  constructor(keys: CurveKeys, host: string, ask: (id: number, request: Buffer) => boolean) {
    this.#keys = keys;
    this.#host = host;
    this.#ask = ask;
  }

  async open(port: number): Promise<void> {
    const socket = makeRouter(doors.join, this.#keys, this.#host);
    try {
      this.port =
        this.port === 0
          ? await bindRouter(socket, this.#host, port)
          : await bindAgain(socket, this.#host, this.port);
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#socket = socket;
    this.#connections = 0;
    this.#outbox = new Outbox(socket, limits, () => {});
    void readRouter(
      socket,
      (connection, request) => this.#request(connection, request),
      () => this.dropped++,
    );
    void watchRouter(socket, (isMade) => {
      if (socket === this.#socket) this.#connections = Math.max(0, this.#connections + (isMade ? 1 : -1));
    });
  }

  answer(id: number, answer: Buffer): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    this.#outbox?.send(pending.connection, answer);
  }

  /** Once a second or so. */
  tick(nowMs: number): void {
    for (const [id, { sinceMs }] of this.#pending) if (nowMs - sinceMs > answerMs) this.#pending.delete(id);
    if (this.#connections > mostConnections) void this.#rebind();
  }

  close(): void {
    this.#isClosed = true;
    this.#outbox?.close();
    this.#socket?.close();
  }

  #request(connection: number, request: Buffer): void {
    const nowMs = performance.now();
    if (
      !this.#connectionRates.take(connection, nowMs) ||
      !this.#rate.take(nowMs) ||
      this.#pending.size >= mostPending
    ) {
      this.dropped++;
      return;
    }
    const id = this.#nextId++;
    if (!this.#ask(id, request)) {
      this.dropped++;
      return;
    }
    this.joins++;
    this.#pending.set(id, { connection, sinceMs: nowMs });
  }

  async #rebind(): Promise<void> {
    if (this.#isRebinding || this.#isClosed) return;
    this.#isRebinding = true;
    this.#outbox?.close();
    this.#socket?.close();
    this.#pending.clear();
    try {
      await this.open(this.port);
    } catch {
      // Tried again with the next tick.
      this.#connections = Number.POSITIVE_INFINITY;
    }
    this.#isRebinding = false;
  }
}
