/**
 * A TCP proxy that makes trouble on request: it stands between a client and a target, and what it does to their bytes
 * can be changed while they run. The same seed makes the same choices. No root needed; real sockets on both sides.
 *
 * What it cannot do: it accepts connections itself, so that during a `stall` a connect succeeds (and then hears
 * nothing), where in a real blackout it would time out; and the kernel's socket buffers, some MiB, lie before and
 * behind its own.
 */
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { changed, Connection, directionsOf } from "./proxy-connection.ts";
import type { Address, FaultsAndBucket, ProxyConnection, Which } from "./proxy-connection.ts";
import { Bucket, noFaults } from "./proxy-faults.ts";
import type { Direction, Faults, Side } from "./proxy-faults.ts";
import { newCounters } from "./proxy-pipe.ts";
import type { DirectionCounters } from "./proxy-pipe.ts";

export type { Address, ProxyConnection, Which } from "./proxy-connection.ts";
export type { Direction, Faults, Side } from "./proxy-faults.ts";
export type { DirectionCounters } from "./proxy-pipe.ts";

export interface ProxyOptions {
  /** Where connections go on to. */
  readonly target: Address;
  /** Of all that is left to chance. 1 unless said. */
  readonly seed?: number;
  /** Where to listen; any free port of 127.0.0.1 unless said. */
  readonly host?: string;
  readonly port?: number;
}

export interface ProxyCounters extends Readonly<Record<Direction, Readonly<DirectionCounters>>> {
  /** Accepted so far, those refused or answered included. */
  readonly connections: number;
}

export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly seed: number;
  readonly counters: ProxyCounters;
  /** Those that are open, oldest first. */
  readonly connections: readonly ProxyConnection[];
  /** Resolves with the next connection that goes on to the target. */
  nextConnection(): Promise<ProxyConnection>;
  /** Changes what happens to all bytes from now on, those of open connections and of later ones. */
  set(change: Partial<Faults>, which?: Which): void;
  /** Holds everything back, as a blackout does; `heal` lets it come. */
  stall(which?: Which): void;
  /** Throws bytes away, those on their way included. */
  drop(which?: Which): void;
  /** Flips one bit of the next bytes of every open connection. */
  corruptNext(which?: Which): void;
  /** Resets every open connection. */
  reset(): void;
  /** On every open connection: this side sees it end, the other is told nothing. */
  closeSilently(side: Side): void;
  /** New connections are accepted, and ended at once: `close` in the orderly way, `reset` not. */
  refuse(how: "close" | "reset" | "never"): void;
  /** The next connection is sent these bytes and closed; it never reaches the target. Repeats add up. */
  answerOnce(bytes: Uint8Array | string): void;
  /** False: connects are refused by the kernel, as when nothing runs there. Open connections go on. */
  setListening(on: boolean): Promise<void>;
  /** Later connections go there. */
  retarget(target: Address): void;
  /** No faults any more, on the proxy and on each connection. What has been cut, reset or lost stays so. */
  heal(): void;
  /** Ends every connection and the listening. */
  close(): Promise<void>;
}

/** @throws what `listen` does, such as EADDRINUSE. */
export async function startProxy(options: ProxyOptions): Promise<TcpProxy> {
  const proxy = new ChaosProxy(options);
  await proxy.setListening(true);
  return proxy;
}

class ChaosProxy implements TcpProxy {
  readonly host: string;
  readonly seed: number;
  readonly counters = { connections: 0, toTarget: newCounters(), toClient: newCounters() };
  readonly #server: Server;
  #port: number;
  #target: Address;
  #closed = false;
  #refuse: "close" | "reset" | "never" = "never";
  #answers: (Uint8Array | string)[] = [];
  #forwarded = 0;
  readonly #open = new Set<Connection>();
  /** Accepted ones that do not go on to the target. */
  readonly #turnedAway = new Set<Socket>();
  #waiting: ((connection: ProxyConnection) => void)[] = [];
  readonly #current: Record<Direction, FaultsAndBucket> = {
    toTarget: { faults: noFaults, bucket: new Bucket(Infinity) },
    toClient: { faults: noFaults, bucket: new Bucket(Infinity) },
  };

  constructor({ target, seed = 1, host = "127.0.0.1", port = 0 }: ProxyOptions) {
    this.host = host;
    this.seed = seed;
    this.#port = port;
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  get port(): number {
    return this.#port;
  }

  get connections(): readonly ProxyConnection[] {
    return [...this.#open];
  }

  nextConnection(): Promise<ProxyConnection> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  set(change: Partial<Faults>, which: Which = "both"): void {
    for (const direction of directionsOf(which)) {
      const now = changed(this.#current[direction], change);
      this.#current[direction] = now;
      for (const connection of this.#open) connection.applyChange(direction, change, now.bucket);
    }
  }

  stall(which: Which = "both"): void {
    this.set({ delivery: "stall" }, which);
  }

  drop(which: Which = "both"): void {
    this.set({ delivery: "drop" }, which);
  }

  corruptNext(which: Which = "both"): void {
    for (const connection of this.#open) connection.corruptNext(which);
  }

  reset(): void {
    for (const connection of [...this.#open]) connection.reset();
  }

  closeSilently(side: Side): void {
    for (const connection of [...this.#open]) connection.closeSilently(side);
  }

  refuse(how: "close" | "reset" | "never"): void {
    this.#refuse = how;
  }

  answerOnce(bytes: Uint8Array | string): void {
    this.#answers.push(bytes);
  }

  retarget(target: Address): void {
    this.#target = target;
  }

  async setListening(on: boolean): Promise<void> {
    if (this.#closed) throw new Error("the proxy is closed");
    if (on === this.#server.listening) return;
    if (!on) {
      // Its callback would wait for the open connections; the listening itself has ended when `close` returns.
      this.#server.close();
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host: this.host, port: this.#port }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  heal(): void {
    this.#refuse = "never";
    this.#answers = [];
    this.set(noFaults);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const ended = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const socket of this.#turnedAway) socket.destroy();
    await Promise.all([ended, ...[...this.#open].map((connection) => connection.destroy())]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    this.counters.connections++;
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      this.#turnAway(client);
      client.end(answer);
      client.resume();
      return;
    }
    if (this.#refuse !== "never") {
      this.#turnAway(client);
      if (this.#refuse === "reset") client.resetAndDestroy();
      else client.destroy();
      return;
    }
    const connection = new Connection({
      id: ++this.#forwarded,
      seed: this.seed,
      client,
      target: this.#target,
      initial: this.#current,
      counters: this.counters,
      closed: (which) => this.#open.delete(which),
    });
    this.#open.add(connection);
    for (const resolve of this.#waiting.splice(0)) resolve(connection);
  }

  #turnAway(client: Socket): void {
    this.#turnedAway.add(client);
    client.on("error", () => {}); // It left first.
    client.once("close", () => this.#turnedAway.delete(client));
  }
}
