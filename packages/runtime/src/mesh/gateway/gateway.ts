/**
 * A gateway: binds the public sockets, and passes datagrams between connections and local links as the routes say. It
 * keeps nothing: whoever guards it tells it the list of nodes again after a restart.
 */
import {
  channels,
  GatewayRoutes,
  hop,
  hopRefusals,
  maxPingBytes,
  readDatagramHeader,
  type AllowedNode,
  type DatagramHeader,
  type FromGateway,
  type GatewayCounters,
  type GatewayEvent,
  type HopRefusal,
  type Route,
  type ToGateway,
} from "@iono/core";
import { setTimeout as sleep } from "node:timers/promises";
import type { Router } from "zeromq";
import { verifyHello } from "../hello.ts";
import { Joining } from "./joining.ts";
import { LocalLinks } from "./local-links.ts";
import type { GatewayOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { bindRouter, doors, makeRouter, readRouter, watchRouter } from "./sockets.ts";
import { KeyCheck } from "./zap.ts";

const MiB = 1024 * 1024;
const outboxLimits = { connectionBytes: 16 * MiB, allBytes: 256 * MiB, notes: 4096 };
const tickMs = 1000;
/** How long the sockets wait for the list of nodes. */
const informedMs = 1000;
/** How soon after one look at all connections the next may follow: later and later while they find nothing. */
const shortestProbeMs = 200;
const longestProbeMs = 5000;
/** Pieces of a buffer this many times as large are copied, so that a queue does not hold much more than it counts. */
const copiedShare = 2;
const probe = Buffer.from([hop.probe]);
const unknown = Buffer.from([hop.unknown]);

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #routes = new GatewayRoutes();
  readonly #keyCheck = new KeyCheck(this.#routes);
  readonly #socket: Router;
  readonly #outbox: Outbox;
  readonly #joining: Joining;
  readonly locals: LocalLinks;
  /** Nodes that each local link serves. */
  readonly #serves = new Map<number, readonly number[]>();
  readonly #dropped: Record<string, number> = {};
  /** Resolves when it is known who may come in. */
  readonly #informed = Promise.withResolvers<void>();
  #clusterId = "";
  #bound: FromGateway | null = null;
  #timer: NodeJS.Timeout | null = null;
  #probedMs = 0;
  #probeMs = shortestProbeMs;
  #rssBytes = 0;
  #probeTimer: NodeJS.Timeout | null = null;
  #received = 0;
  #receivedBytes = 0;
  #relayed = 0;
  #hellos = 0;
  #hellosRefused = 0;
  /** More memory is in use than may be. */
  onTooLarge: (rssBytes: number) => void = () => {};

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#socket = makeRouter(doors.mesh, options.keys, options.host);
    this.#outbox = new Outbox(this.#socket, outboxLimits, (connection) => {
      if (this.#routes.isBound(connection)) this.#probeMs = shortestProbeMs;
      this.#handle({ type: "gone", connection, reason: "the connection has ended" });
    });
    this.#joining = new Joining(options.keys, options.host, (id, request) => {
      const guard = this.locals.guard();
      if (guard === undefined) return false;
      this.locals.send(guard, { t: "join", id, request });
      return true;
    });
    this.locals = new LocalLinks(options.secret, {
      hello: (local, message) => this.#localHello(local, message),
      message: (local, guards, message) => this.#localMessage(local, guards, message),
      datagram: (local, datagram) => this.#fromLocal(local, datagram),
      closed: (local) => this.#localClosed(local),
    });
  }

  /** Binds everything, and tells all local links. @throws Error that names the port which cannot be had. */
  async start(): Promise<void> {
    const { host, port, joinPort } = this.#options;
    await this.#keyCheck.start();
    // Nodes that come back at once would be turned away, and try again much later.
    await Promise.race([this.#informed.promise, sleep(informedMs)]);
    const bound = await bindRouter(this.#socket, host, port).catch((error: unknown) => {
      throw bindError(host, port, error);
    });
    if (joinPort !== null) {
      await this.#joining.open(joinPort).catch((error: unknown) => {
        throw bindError(host, joinPort, error);
      });
    }
    const path = await this.locals.open();
    void readRouter(
      this.#socket,
      (connection, frame) => this.#fromPeer(connection, frame),
      () => this.#drop("malformed"),
    );
    void watchRouter(this.#socket, (isMade) => {
      if (!isMade) this.#probeSoon();
    });
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#bound = { t: "bound", port: bound, joinPort: this.#joining.port, path };
    this.locals.sendAll(this.#bound);
  }

  /** Tells the parent, now or when it has said hello, why there is no gateway. */
  fail(message: string): void {
    this.#bound = { t: "failed", message };
    this.locals.sendAll(this.#bound);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#probeTimer !== null) clearTimeout(this.#probeTimer);
    this.locals.close();
    this.#outbox.close();
    this.#socket.close();
    this.#joining.close();
    this.#keyCheck.close();
  }

  // from peers

  #fromPeer(connection: number, frame: Buffer): void {
    switch (frame[0]) {
      case hop.hello:
        this.#hello(connection, frame);
        return;
      case hop.ping: {
        if (!this.#routes.heard(connection, performance.now())) this.#ask(connection);
        else if (frame.length <= 1 + maxPingBytes) {
          const pong = Buffer.from(frame);
          pong[0] = hop.pong;
          this.#outbox.note(connection, pong);
        }
        return;
      }
      default: {
        const header = readDatagramHeader(frame);
        if (header === undefined) this.#drop("malformed");
        else this.#datagram(connection, header, frame);
      }
    }
  }

  #datagram(connection: number, header: DatagramHeader, frame: Buffer): void {
    const { channel, from, to } = header;
    this.#received++;
    this.#receivedBytes += frame.length;
    const route = this.#routes.route(connection, channel, from, to, performance.now());
    if (route.kind === "drop" && route.reason === "unbound") this.#ask(connection);
    if (route.kind === "connection") this.#relayed++;
    this.#pass(route, header, frame);
  }

  /** The connection is bound to nobody: whose is it? */
  #ask(connection: number): void {
    if (this.#routes.admitAsk(connection, performance.now())) this.#outbox.note(connection, unknown);
  }

  #hello(connection: number, frame: Buffer): void {
    const nowMs = performance.now();
    if (!this.#routes.admitHello(connection, nowMs)) {
      this.#drop("helloRate");
      if (this.#routes.admitAsk(connection, nowMs))
        this.#outbox.note(connection, Buffer.from([hop.refused, hopRefusals.later]));
      return;
    }
    this.#hellos++;
    const verdict = verifyHello(frame, {
      clusterId: this.#clusterId,
      keys: this.#options.keys,
      publicKeyOf: (node) => this.#routes.publicKeyOf(node),
    });
    if (!verdict.isGenuine) {
      this.#refuse(connection, verdict.refusal);
      return;
    }
    const { node, channel } = verdict;
    this.#handle({ type: "proved", connection, node, channel, nowMs });
    this.#outbox.note(connection, Buffer.from([hop.welcome]));
  }

  #refuse(connection: number, refusal: HopRefusal): void {
    this.#hellosRefused++;
    // Who cannot prove what it says now is not believed what it proved before.
    this.#handle({ type: "gone", connection, reason: "its hello was refused" });
    this.#outbox.note(connection, Buffer.from([hop.refused, refusal]));
  }

  // from this node

  #localHello(local: number, { clusterId, serves, guards }: Extract<ToGateway, { t: "hello" }>): void {
    if (guards || this.#clusterId === "") this.#clusterId = clusterId;
    const before = this.#serves.get(local);
    this.#handle({ type: "serve", local, nodes: serves });
    this.#serves.set(local, serves);
    this.#tellServed(before?.filter((node) => !serves.includes(node)) ?? [], false, local);
    this.#tellServed(
      serves.filter((node) => before?.includes(node) !== true),
      true,
      local,
    );
    if (!guards) this.#informed.resolve();
    // One that says hello again knows the rest.
    if (before !== undefined) return;
    if (this.#bound !== null) this.locals.send(local, this.#bound);
    for (const { node, channel } of this.#routes.bound())
      this.locals.send(local, { t: "connected", node, channel });
    for (const [other, nodes] of this.#serves)
      if (other !== local)
        for (const node of nodes)
          for (const channel of Object.values(channels))
            this.locals.send(local, { t: "connected", node, channel });
  }

  #tellServed(nodes: readonly number[], isServed: boolean, local: number): void {
    for (const node of nodes) {
      for (const channel of Object.values(channels)) {
        const message: FromGateway = isServed
          ? { t: "connected", node, channel }
          : { t: "disconnected", node, channel, reason: "not served here any more" };
        this.locals.sendAll(message, local);
      }
    }
  }

  #localMessage(local: number, guards: boolean, message: ToGateway): void {
    if (message.t === "stats") {
      this.locals.send(local, { t: "stats", id: message.id, counters: this.#counters() });
      return;
    }
    if (!guards) {
      this.#drop("notGuard");
      return;
    }
    if (message.t === "allow") this.#allow(message.nodes, message.isWhole);
    else if (message.t === "revoke") this.#handle({ type: "revoke", node: message.node, isFinal: true });
    else if (message.t === "join answer") this.#joining.answer(message.id, Buffer.from(message.answer));
  }

  #allow(nodes: readonly AllowedNode[], isWhole: boolean): void {
    if (isWhole) {
      const named = new Set(nodes.map(({ node }) => node));
      for (const node of this.#routes.nodes())
        if (!named.has(node)) this.#handle({ type: "revoke", node, isFinal: false });
    }
    this.#handle({ type: "allow", nodes });
    this.#keyCheck.recheck();
    if (isWhole) this.#informed.resolve();
  }

  #localClosed(local: number): void {
    this.#handle({ type: "local gone", local });
    const nodes = this.#serves.get(local) ?? [];
    this.#serves.delete(local);
    this.#tellServed(nodes, false, local);
  }

  #fromLocal(local: number, datagram: Buffer): void {
    const header = readDatagramHeader(datagram);
    if (header === undefined) {
      this.#drop("malformed");
      return;
    }
    const { channel, from, to } = header;
    const route = this.#routes.routeLocal(local, channel, from, to);
    const isPiece = datagram.buffer.byteLength > copiedShare * datagram.length;
    this.#pass(route, header, isPiece && route.kind === "connection" ? Buffer.from(datagram) : datagram);
  }

  // on

  #pass(route: Route, { channel }: DatagramHeader, datagram: Buffer): void {
    if (route.kind === "drop") this.#drop(route.reason);
    else if (route.kind === "connection") {
      if (!this.#outbox.send(route.connection, datagram)) this.#drop("peerFull");
    } else if (!this.locals.deliver(route.local, channel === channels.control, datagram))
      this.#drop("localFull");
  }

  #drop(reason: string): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
  }

  #handle(event: GatewayEvent): void {
    for (const each of this.#routes.handle(event)) {
      const { node, channel, connection } = each.bound;
      if (each.type === "connected") this.locals.sendAll({ t: "connected", node, channel });
      else {
        this.#outbox.forget(connection);
        if (each.isNews) this.locals.sendAll({ t: "disconnected", node, channel, reason: each.reason });
      }
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#handle({ type: "tick", nowMs });
    this.#joining.tick(nowMs);
    this.#keyCheck.tick(nowMs);
    const rssBytes = this.#measureRss();
    if (rssBytes > this.#options.maxMemoryBytes) this.onTooLarge(rssBytes);
  }

  /** Some connection has ended, the socket does not tell which: a message to each finds out. */
  #probeSoon(): void {
    if (this.#probeTimer !== null) return;
    const waitMs = Math.max(0, this.#probedMs + this.#probeMs - performance.now());
    this.#probeTimer = setTimeout(() => {
      this.#probeTimer = null;
      this.#probedMs = performance.now();
      this.#probeMs = Math.min(longestProbeMs, this.#probeMs * 2);
      for (const { connection } of this.#routes.bound()) this.#outbox.note(connection, probe);
    }, waitMs);
  }

  #measureRss(): number {
    try {
      this.#rssBytes = process.memoryUsage.rss();
    } catch {
      // It takes a file descriptor, and strangers who connect may hold all of them for a while.
    }
    return this.#rssBytes;
  }

  #counters(): GatewayCounters {
    return {
      connections: this.#routes.connectionCount,
      allowed: this.#routes.allowedCount,
      receivedDatagrams: this.#received,
      receivedBytes: this.#receivedBytes,
      sentDatagrams: this.#outbox.sentMessages,
      sentBytes: this.#outbox.sentBytes,
      relayedDatagrams: this.#relayed,
      dropped: { ...this.#dropped, stale: this.#outbox.lost },
      hellos: this.#hellos,
      hellosRefused: this.#hellosRefused,
      admitted: this.#keyCheck.admitted,
      turnedAway: this.#keyCheck.turnedAway,
      joins: this.#joining.joins,
      joinsDropped: this.#joining.dropped,
      queuedBytes: this.#outbox.queuedBytes,
      rssBytes: this.#measureRss(),
    };
  }
}

function bindError(host: string, port: number, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "another process listens there; end that one, or choose another port",
    EADDRNOTAVAIL: "this machine has no such address",
    EACCES: "this user may not listen there",
  };
  const reason = reasons[code ?? ""] ?? message;
  return new Error(`cannot listen at port ${port} of ${host}: ${reason}`, { cause: error });
}
