/**
 * What a gateway knows and decides: which nodes may speak, which connection is whose, and where a datagram goes.
 *
 * - (G1) only a connection that proved an allowed node's key is bound, one for each node and channel, the newest;
 * - (G2) a datagram goes on only from the connection bound to its `from` and channel, or from the local link that
 *   serves its `from`;
 * - (G3) after `revoke` nothing of the node passes, in neither direction, until it is allowed anew;
 * - (G4) what is kept is bounded: two connections for each allowed node, and fixed numbers of everything else.
 *
 * A connection is the number that the socket gave it, a local link that of the shell. Times are in ms and monotonic.
 */
import { connectionIdleMs, type AllowedNode } from "../protocol/gateway.ts";
import { channels, type Channel } from "../protocol/mesh.ts";
import { Rate, Rates } from "./gateway-routes-rate.ts";

export interface BoundConnection {
  readonly kind: "connection";
  readonly connection: number;
  readonly node: number;
  readonly channel: Channel;
}

export interface LocalServer {
  readonly kind: "local";
  readonly local: number;
}

export type DropReason =
  /** No such node is connected here. */
  | "noRoute"
  /** It came on a connection that is bound to nobody. */
  | "unbound"
  /** `from` or the channel is not that of the connection. */
  | "forged";

export interface Drop {
  readonly kind: "drop";
  readonly reason: DropReason;
}

export type Route = BoundConnection | LocalServer | Drop;

export type GatewayEvent =
  | { readonly type: "allow"; readonly nodes: readonly AllowedNode[] }
  /** `isFinal`: its key is never to come again. Else it may be allowed anew, and is merely unknown until then. */
  | { readonly type: "revoke"; readonly node: number; readonly isFinal: boolean }
  /** A local link serves these nodes, and no others. */
  | { readonly type: "serve"; readonly local: number; readonly nodes: readonly number[] }
  | { readonly type: "local gone"; readonly local: number }
  /** The connection has proved that it is the node's. */
  | {
      readonly type: "proved";
      readonly connection: number;
      readonly node: number;
      readonly channel: Channel;
      readonly nowMs: number;
    }
  /** The socket says that the connection is no more. */
  | { readonly type: "gone"; readonly connection: number; readonly reason: string }
  | { readonly type: "tick"; readonly nowMs: number };

export type GatewayInstruction =
  | { readonly type: "connected"; readonly bound: BoundConnection }
  /** What waits for the connection is dropped; `isNews`: the node has no connection of the channel any more. */
  | {
      readonly type: "disconnected";
      readonly bound: BoundConnection;
      readonly reason: string;
      readonly isNews: boolean;
    };

interface Entry extends BoundConnection {
  heardMs: number;
}

const noRoute: Drop = { kind: "drop", reason: "noRoute" };
const unbound: Drop = { kind: "drop", reason: "unbound" };
const forged: Drop = { kind: "drop", reason: "forged" };

/** Keys of nodes that were turned out and are told never to come again; older ones are merely unknown. */
const keptBanned = 10_000;
/** Proofs are checked this often: one costs about 0.1 ms. */
const helloRate = { perSecond: 1000, burst: 2000 };
const connectionHelloRate = { perSecond: 1, burst: 5 };
const keptConnections = 4096;
const askRate = { perSecond: 1000, burst: 1000 };
const connectionAskRate = { perSecond: 4, burst: 4 };

export class GatewayRoutes {
  readonly #keys = new Map<number, string>();
  readonly #nodes = new Map<string, number>();
  readonly #banned = new Set<string>();
  readonly #served = new Map<number, LocalServer>();
  readonly #connections = new Map<number, Entry>();
  /** By node × 2 + channel. */
  readonly #bindings = new Map<number, Entry>();
  readonly #hellos = new Rate(helloRate);
  readonly #connectionHellos = new Rates<number>(connectionHelloRate, keptConnections);
  readonly #asks = new Rate(askRate);
  readonly #connectionAsks = new Rates<number>(connectionAskRate, keptConnections);

  /** Key of an allowed node. */
  publicKeyOf(node: number): string | undefined {
    return this.#keys.get(node);
  }

