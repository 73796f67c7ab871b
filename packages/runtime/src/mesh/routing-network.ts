/**
 * The ways of a node to the others. It dials the gateway of the head at once, and keeps that: every node can be reached
 * through it. It dials another node's gateway when there is something to send to it: of two nodes that can be dialled, the
 * one with the higher number dials; one that cannot be dialled dials those that can. A datagram goes
 * by the connection that this node dialled, else by one that the other opened to our own gateway, else by the head's.
 */
import { headNode, readDatagramHeader, type Channel, channels } from "@iono/core";
import { performance } from "node:perf_hooks";
import { DialledConnection } from "./dialled-connection.ts";
import type { CurveKeys } from "./keys.ts";
import type { Network, NodeAddress } from "./network.ts";

/** The own gateway, as far as it is needed here. */
export interface GatewayNetwork extends Network {
  /** Whether the node has dialled it. */
  reaches(node: number, channel: Channel): boolean;
  onConnected: (node: number, channel: Channel) => void;
  onDisconnected: (node: number, channel: Channel, reason: string) => void;
}

export interface RoutingOptions {
  /** Number of this node. */
  readonly node: number;
  readonly keys: CurveKeys;
  /** What proves to a gateway who this is. */
  hello(channel: Channel, serverPublicKey: string): Buffer;
  /** The gateway of the head; undefined in the head itself. */
  readonly head?: Omit<NodeAddress, "node">;
  /** This node's own gateway, when it has one; closed with the network. */
  readonly gateway?: GatewayNetwork;
  /** Others can dial that. */
  readonly isDialable: boolean;
  /** A connection is not up, and why; again and again while that lasts. */
  onTrouble?(node: number, channel: Channel, reason: string): void;
}

type Way = "dialled" | "gateway" | "head" | "none";

interface Peer {
  readonly address: NodeAddress;
  /** By channel. */
  readonly connections: [DialledConnection | undefined, DialledConnection | undefined];
}

const idleMs = 10 * 60_000;
const idleCheckMs = 60_000;

