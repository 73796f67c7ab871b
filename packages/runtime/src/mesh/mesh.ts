/** The sessions of a node with the others: one a channel. */
import {
  channels,
  datagramHeaderBytes,
  IonoError,
  readDatagramHeader,
  readSessionHeader,
  resetFor,
  sessionTypes,
  writeDatagramHeader,
  writeSessionHeader,
  type Channel,
  type SessionHeader,
} from "@iono/core";
import { randomInt } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Link } from "../links/link.ts";
import { segmentHeadBytes } from "./frame-queue.ts";
import type { Mesh, MeshChannel, MeshEvents, Network } from "./network.ts";
import { SegmentPool } from "./segment-pool.ts";
import { SessionLink } from "./session-link.ts";

export interface MeshOptions {
  /** Number of this node; `headNode` for the head. */
  readonly node: number;
  /** Owned by the mesh from now on. */
  readonly network: Network;
  readonly events: MeshEvents;
}

/** `close` waits so long for what is under way. */
const closeMs = 2000;
/** Numbers of nodes are not used again; so many of those that are gone are remembered. */
const mostForgotten = 4096;

interface Entry {
  readonly link: SessionLink;
  /** Whether someone here has the link. */
  isGiven: boolean;
}

export function createMesh(options: MeshOptions): Mesh {
  return new SessionMesh(options);
}

class SessionMesh implements Mesh {
  readonly node: number;
  readonly #network: Network;
  readonly #events: MeshEvents;
  readonly #entries = new Map<number, Entry>();
  readonly #forgotten = new Set<number>();
  readonly #pool = new SegmentPool();
  #closing: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor({ node, network, events }: MeshOptions) {
    this.node = node;
    this.#network = network;
    this.#events = events;
    network.onDatagram = (datagram) => this.#receive(datagram);
    network.onWay = (to, channel) => this.#entries.get(keyOf(to, channel))?.link.way();
  }

  link(node: number, channel: MeshChannel): Link {
    if (node === this.node) throw new IonoError("Internal", `node ${node} needs no link to itself`);
    const key = keyOf(node, channels[channel]);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.isGiven = true;
      known.link.open();
      return known.link;
    }
    const entry = this.#add(node, channels[channel]);
    entry.isGiven = true;
    if (this.#forgotten.has(node) || this.#closing !== undefined) entry.link.destroy(gone(node));
    else entry.link.open();
    return entry.link;
  }

  forget(node: number): void {
    this.#forgotten.add(node);
    if (this.#forgotten.size > mostForgotten) {
      for (const oldest of this.#forgotten) {
        this.#forgotten.delete(oldest);
        break;
      }
    }
    for (const channel of [channels.control, channels.bulk])
      this.#entries.get(keyOf(node, channel))?.link.destroy(gone(node));
  }

  roundTripMs(node: number): number | undefined {
    return (
      this.#entries.get(keyOf(node, channels.control))?.link.roundTripMs ??
      this.#entries.get(keyOf(node, channels.bulk))?.link.roundTripMs
    );
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const emptied = new Promise<void>((resolve) => (this.#whenEmpty = resolve));
    for (const { link } of [...this.#entries.values()]) link.close();
    if (this.#entries.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      const expired = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeMs)));
      await Promise.race([emptied, expired]);
      clearTimeout(timer);
    }
    for (const { link } of [...this.#entries.values()]) link.destroy();
    this.#pool.close();
    // The last acknowledgements are on their way to the sockets.
    await turn();
    await this.#network.close();
  }

  #add(node: number, channel: Channel): Entry {
    const key = keyOf(node, channel);
    const link: SessionLink = new SessionLink(randomInt(1, 2 ** 32), {
      node,
      channel,
      pool: this.#pool,
      transmit: (header, datagram) => this.#transmit(node, channel, header, datagram),
      established: () => this.#established(node, channel),
      health: (health) => {
        // One channel speaks for the node.
        if (channel === channels.control || !this.#entries.has(keyOf(node, channels.control)))
          this.#events.health(node, health, link.roundTripMs ?? 0);
      },
      renewWay: () => this.#network.renew?.(node, channel),
      ended: () => {
        if (this.#entries.get(key)?.link === link) this.#entries.delete(key);
        if (this.#entries.size === 0) this.#whenEmpty?.();
      },
    });
    const entry: Entry = { link, isGiven: false };
    this.#entries.set(key, entry);
    return entry;
  }

  #established(node: number, channel: Channel): void {
    const entry = this.#entries.get(keyOf(node, channel));
    if (entry === undefined || entry.isGiven) return;
    entry.isGiven = true;
    this.#events.linked(node, channel === channels.control ? "control" : "bulk", entry.link);
  }

  #receive(datagram: Buffer): void {
    const route = readDatagramHeader(datagram);
    if (route === undefined || route.to !== this.node || route.from === this.node) return;
    const header = readSessionHeader(datagram, datagramHeaderBytes);
    if (header === undefined || this.#forgotten.has(route.from)) return;
    let entry = this.#entries.get(keyOf(route.from, route.channel));
    if (entry === undefined) {
      if (header.target === 0) {
        if (header.type !== sessionTypes.open || this.#closing !== undefined) return;
        entry = this.#add(route.from, route.channel);
      } else {
        if (header.type === sessionTypes.reset || header.type === sessionTypes.challenge) return;
        this.#transmit(route.from, route.channel, resetFor(header).header, undefined);
        return;
      }
    }
    entry.link.receive(header, datagram.subarray(segmentHeadBytes));
  }

  #transmit(to: number, channel: Channel, header: SessionHeader, datagram: Buffer | undefined): boolean {
    const bytes = datagram ?? Buffer.allocUnsafe(segmentHeadBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, segmentHeadBytes);
    writeDatagramHeader(view, { channel, from: this.node, to });
    writeSessionHeader(view, datagramHeaderBytes, header);
    return this.#network.send(bytes);
  }
}

function keyOf(node: number, channel: Channel): number {
  return node * 2 + channel;
}

function gone(node: number): IonoError {
  return new IonoError("NodeDied", `node ${node} is gone`);
}
