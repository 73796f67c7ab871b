/**
 * What the processes of a cluster stand on when they speak to other machines. A `Network` moves datagrams towards a node
 * by whatever way there is (best effort); a `Mesh` makes links of them, which lose nothing and repeat nothing.
 */
import type { Channel } from "@iono/core";
import type { Link } from "../links/link.ts";

/** Moves datagrams (core/protocol/mesh.ts), header included, towards the node in their header. */
export interface Network {
  /** False: no way there now, or the way is full. The session sends again. The buffer must not be changed afterwards. */
  send(datagram: Buffer): boolean;
  /** Set by whoever listens. The buffer is the listener's. */
  onDatagram: (datagram: Buffer) => void;
  /**
   * Set by whoever listens: there is a new way to the node. What was sent before and not acknowledged may be lost, and is
   * sent again at once.
   */
  onWay?: (node: number, channel: Channel) => void;
  /** The node has been silent too long on the channel: give up the way to it, if it is its own, and make it anew. */
  renew?(node: number, channel: Channel): void;
  close(): Promise<void>;
}

/** How another node can be reached, as the head tells. */
export interface NodeAddress {
  readonly node: number;
  /** `tcp://host:port` of its gateway; "" when it cannot be dialled. */
  readonly endpoint: string;
  /** Z85 CURVE public key of the node; its gateway uses the same. */
  readonly publicKey: string;
}

export type MeshChannel = "control" | "bulk";

export interface MeshEvents {
  /**
   * The other side opened a link (or opened it anew after it had lost its state, or after the old one had ended): listen
   * to it before you return.
   */
  linked(node: number, channel: MeshChannel, link: Link): void;
  /** Nothing was heard from the node for a while ("suspect"), or it is heard again ("up"). */
  health(node: number, health: "up" | "suspect", roundTripMs: number): void;
}

/** The sessions of this process with other nodes. */
export interface Mesh {
  readonly node: number;
  /** The link to a node: opened at the first call, the same until it is closed. Lives through lost connections. */
  link(node: number, channel: MeshChannel): Link;
  /** The node has been declared dead, or left: its links end. */
  forget(node: number): void;
  /** Last measured round trip in ms; undefined before the first. */
  roundTripMs(node: number): number | undefined;
  close(): Promise<void>;
}
