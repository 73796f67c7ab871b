/** A network of a test: in memory, as bad as it is told to be. */
import { readDatagramHeader, type Channel } from "@iono/core";
import type { Network } from "./network.ts";

export interface Weather {
  /** Chances, 0 to 1. */
  readonly lose: number;
  readonly repeat: number;
  /** Longest delay in ms; datagrams overtake each other within it. 0: the next turn, in order. */
  readonly delayMs: number;
  /** Chance that `send` answers false. */
  readonly refuse: number;
  readonly random: () => number;
}

export const fairWeather: Weather = { lose: 0, repeat: 0, delayMs: 0, refuse: 0, random: Math.random };

/** The seeded generator "mulberry32". */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class MemoryWorld {
  weather: Weather;
  readonly nodes = new Map<number, MemoryNetwork>();
  readonly renewed: [number, Channel][] = [];
  /** Datagrams between nodes for which it says true are lost. */
  isCut: (from: number, to: number) => boolean = () => false;
  datagrams = 0;

  constructor(weather: Weather = fairWeather) {
    this.weather = weather;
  }

  /** A process that has the number of a node; another one that had it is gone. */
  join(node: number): MemoryNetwork {
    const network = new MemoryNetwork(this);
    this.nodes.set(node, network);
    return network;
  }
}

export class MemoryNetwork implements Network {
  onDatagram: (datagram: Buffer) => void = () => {};
  onWay: Network["onWay"];
  readonly #world: MemoryWorld;
  #closed = false;

  constructor(world: MemoryWorld) {
    this.#world = world;
  }

  send(datagram: Buffer): boolean {
    const { lose, repeat, refuse, random } = this.#world.weather;
    const route = readDatagramHeader(datagram);
    if (route === undefined) throw new Error("no datagram");
    if (random() < refuse) return false;
    this.#world.datagrams++;
    if (random() >= lose) this.#carry(route.from, route.to, datagram);
    if (random() < repeat) this.#carry(route.from, route.to, datagram);
    return true;
  }

  renew(node: number, channel: Channel): void {
    this.#world.renewed.push([node, channel]);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #carry(from: number, to: number, datagram: Buffer): void {
    const { delayMs, random } = this.#world.weather;
    // A copy, so that a buffer which is changed later is noticed.
    const copy = Buffer.from(datagram);
    const arrive = () => {
      const receiver = this.#world.nodes.get(to);
      if (this.#world.isCut(from, to) || receiver === undefined || receiver.#closed) return;
      receiver.onDatagram(copy);
    };
    if (delayMs === 0) setImmediate(arrive);
    else setTimeout(arrive, random() * delayMs);
  }
}
