/**
 * The key check (ZAP, ZeroMQ RFC 27): libzmq asks it at every handshake, and admits nobody without an answer. It is
 * asked at handshakes only; what a node may do afterwards is for the routes to say.
 */
import { Rate, Rates, type GatewayRoutes } from "@iono/core";
import { Router } from "zeromq";
import { encodeZ85 } from "../keys-z85.ts";
import { doors, turnEvery } from "./sockets.ts";

const address = "inproc://zeromq.zap.01";
/** A client that is told "later" tries again when its handshake has timed out; one that is told "never" gives up. */
const codes = { yes: "200", later: "300", never: "400", broken: "500" } as const;
type Answer = keyof typeof codes;

/** Handshakes for joining: of all, and of one address. */
const joinRate = { perSecond: 20, burst: 40 };
const joinAddressRate = { perSecond: 10, burst: 20 };
const keptAddresses = 4096;
/**
 * An unknown key is answered so late only: a node that dials a moment before this gateway has heard of it is let in when
 * it has, instead of five seconds later. Shorter than the handshake may take.
 */
const holdMs = 3000;
const mostHeld = 512;

interface Held {
  readonly to: Buffer;
  readonly id: Buffer;
  readonly publicKey: string;
  readonly sinceMs: number;
}

export class KeyCheck {
  readonly #routes: GatewayRoutes;
  readonly #socket = new Router({ linger: 0, sendTimeout: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  readonly #joins = new Rate(joinRate);
  readonly #joinAddresses = new Rates<string>(joinAddressRate, keptAddresses);
  readonly #held = new Set<Held>();
  #sending: Promise<void> = Promise.resolve();
  admitted = 0;
  turnedAway = 0;

  constructor(routes: GatewayRoutes) {
    this.#routes = routes;
  }

  /** Must have been called before a public socket is bound. */
  async start(): Promise<void> {
    await this.#socket.bind(address);
    void this.#read();
  }

  close(): void {
    this.#socket.close();
  }

  /** Nodes were allowed: some may be waiting. */
  recheck(): void {
    for (const held of this.#held) {
      const answer = this.#routes.admits(held.publicKey);
      if (answer === "later") continue;
      this.#held.delete(held);
      this.#answer(held.to, held.id, answer);
    }
  }

  tick(nowMs: number): void {
    for (const held of this.#held) {
      if (nowMs - held.sinceMs < holdMs) break;
      this.#held.delete(held);
      this.#answer(held.to, held.id, "later");
    }
  }

  async #read(): Promise<void> {
    const turn = turnEvery();
    while (!this.#socket.closed) {
      let parts: Buffer[];
      try {
        parts = await this.#socket.receive();
      } catch (error) {
        if (this.#socket.closed) return;
        throw error;
      }
      const [to, , ...request] = parts;
      this.#request(to, request);
      await turn(0);
    }
  }

  #request(to: Buffer, request: readonly Buffer[]): void {
    const [version, id, domain, peer, , mechanism, key] = request;
    if (request.length < 7 || version.toString() !== "1.0") return;
    if (mechanism.toString() !== "CURVE" || key.length !== 32) {
      this.#answer(to, id, "broken");
      return;
    }
    const nowMs = performance.now();
    if (domain.toString() === doors.join) {
      const isInTime = this.#joinAddresses.take(peer.toString(), nowMs) && this.#joins.take(nowMs);
      this.#answer(to, id, isInTime ? "yes" : "later");
    } else if (domain.toString() === doors.mesh) {
      const publicKey = encodeZ85(key);
      const answer = this.#routes.admits(publicKey);
      if (answer === "later" && this.#held.size < mostHeld)
        this.#held.add({ to, id, publicKey, sinceMs: nowMs });
      else this.#answer(to, id, answer);
    } else this.#answer(to, id, "broken");
  }

  #answer(to: Buffer, id: Buffer, answer: Answer): void {
    if (answer === "yes") this.admitted++;
    else this.turnedAway++;
    const parts = [to, "", "1.0", id, codes[answer], answer, "", ""];
    // One message at a time may be under way. Who is not there any more needs no answer.
    this.#sending = this.#sending.then(() => this.#socket.send(parts)).catch(() => {});
  }
}
