/** One connection through a chaos proxy: two sockets, and a pipe for each direction. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { Bucket, changeFaults, directions } from "./proxy-faults.ts";
import type { Direction, Faults, Side } from "./proxy-faults.ts";
import { newCounters, Pipe } from "./proxy-pipe.ts";
import type { DirectionCounters } from "./proxy-pipe.ts";
import { seededRandom } from "./proxy-random.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `direction` may be left out: then both. */
export type Which = Direction | "both";

export function directionsOf(which: Which): readonly Direction[] {
  return which === "both" ? directions : [which];
}

/** Faults of one direction, and the bucket of their rate. */
export interface FaultsAndBucket {
  readonly faults: Faults;
  readonly bucket: Bucket;
}

/** With a new bucket when the rate is another. */
export function changed(before: FaultsAndBucket, change: Partial<Faults>): FaultsAndBucket {
  const faults = changeFaults(before.faults, change);
  const sameRate = change.bytesPerSecond === undefined;
  return { faults, bucket: sameRate ? before.bucket : new Bucket(faults.bytesPerSecond) };
}

export interface ProxyConnection {
  /** Counted from 1 in the order of arrival. */
  readonly id: number;
  readonly counters: Readonly<Record<Direction, Readonly<DirectionCounters>>>;
  /** Changes what happens to the bytes of this connection alone, from now on. */
  set(change: Partial<Faults>, which?: Which): void;
  /** Flips one bit of the next bytes that are read. */
  corruptNext(which?: Which): void;
  /** Both sides see their connection reset. */
  reset(): void;
  /** This side sees its connection end; the other is told nothing, and what it sends is lost. */
  closeSilently(side: Side): void;
}

export interface ConnectionOptions {
  readonly id: number;
  readonly seed: number;
  readonly client: Socket;
  readonly target: Address;
  readonly initial: Readonly<Record<Direction, FaultsAndBucket>>;
  /** Of the whole proxy. */
  readonly counters: Readonly<Record<Direction, DirectionCounters>>;
  readonly closed: (connection: Connection) => void;
}

export class Connection implements ProxyConnection {
  readonly id: number;
  readonly counters: Readonly<Record<Direction, DirectionCounters>> = {
    toTarget: newCounters(),
    toClient: newCounters(),
  };
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #pipes: Readonly<Record<Direction, Pipe>>;
  readonly #current: Record<Direction, FaultsAndBucket>;
  readonly #closed: Promise<unknown>;

  constructor({ id, seed, client, target, initial, counters, closed }: ConnectionOptions) {
    this.id = id;
    this.#current = { ...initial };
    this.#client = client;
    this.#target = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const pipe = (direction: Direction, source: Socket, sink: Socket): Pipe => {
      // Of its own for each direction of each connection, so that chance does not depend on how they interleave.
      const random = seededRandom(Math.imul(seed, 0x9e3779b1) + id * 2 + directions.indexOf(direction));
      const { faults, bucket } = initial[direction];
      const both = [this.counters[direction], counters[direction]];
      return new Pipe({ source, sink, random, counters: both, reset: () => this.reset() }, faults, bucket);
    };
    this.#pipes = {
      toTarget: pipe("toTarget", this.#client, this.#target),
      toClient: pipe("toClient", this.#target, this.#client),
    };
    this.#closed = Promise.all([this.#client, this.#target].map(closing));
    void this.#closed.then(() => closed(this));
  }

  set(change: Partial<Faults>, which: Which = "both"): void {
    for (const direction of directionsOf(which))
      this.apply(direction, changed(this.#current[direction], change));
  }

  /** Not for users: sets faults whose bucket others may share. */
  apply(direction: Direction, { faults, bucket }: FaultsAndBucket): void {
    this.#current[direction] = { faults, bucket };
    this.#pipes[direction].change(faults, bucket);
  }

  /** Not for users: a change of the proxy's, whose rate this connection shares when it is part of the change. */
  applyChange(direction: Direction, change: Partial<Faults>, shared: Bucket): void {
    const before = this.#current[direction];
    const bucket = change.bytesPerSecond === undefined ? before.bucket : shared;
    this.apply(direction, { faults: changeFaults(before.faults, change), bucket });
  }

  corruptNext(which: Which = "both"): void {
    for (const direction of directionsOf(which)) this.#pipes[direction].corruptNext();
  }

  reset(): void {
    this.#cut();
    for (const socket of [this.#client, this.#target]) endBadly(socket);
  }

  closeSilently(side: Side): void {
    this.#cut();
    (side === "client" ? this.#client : this.#target).destroy();
  }

  /** Not for users: ends both sides and leaves nothing. */
  destroy(): Promise<unknown> {
    this.#cut();
    for (const socket of [this.#client, this.#target]) socket.destroy();
    return this.#closed;
  }

  #cut(): void {
    for (const direction of directions) this.#pipes[direction].cut();
  }
}

/** Resolves when the socket is no more. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    // A reset that the kernel refuses, as while the socket is being shut down, is the last that Node tells of a socket.
    socket.on("error", ({ syscall }: NodeJS.ErrnoException) => {
      if (syscall === "reset") resolve();
    });
  });
}

/** With a reset where there is a connection yet. */
function endBadly(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
