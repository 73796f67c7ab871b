/**
 * What a head or an agent has of its gateway: a `Network` for datagrams, the list of nodes that may come in, join
 * requests, and who is connected. A gateway that ends is started anew, and told everything again; only datagrams are lost.
 */
import {
  datagramHeaderBytes,
  frameKinds,
  IonoError,
  maxJoinAnswerBytes,
  readDatagramHeader,
  type AllowedNode,
  type Channel,
  type FromGateway,
  type GatewayCounters,
  type ToGateway,
} from "@iono/core";
import type { UnixLink } from "../../links/unix.ts";
import type { Network } from "../network.ts";
import { packGatewayMessage, readFromGateway } from "./messages.ts";

export interface GatewayIdentity {
  /** "" until known: nobody can connect before. */
  readonly clusterId: string;
  /** Numbers of the nodes for which this process takes datagrams. */
  readonly serves: readonly number[];
  /** This process keeps the list of allowed nodes, and answers joins. */
  readonly guards: boolean;
  /**
   * Nodes that may come in from the start, for one that guards: a head that starts anew names those it knows, so that
   * their connections stay.
   */
  readonly allowed?: readonly AllowedNode[];
}

export interface BoundGateway {
  readonly port: number;
  /** 0: nobody joins there. */
  readonly joinPort: number;
  /** Where other processes of this machine connect: see `ConnectedGateway`. Another one after each restart. */
  readonly path: string;
}

/** What may wait on the way to the gateway. */
const queuedLimit = { control: 64 * 1024 * 1024, data: 32 * 1024 * 1024 } as const;
const statsMs = 5000;

export abstract class GatewayClient implements Network {
  readonly #secret: string;
  #identity: GatewayIdentity;
  readonly #allowed = new Map<number, string>();
  /** node × 2 + channel of those that datagrams reach from here. */
  readonly #connected = new Set<number>();
  readonly #statsAskers = new Map<number, (counters: GatewayCounters | undefined) => void>();
  #nextId = 1;
  #link: UnixLink | null = null;
  #bound: BoundGateway | null = null;
  #isClosed = false;

  onDatagram: (datagram: Buffer) => void = () => {};
  onWay: Network["onWay"];
  /** A node can be reached through the gateway on a channel (0 control, 1 bulk): it has dialled. */
  onConnected: (node: number, channel: Channel) => void = () => {};
  onDisconnected: (node: number, channel: Channel, reason: string) => void = () => {};
  /** A request to join, as it came: not to be believed. What it resolves to is sent back; undefined: no answer. */
  onJoin: (request: Buffer) => Promise<Buffer | undefined> = () => Promise.resolve(undefined);
  /** The gateway listens: after the start, and after each restart. */
  onBound: (bound: BoundGateway) => void = () => {};
  /** The gateway has ended, or cannot start, and is started anew. */
  onTrouble: (message: string) => void = () => {};

  protected constructor(secret: string, identity: GatewayIdentity) {
    this.#secret = secret;
    this.#identity = identity;
    for (const { node, publicKey } of identity.allowed ?? []) this.#allowed.set(node, publicKey);
  }

  /** Undefined while the gateway is being started. */
  get bound(): BoundGateway | undefined {
    return this.#bound ?? undefined;
  }

  /** This process says who may come in. */
  get guards(): boolean {
    return this.#identity.guards;
  }

  protected get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether datagrams for the node get there through the gateway, as far as is known. */
  reaches(node: number, channel: Channel): boolean {
    return this.#connected.has(node * 2 + channel);
  }

  send(datagram: Buffer): boolean {
    const link = this.#link;
    if (link === null || link.closed || datagram.length < datagramHeaderBytes) return false;
    const header = readDatagramHeader(datagram);
    if (header === undefined || !this.reaches(header.to, header.channel)) return false;
    const lane = header.channel === 0 ? "control" : "data";
    if (link.queuedBytes + datagram.length > queuedLimit[lane]) return false;
    link.send(lane, frameKinds.datagram, datagram);
    return true;
  }

  /** The node may come in with this key, from now on and after a restart of the gateway too. */
  allow(...nodes: readonly AllowedNode[]): void {
    for (const { node, publicKey } of nodes) this.#allowed.set(node, publicKey);
    this.#tell({ t: "allow", nodes, isWhole: false });
  }

