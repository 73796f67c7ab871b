/**
 * The connection to a gateway that this node dials, on one channel: kept up, whatever becomes of its sockets. A socket
 * that ends, is refused, or hears nothing for a while though it asks, gives way to a new one.
 */
import { connectionIdleMs, hop, hopRefusals, datagramVersion } from "@iono/core";
import { performance } from "node:perf_hooks";
import { Backoff } from "./backoff.ts";
import { DialledSocket, type SocketOptions } from "./dialled-socket.ts";

export interface DialledOptions extends SocketOptions {
  /** What proves to the gateway who this is; made anew for each connection. */
  hello(): Buffer;
}

export interface DialledEvents {
  datagram(datagram: Buffer): void;
  /** The gateway has taken this node in. */
  up(): void;
  /** It was up; what was sent and not acknowledged may be lost. Not called when it was closed from here. */
  down(reason: string): void;
  /** It is not up, and why; again and again while that lasts. */
  trouble?(reason: string): void;
}

const firstRetryMs = 100;
/** Not more: a node that is not heard of for ten seconds is lost, and a gateway is back within one or two. */
const mostRetryMs = 1500;
const tickMs = 500;
/** The gateway is asked to say something when nothing came for so long. */
const askMs = 900;
/** Nothing came for so long, though it was asked. */
const silentMs = 3500;
/** So long, a socket may try to connect; then another one resolves the name of the host anew. */
const connectMs = 30_000;
/** Asked so often also while the gateway sends: it forgets those of whom it hears nothing. */
const mostPingGapMs = connectionIdleMs / 3;
const lateTickMs = 500;
const ping = Buffer.from([hop.ping]);

const refusals: Readonly<Record<number, string>> = {
  [hopRefusals.notAllowed]: "the gateway does not allow this node",
  [hopRefusals.later]: "the gateway is not ready, or is asked too often",
  [hopRefusals.wrongProof]: "the gateway does not believe this node, or is of another cluster",
  [hopRefusals.version]: "the gateway is of another version of iono",
};

export class DialledConnection {
  readonly #options: DialledOptions;
  readonly #events: DialledEvents;
  readonly #backoff = new Backoff(firstRetryMs, mostRetryMs);
  #socket: DialledSocket | undefined;
  #state: "connecting" | "hello" | "up" | "waiting" | "closed" = "waiting";
  /** Since when it is in this state. */
  #sinceMs = 0;
  #heardMs = 0;
  #tickedMs = performance.now();
  #pingedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  /** When a datagram last came or went. */
  usedMs = performance.now();
  /** Sockets made so far. */
  sockets = 0;

  constructor(options: DialledOptions, events: DialledEvents) {
    this.#options = options;
    this.#events = events;
    this.#connect();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** False: not up, or too much waits. */
  send(datagram: Buffer): boolean {
    if (this.#state !== "up" || this.#socket === undefined) return false;
    this.usedMs = performance.now();
    return this.#socket.send(datagram);
  }

  /** Give up the connection and make another one. */
  renew(reason: string): void {
    if (this.#state === "up") this.#ended(reason);
  }

  close(): void {
    this.#state = "closed";
    clearInterval(this.#timer);
    clearTimeout(this.#retryTimer);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #connect(): void {
    this.#enter("connecting");
    this.sockets++;
    try {
      const socket: DialledSocket = new DialledSocket(this.#options, {
        connected: () => {
          if (socket === this.#socket) this.#hello();
        },
        frame: (frame) => {
          if (socket === this.#socket) this.#receive(frame);
        },
        ended: (reason) => {
          if (socket === this.#socket) this.#ended(reason);
        },
      });
      this.#socket = socket;
    } catch (error) {
      this.#ended((error as Error).message);
    }
  }

  #hello(): void {
    if (this.#state === "closed") return;
    if (this.#state === "connecting") this.#enter("hello");
    this.#socket?.send(this.#options.hello());
  }

  #receive(frame: Buffer): void {
    this.#heardMs = performance.now();
    switch (frame[0]) {
      case datagramVersion:
        this.usedMs = this.#heardMs;
        this.#events.datagram(frame);
        return;
      case hop.welcome:
        this.#welcome();
        return;
      case hop.unknown:
        this.#hello();
        return;
      case hop.refused:
        this.#refused(frame[1]);
        return;
    }
  }

  #welcome(): void {
    this.#backoff.reset();
    if (this.#state !== "hello") return;
    this.#enter("up");
    this.#events.up();
  }

  #refused(reason: number): void {
    // The same socket can say hello again; but a new one each time also gets over what a socket may have wrong.
    this.#ended(refusals[reason] ?? `the gateway refuses this node (${reason})`);
  }

  #ended(reason: string): void {
    if (this.#state === "closed") return;
    const wasUp = this.isUp;
    this.#socket?.close();
    this.#socket = undefined;
    this.#enter("waiting");
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backoff.next());
    this.#retryTimer.unref();
    if (wasUp) this.#events.down(reason);
    else this.#events.trouble?.(reason);
  }

  #tick(): void {
    const now = performance.now();
    // When this process stood still, the silence was its own.
    const lateMs = now - this.#tickedMs - tickMs;
    if (lateMs > lateTickMs) this.#heardMs = Math.min(now, Math.max(this.#sinceMs, this.#heardMs) + lateMs);
    this.#tickedMs = now;
    const silentSince = now - Math.max(this.#sinceMs, this.#heardMs);
    switch (this.#state) {
      case "connecting":
        if (now - this.#sinceMs >= connectMs) this.#ended("no connection could be made");
        else if (now - this.#sinceMs >= silentMs)
          this.#events.trouble?.("no connection could be made so far");
        break;
      case "hello":
        if (silentSince >= silentMs) this.#ended("the gateway does not answer");
        break;
      case "up":
        if (silentSince >= silentMs) this.#ended(`nothing came for ${Math.round(silentSince)} ms`);
        else if (now - this.#heardMs >= askMs || now - this.#pingedMs >= mostPingGapMs) {
          this.#pingedMs = now;
          this.#socket?.send(ping);
        }
        break;
    }
  }

  #enter(state: "connecting" | "hello" | "up" | "waiting"): void {
    this.#state = state;
    this.#sinceMs = performance.now();
  }
}
