/**
 * One DEALER that has dialled a gateway, from its creation to its end. libzmq gives up for ever after some errors, and
 * after others connects again and drops what it held: so here a socket serves for one connection, and whatever happens
 * to that ends it. Who dials (dialled-connection.ts) makes another one.
 */
import { maxDatagramBytes, channels, type Channel } from "@iono/core";
import { performance } from "node:perf_hooks";
import { Dealer } from "zeromq";
import type { CurveKeys } from "./keys.ts";

export interface SocketOptions {
  /** `tcp://host:port`. */
  readonly endpoint: string;
  /** Z85, of the gateway. */
  readonly serverPublicKey: string;
  readonly keys: CurveKeys;
  readonly channel: Channel;
}

export interface SocketEvents {
  /** The connection is there, and encrypted. */
  connected(): void;
  /** A frame has come; it is the receiver's. */
  frame(frame: Buffer): void;
  /** Called once, not when it was closed from here. */
  ended(reason: string): void;
}

/** What may wait here for libzmq; and messages that libzmq may hold. */
const limits = {
  [channels.control]: { queuedBytes: 8 * 1024 * 1024, messages: 256 },
  [channels.bulk]: { queuedBytes: 32 * 1024 * 1024, messages: 16 },
} as const;

const lingerMs = 200;

/** Messages read in one go, and for how long, before the loop turns to others. */
const goMessages = 64;
const goMs = 2;

export class DialledSocket {
  readonly #socket: Dealer;
  readonly #events: SocketEvents;
  readonly #mostQueuedBytes: number;
  #queue: Buffer[] = [];
  #first = 0;
  #queuedBytes = 0;
  #isWriting = false;
  #closed = false;

  /** @throws Error of zeromq when the endpoint or a key is malformed. */
  constructor(options: SocketOptions, events: SocketEvents) {
    const { queuedBytes, messages } = limits[options.channel];
    this.#events = events;
    this.#mostQueuedBytes = queuedBytes;
    this.#socket = new Dealer({
      curveServerKey: options.serverPublicKey,
      curvePublicKey: options.keys.publicKey,
      curveSecretKey: options.keys.secretKey,
      immediate: true,
      linger: 0,
      ipv6: options.endpoint.includes("["),
      connectTimeout: 5000,
      handshakeInterval: 5000,
      reconnectInterval: 100,
      reconnectMaxInterval: 2000,
      heartbeatInterval: 2000,
      heartbeatTimeout: 6000,
      heartbeatTimeToLive: 8000,
      tcpMaxRetransmitTimeout: 10_000,
      maxMessageSize: maxDatagramBytes,
      sendHighWaterMark: messages,
      receiveHighWaterMark: messages,
    });
    try {
      // Before connecting, so that no event is missed.
      void this.#watch();
      this.#socket.connect(options.endpoint);
    } catch (error) {
      this.close();
      throw error;
    }
    void this.#read();
  }

  /** False when too much waits. The buffer must not be changed afterwards. */
  send(frame: Buffer): boolean {
    if (this.#closed || this.#queuedBytes + frame.length > this.#mostQueuedBytes) return false;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (!this.#isWriting) void this.#write();
    return true;
  }

  /** What libzmq holds already is still sent, within a moment. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#socket.linger = lingerMs;
    this.#socket.close();
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#events.ended(reason);
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#first < this.#queue.length) {
        const frame = this.#queue[this.#first];
        if (++this.#first === this.#queue.length) {
          this.#queue = [];
          this.#first = 0;
        } else if (this.#first === 1024) {
          this.#queue.splice(0, this.#first);
          this.#first = 0;
        }
        await this.#socket.send(frame);
        if (this.#closed) return;
        this.#queuedBytes -= frame.length;
      }
    } catch (error) {
      this.#end((error as Error).message);
    }
    this.#isWriting = false;
  }

  async #read(): Promise<void> {
    const socket = this.#socket;
    let messages = 0;
    let sinceMs = performance.now();
    while (!this.#closed) {
      let parts: Buffer[];
      try {
        parts = await socket.receive();
      } catch (error) {
        this.#end((error as Error).message);
        return;
      }
      if (this.#closed) return;
      if (parts.length === 1) this.#events.frame(parts[0]);
      if (++messages < goMessages && performance.now() - sinceMs < goMs) continue;
      // Received memory is freed in later turns only.
      await new Promise(setImmediate);
      messages = 0;
      sinceMs = performance.now();
    }
  }

  async #watch(): Promise<void> {
    const { events } = this.#socket;
    while (!this.#closed) {
      let event: Awaited<ReturnType<typeof events.receive>>;
      try {
        event = await events.receive();
      } catch {
        // Closed from here: nothing else ends it.
        return;
      }
      if (this.#closed) return;
      switch (event.type) {
        case "handshake":
          this.#events.connected();
          break;
        case "handshake:error:protocol":
        case "handshake:error:auth":
        case "handshake:error:other":
          this.#end(`the handshake failed: ${event.error.message}`);
          return;
        case "disconnect":
          this.#end("the connection has ended");
          return;
        case "end":
          return;
      }
    }
  }
}