  /** The node's connections are cut, and its key is refused. */
  revoke(node: number): void {
    this.#allowed.delete(node);
    this.#tell({ t: "revoke", node });
  }

  /** What this process is has changed: it knows its cluster or its number now. */
  identify(identity: Partial<Omit<GatewayIdentity, "allowed">>): void {
    this.#identity = { ...this.#identity, ...identity };
    this.#hello();
  }

  /** Undefined when the gateway does not answer. */
  stats(): Promise<GatewayCounters | undefined> {
    if (this.#link === null) return Promise.resolve(undefined);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer(undefined), statsMs);
      const answer = (counters: GatewayCounters | undefined): void => {
        clearTimeout(timer);
        this.#statsAskers.delete(id);
        resolve(counters);
      };
      this.#statsAskers.set(id, answer);
      this.#tell({ t: "stats", id });
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.detach("closed");
    return Promise.resolve();
  }

  /** A gateway can be reached by this link now. `lost` is called when the link ends. */
  protected attach(link: UnixLink, lost: () => void): void {
    this.#link = link;
    link.unref();
    link.listen({
      frame: (kind, chunk, start, end) => {
        if (this.#link !== link) return;
        if (kind === frameKinds.datagram) this.onDatagram(chunk.subarray(start, end));
        else if (kind === frameKinds.gateway) this.#receive(readFromGateway(chunk, start, end));
      },
      closed: () => {
        if (this.#link === link) this.detach("the gateway has ended");
        lost();
      },
    });
    this.#hello();
    if (!this.#identity.guards) return;
    const nodes = Array.from(this.#allowed, ([node, publicKey]) => ({ node, publicKey }));
    this.#tell({ t: "allow", nodes, isWhole: true });
  }

  /** There is no gateway now. */
  protected detach(reason: string): void {
    const link = this.#link;
    this.#link = null;
    this.#bound = null;
    link?.destroy();
    const connected = [...this.#connected];
    this.#connected.clear();
    for (const each of connected) this.onDisconnected(each >>> 1, (each & 1) as Channel, reason);
    for (const answer of this.#statsAskers.values()) answer(undefined);
  }

  /** The gateway listens. */
  protected abstract listening(bound: BoundGateway): void;

  /** The gateway says that it cannot listen. */
  protected failed(message: string): void {
    this.onTrouble(message);
  }

  #hello(): void {
    const { clusterId, serves, guards } = this.#identity;
    this.#tell({ t: "hello", secret: this.#secret, clusterId, serves, guards });
  }

  #tell(message: ToGateway): void {
    this.#link?.send("control", frameKinds.gateway, packGatewayMessage(message));
  }

  #receive(message: FromGateway): void {
    switch (message.t) {
      case "bound": {
        const { port, joinPort, path } = message;
        this.#bound = { port, joinPort, path };
        this.listening(this.#bound);
        this.onBound(this.#bound);
        break;
      }
      case "failed":
        this.failed(message.message);
        break;
      case "connected": {
        const key = message.node * 2 + message.channel;
        if (this.#connected.has(key)) break;
        this.#connected.add(key);
        this.onConnected(message.node, message.channel as Channel);
        this.onWay?.(message.node, message.channel as Channel);
        break;
      }
      case "disconnected":
        if (this.#connected.delete(message.node * 2 + message.channel))
          this.onDisconnected(message.node, message.channel as Channel, message.reason);
        break;
      case "join":
        void this.#join(message.id, Buffer.from(message.request));
        break;
      case "stats":
        this.#statsAskers.get(message.id)?.(message.counters);
        break;
    }
  }

  async #join(id: number, request: Buffer): Promise<void> {
    try {
      const answer = await this.onJoin(request);
      if (answer === undefined) return;
      if (answer.length > maxJoinAnswerBytes)
        throw new IonoError("Internal", `an answer to a join of ${answer.length} bytes`);
      this.#tell({ t: "join answer", id, answer });
    } catch (error) {
      this.onTrouble(`a join request could not be answered: ${(error as Error).message}`);
    }
  }
}