  /** Whether whoever holds this key may connect: `later` when the node may yet be allowed. */
  admits(publicKey: string): "yes" | "later" | "never" {
    if (this.#nodes.has(publicKey)) return "yes";
    return this.#banned.has(publicKey) ? "never" : "later";
  }

  /** Those that are allowed, at this moment. */
  nodes(): number[] {
    return [...this.#keys.keys()];
  }

  get allowedCount(): number {
    return this.#keys.size;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  bound(): IterableIterator<BoundConnection> {
    return this.#connections.values();
  }

  isBound(connection: number): boolean {
    return this.#connections.has(connection);
  }

  /** Where a datagram goes that came on a connection. The hot path: nothing is allocated. */
  route(connection: number, channel: Channel, from: number, to: number, nowMs: number): Route {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return unbound;
    entry.heardMs = nowMs;
    if (entry.node !== from || entry.channel !== channel) return forged;
    return this.#towards(to, channel);
  }

  /** Where a datagram goes that a local link gave. */
  routeLocal(local: number, channel: Channel, from: number, to: number): Route {
    if (this.#served.get(from)?.local !== local) return forged;
    return this.#towards(to, channel);
  }

  /** Something came on the connection. Whether it is bound. */
  heard(connection: number, nowMs: number): boolean {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return false;
    entry.heardMs = nowMs;
    return true;
  }

  /** A hello came: whether to look at it now. */
  admitHello(connection: number, nowMs: number): boolean {
    return this.#connectionHellos.take(connection, nowMs) && this.#hellos.take(nowMs);
  }

  /** Something came on an unbound connection that can do nothing with it: whether to tell it what is missing. */
  admitAsk(connection: number, nowMs: number): boolean {
    return this.#connectionAsks.take(connection, nowMs) && this.#asks.take(nowMs);
  }

  handle(event: GatewayEvent): GatewayInstruction[] {
    const out: GatewayInstruction[] = [];
    switch (event.type) {
      case "allow":
        for (const each of event.nodes) this.#allow(each, out);
        break;
      case "revoke":
        this.#revoke(event.node, event.isFinal ? "revoked" : "not allowed any more", event.isFinal, out);
        break;
      case "serve":
        this.#unserve(event.local);
        for (const node of event.nodes) this.#served.set(node, { kind: "local", local: event.local });
        break;
      case "local gone":
        this.#unserve(event.local);
        break;
      case "proved":
        this.#bind(event, out);
        break;
      case "gone":
        this.#drop(this.#connections.get(event.connection), event.reason, out);
        break;
      case "tick":
        for (const entry of this.#connections.values())
          if (event.nowMs - entry.heardMs > connectionIdleMs)
            this.#drop(entry, `silent for ${connectionIdleMs / 1000} s`, out);
        break;
    }
    return out;
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    if (this.#keys.size !== this.#nodes.size)
      throw new Error(`${this.#keys.size} nodes, ${this.#nodes.size} keys`);
    if (this.#bindings.size !== this.#connections.size)
      throw new Error(`G1: ${this.#connections.size} connections for ${this.#bindings.size} bindings`);
    for (const [key, entry] of this.#bindings) {
      if (key !== bindingKey(entry.node, entry.channel)) throw new Error("G1: bound under another name");
      if (this.#connections.get(entry.connection) !== entry) throw new Error("G1: bound to another");
      if (!this.#keys.has(entry.node)) throw new Error(`G3: node ${entry.node} is bound and not allowed`);
    }
    for (const [node, key] of this.#keys) {
      if (this.#nodes.get(key) !== node) throw new Error(`the key of node ${node} is not known as its`);
      if (this.#banned.has(key)) throw new Error(`node ${node} is allowed and banned`);
    }
    if (this.#banned.size > keptBanned) throw new Error("G4: too many banned keys");
    if (this.#connections.size > 2 * this.#keys.size) throw new Error("G4: too many connections");
  }

  #towards(to: number, channel: Channel): Route {
    // What is served here goes to its local link, also if it should be connected as well.
    return this.#served.get(to) ?? this.#bindings.get(bindingKey(to, channel)) ?? noRoute;
  }

  #allow({ node, publicKey }: AllowedNode, out: GatewayInstruction[]): void {
    if (this.#keys.get(node) === publicKey) return;
    if (this.#keys.has(node)) this.#revoke(node, "allowed with another key", true, out);
    const other = this.#nodes.get(publicKey);
    // One key, one node: a machine that joined anew has a new number.
    if (other !== undefined) {
      this.#unbind(other, `its key is that of node ${node} now`, out);
      this.#keys.delete(other);
    }
    this.#banned.delete(publicKey);
    this.#keys.set(node, publicKey);
    this.#nodes.set(publicKey, node);
  }

  #revoke(node: number, reason: string, isFinal: boolean, out: GatewayInstruction[]): void {
    const key = this.#keys.get(node);
    if (key === undefined) return;
    this.#keys.delete(node);
    this.#nodes.delete(key);
    if (isFinal) this.#banned.add(key);
    for (const oldest of this.#banned) {
      if (this.#banned.size <= keptBanned) break;
      this.#banned.delete(oldest);
    }
    this.#unbind(node, reason, out);
  }

  #unbind(node: number, reason: string, out: GatewayInstruction[]): void {
    this.#drop(this.#bindings.get(bindingKey(node, channels.control)), reason, out);
    this.#drop(this.#bindings.get(bindingKey(node, channels.bulk)), reason, out);
  }

  #unserve(local: number): void {
    for (const [node, server] of this.#served) if (server.local === local) this.#served.delete(node);
  }

  #bind(
    { connection, node, channel, nowMs }: Extract<GatewayEvent, { type: "proved" }>,
    out: GatewayInstruction[],
  ): void {
    if (!this.#keys.has(node)) return;
    const same = this.#connections.get(connection);
    if (same?.node === node && same.channel === channel) {
      same.heardMs = nowMs;
      return;
    }
    this.#drop(same, "it says that it is another now", out);
    const before = this.#bindings.get(bindingKey(node, channel));
    if (before !== undefined) {
      this.#connections.delete(before.connection);
      out.push({ type: "disconnected", bound: before, reason: "connected anew", isNews: false });
    }
    const entry: Entry = { kind: "connection", connection, node, channel, heardMs: nowMs };
    this.#connections.set(connection, entry);
    this.#bindings.set(bindingKey(node, channel), entry);
    out.push({ type: "connected", bound: entry });
  }

  #drop(entry: Entry | undefined, reason: string, out: GatewayInstruction[]): void {
    if (entry === undefined) return;
    this.#connections.delete(entry.connection);
    this.#bindings.delete(bindingKey(entry.node, entry.channel));
    out.push({ type: "disconnected", bound: entry, reason, isNews: true });
  }
}

function bindingKey(node: number, channel: Channel): number {
  return node * 2 + channel;
}
