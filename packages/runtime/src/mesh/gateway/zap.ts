/**
 * The key check (ZAP, ZeroMQ RFC 27): libzmq asks it at every handshake, and admits nobody without an answer. It is
 * asked at handshakes only; what a node may do afterwards is for the routes to say.
 */
import { Rate, Rates, type GatewayRoutes } from "@iono/core";
import { Reply } from "zeromq";
import { encodeZ85 } from "../keys-z85.ts";
import { doors } from "./sockets.ts";

const address = "inproc://zeromq.zap.01";
/** A client that is told so tries again; one that is told "never" gives up for good. */
const codes = { yes: "200", later: "300", never: "400", broken: "500" } as const;

/** Handshakes for joining: of all, and of one address. */
const joinRate = { perSecond: 20, burst: 40 };
const joinAddressRate = { perSecond: 10, burst: 20 };
const keptAddresses = 4096;

export class KeyCheck {
  readonly #routes: GatewayRoutes;
  readonly #socket = new Reply({ linger: 0 });
  readonly #joins = new Rate(joinRate);
  readonly #joinAddresses = new Rates<string>(joinAddressRate, keptAddresses);
  admitted = 0;
  turnedAway = 0;

  constructor(routes: GatewayRoutes) {
    this.#routes = routes;
  }

  /** Must have been called before a public socket is bound. */
  async start(): Promise<void> {
    await this.#socket.bind(address);
    void this.#answer();
  }

  close(): void {
    this.#socket.close();
  }

  async #answer(): Promise<void> {
    while (!this.#socket.closed) {
      try {
        const request = await this.#socket.receive();
        const answer = this.#decide(request);
        if (answer === "yes") this.admitted++;
        else this.turnedAway++;
        await this.#socket.send(["1.0", request[1] ?? "", codes[answer], answer, "", ""]);
      } catch (error) {
        if (this.#socket.closed) return;
        // A request that cannot be answered stays unanswered, and its handshake fails.
        process.stderr.write(`iono: the gateway's key check failed: ${(error as Error).message}\n`);
      }
    }
  }

  #decide([version, , domain, peer, , mechanism, key]: readonly (Buffer | undefined)[]): keyof typeof codes {
    if (version?.toString() !== "1.0" || mechanism?.toString() !== "CURVE" || key?.length !== 32)
      return "broken";
    switch (domain?.toString()) {
      case doors.mesh:
        return this.#routes.admits(encodeZ85(key));
      case doors.join: {
        const nowMs = performance.now();
        const isInTime = this.#joinAddresses.take(peer?.toString() ?? "", nowMs) && this.#joins.take(nowMs);
        return isInTime ? "yes" : "later";
      }
      default:
        return "broken";
    }
  }
}