export class RoutingNetwork implements Network {
  onDatagram: (datagram: Buffer) => void = () => {};
  onWay: Network["onWay"];
  readonly #options: RoutingOptions;
  readonly #peers = new Map<number, Peer>();
  /** The way last taken, by node × 2 + channel. */
  readonly #ways = new Map<number, Way>();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: RoutingOptions) {
    this.#options = options;
    const { gateway, head } = options;
    if (gateway !== undefined) this.#listenTo(gateway);
    if (head !== undefined) {
      this.setAddress({ ...head, node: headNode });
      for (const channel of [channels.control, channels.bulk]) this.#dial(headNode, channel);
    }
    this.#timer = setInterval(() => this.#closeIdle(), idleCheckMs);
    this.#timer.unref();
  }

  /** How a node can be reached, as the head tells; also when that has changed. */
  setAddress(address: NodeAddress): void {
    const known = this.#peers.get(address.node)?.address;
    if (known?.endpoint === address.endpoint && known.publicKey === address.publicKey) return;
    this.#hangUp(address.node);
    this.#peers.set(address.node, { address, connections: [undefined, undefined] });
    if (address.node !== headNode || known === undefined) return;
    for (const channel of [channels.control, channels.bulk]) this.#dial(headNode, channel);
  }

  /** The node is no more. */
  forget(node: number): void {
    for (const channel of [channels.control, channels.bulk]) this.#ways.delete(keyOf(node, channel));
    this.#hangUp(node);
    this.#peers.delete(node);
  }

  /** The way that datagrams to the node take now. */
  wayTo(node: number, channel: Channel): Way {
    if (this.#peers.get(node)?.connections[channel]?.isUp === true) return "dialled";
    if (this.#options.gateway?.reaches(node, channel) === true) return "gateway";
    if (this.#peers.get(headNode)?.connections[channel]?.isUp === true) return "head";
    return "none";
  }

  send(datagram: Buffer): boolean {
    const header = readDatagramHeader(datagram);
    if (header === undefined || this.#isClosed) return false;
    const { to, channel } = header;
    const peer = this.#peers.get(to);
    if (peer !== undefined && peer.connections[channel] === undefined && this.#dials(peer.address))
      this.#dial(to, channel);
    const way = this.wayTo(to, channel);
    this.#ways.set(keyOf(to, channel), way);
    switch (way) {
      case "dialled":
        return peer?.connections[channel]?.send(datagram) ?? false;
      case "gateway":
        return this.#options.gateway?.send(datagram) ?? false;
      case "head":
        return this.#peers.get(headNode)?.connections[channel]?.send(datagram) ?? false;
      case "none":
        return false;
    }
  }

  renew(node: number, channel: Channel): void {
    this.#peers.get(node)?.connections[channel]?.renew(`node ${node} is silent`);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const node of this.#peers.keys()) this.#hangUp(node);
    await this.#options.gateway?.close();
  }

  #dials({ node, endpoint }: NodeAddress): boolean {
    if (endpoint === "") return false;
    return node === headNode || !this.#options.isDialable || this.#options.node > node;
  }

  #dial(node: number, channel: Channel): void {
    const peer = this.#peers.get(node);
    if (peer === undefined || peer.connections[channel] !== undefined) return;
    const { endpoint, publicKey } = peer.address;
    const { keys, hello, onTrouble } = this.#options;
    peer.connections[channel] = new DialledConnection(
      { endpoint, serverPublicKey: publicKey, keys, channel, hello: () => hello(channel, publicKey) },
      {
        datagram: (datagram) => this.onDatagram(datagram),
        up: () => this.#cameUp(node, channel),
        down: (reason) => {
          this.#wentDown("dialled", node, channel);
          onTrouble?.(node, channel, reason);
        },
        trouble: (reason) => onTrouble?.(node, channel, reason),
      },
    );
  }

  #hangUp(node: number): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    for (const channel of [channels.control, channels.bulk]) {
      const connection = peer.connections[channel];
      if (connection === undefined) continue;
      peer.connections[channel] = undefined;
      connection.close();
      this.#wentDown("dialled", node, channel);
    }
  }

  #listenTo(gateway: GatewayNetwork): void {
    gateway.onDatagram = (datagram) => this.onDatagram(datagram);
    const { onConnected, onDisconnected } = gateway;
    gateway.onConnected = (node, channel) => {
      onConnected(node, channel);
      this.#cameUp(node, channel);
    };
    gateway.onDisconnected = (node, channel, reason) => {
      onDisconnected(node, channel, reason);
      this.#wentDown("gateway", node, channel);
    };
  }

  /** There is a connection: whoever had none goes on by it. */
  #cameUp(node: number, channel: Channel): void {
    if (node !== headNode) this.#find(node, channel);
    else for (const key of this.#waysOf("none", channel)) this.#find(key >>> 1, channel);
  }

  /** A connection is no more: whoever used it looks for another. */
  #wentDown(way: "dialled" | "gateway", node: number, channel: Channel): void {
    this.#lose(keyOf(node, channel), way);
    if (way === "dialled" && node === headNode)
      for (const key of this.#waysOf("head", channel)) this.#lose(key, "head");
  }

  #lose(key: number, way: Way): void {
    if (this.#ways.get(key) !== way) return;
    this.#ways.set(key, "none");
    this.#find(key >>> 1, (key & 1) as Channel);
  }

  /** Looks for a way to a node that has none. */
  #find(node: number, channel: Channel): void {
    const key = keyOf(node, channel);
    if (this.#ways.get(key) !== "none") return;
    const way = this.wayTo(node, channel);
    if (way === "none" || this.#isClosed) return;
    this.#ways.set(key, way);
    this.onWay?.(node, channel);
  }

  #waysOf(way: Way, channel: Channel): number[] {
    const keys: number[] = [];
    for (const [key, used] of this.#ways) if (used === way && (key & 1) === channel) keys.push(key);
    return keys;
  }

  #closeIdle(): void {
    const now = performance.now();
    for (const [node, { connections }] of this.#peers) {
      if (node === headNode) continue;
      for (const channel of [channels.control, channels.bulk]) {
        const connection = connections[channel];
        if (connection === undefined || now - connection.usedMs < idleMs) continue;
        connections[channel] = undefined;
        connection.close();
        this.#wentDown("dialled", node, channel);
      }
    }
  }
}

function keyOf(node: number, channel: Channel): number {
  return node * 2 + channel;
}
