/**
 * Links between the members of a node. Every member listens; whoever has something to send connects and says who it is.
 * A connection that does not know the cluster's secret, or sends anything but frames, is closed and counted.
 */
import { frameKinds, linkPage, maxFrameBytes, nodeOf } from "@iono/core";
import * as net from "node:net";
import type { Executor } from "../executor/executor.ts";
import type { ExecutorLink } from "../executor/executor-link.ts";
import { isConnectionLoss, type Link } from "../links/link.ts";
import { publish } from "../links/publish.ts";
import { UnixLink } from "../links/unix.ts";
import { cancelForBorrower } from "../owner/cancel.ts";
import type { Owner, Peers as OwnerPeers } from "../owner/owner.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";
import { FarSide } from "../owner/far-side.ts";
import { Sender } from "../owner/sender.ts";
import { platform, type SharedPage } from "../platform/index.ts";
import type { AgentLink } from "./agent-link.ts";
import { readHello, type Hello } from "./hello.ts";

/** One link and the roles it has. */
interface Peer {
  process: number;
  readonly link: Link;
  sender: Sender | null;
  executor: ExecutorLink | null;
  onLost: (() => void) | null;
}

/**
 * Connections that have not said who they are, at most: the oldest goes. No timer judges them, for the other end may be a
 * process whose thread computes (I1).
 */
const mostSilent = 128;
/** Nothing larger is accepted of a process that has not said who it is. */
const helloBytes = 4096;
const refusalLogMs = 60_000;

export class Peers implements OwnerPeers {
  readonly #agent: AgentLink;
  readonly #number: () => number;
  /** Filled in by the member: peers, owner and executor know one another. */
  owner!: Owner;
  executor: Executor | null = null;
  secret = "";
  readonly #links = new Map<number, Peer>();
  /** Links by which this process sends work, by process: a worker that is leased again is reached by the same. */
  readonly #senders = new Map<number, Peer>();
  readonly #open = new Set<Link>();
  #stopListening: (() => void) | null = null;
  readonly #reaching = new Map<number, Promise<Link>>();
  /** Connections refused so far. */
  refused = 0;
  #refusalLoggedMs = -Infinity;

  constructor(agent: AgentLink, number: () => number) {
    this.#agent = agent;
    this.#number = number;
  }

  /** Listens; resolves with the path for others. */
  async listen(): Promise<string> {
    const server = net.createServer((socket) => this.#accept(socket));
    const { path, close } = await publish(server);
    this.#stopListening = close;
    server.unref();
    return path;
  }

  /** A link to another member: an existing one of either direction, or a new one. */
  reach(processNumber: number): Promise<Link> {
    const known = this.#links.get(processNumber);
    if (known !== undefined && !known.link.closed) return Promise.resolve(known.link);
    let reaching = this.#reaching.get(processNumber);
    if (reaching === undefined) {
      reaching = this.#agent
        .request<{ path: string; pid: number }>({ t: "address", process: processNumber })
        .then(({ path }) => this.#connect(processNumber, path, null, false).link)
        .finally(() => this.#reaching.delete(processNumber));
      this.#reaching.set(processNumber, reaching);
    }
    return reaching;
  }

  /** Set by an inline runtime: the executors are in this process. */
  connectInstead: ((processNumber: number, onLost: (sender: Sender) => void) => Sender) | null = null;

  /** Connects to an executor in order to send it work. */
  sender(
    processNumber: number,
    path: string,
    pid: number,
    onLost: (sender: Sender) => void,
    roundTripMs = 0,
  ): Sender {
    if (this.connectInstead !== null) return this.connectInstead(processNumber, onLost);
    const isFar = this.#isFar(processNumber);
    const page = isFar ? undefined : platform().sharedPages?.create(linkPage.totalBytes);
    const peer = this.#connect(
      processNumber,
      path,
      page === undefined ? null : `/proc/${process.pid}/fd/${page.fd}`,
      true,
    );
    const sender = new Sender(
      processNumber,
      pid,
      peer.link,
      page ?? null,
      isFar ? new FarSide(roundTripMs) : null,
    );
    peer.sender = sender;
    peer.onLost = () => onLost(sender);
    this.#senders.set(processNumber, peer);
    return sender;
  }

  /** The sender to a worker that was leased before, and is again: its link stayed open. */
  formerSender(processNumber: number, onLost: (sender: Sender) => void): Sender | null {
    const peer = this.#senders.get(processNumber);
    if (peer === undefined || peer.sender === null || peer.link.closed) return null;
    const { sender } = peer;
    peer.onLost = () => onLost(sender);
    return sender;
  }

  /** Ends every link, and listens no more. */
  close(): void {
    this.#stopListening?.();
    for (const link of this.#open) link.destroy();
    this.#open.clear();
  }

  // connecting and accepting

  /** On another node: reached through the agents. */
  #isFar(processNumber: number): boolean {
    return nodeOf(processNumber) !== nodeOf(this.#number());
  }

  #connect(processNumber: number, path: string, page: string | null, work: boolean): Peer {
    const peer: Peer = {
      process: processNumber,
      link: UnixLink.connect(path, { frame() {}, closed() {} }),
      sender: null,
      executor: null,
      onLost: null,
    };
    peer.link.listen({
      frame: (kind, chunk, start, end) => this.#frame(peer, kind, chunk, start, end),
      closed: (error) => this.#closed(peer, error),
    });
    peer.link.unref();
    this.#open.add(peer.link);
    const hello: Hello = {
      secret: this.secret,
      process: this.#number(),
      page,
      ...(this.#isFar(processNumber) ? { to: processNumber, work } : {}),
    };
    peer.link.send("control", frameKinds.hello, packMessage(hello));
    if (!this.#links.has(processNumber)) this.#links.set(processNumber, peer);
    return peer;
  }

  readonly #silent = new Set<Link>();

  #accept(socket: net.Socket): void {
    let peer: Peer | null = null;
    const link = new UnixLink(socket, {
      frame: (kind, chunk, start, end) => {
        if (peer !== null) {
          this.#frame(peer, kind, chunk, start, end);
          return;
        }
        this.#silent.delete(link);
        peer = this.#greeted(link, kind, chunk, start, end);
      },
      closed: (error) => {
        this.#silent.delete(link);
        this.#open.delete(link);
        if (peer !== null) this.#closed(peer, error);
        else if (error !== undefined) this.#countRefusal(error.message);
      },
    });
    link.unref();
    link.maxFrameBytes = helloBytes;
    this.#open.add(link);
    this.#silent.add(link);
    if (this.#silent.size <= mostSilent) return;
    const [oldest] = this.#silent;
    this.#silent.delete(oldest);
    this.#refuse(oldest, "it said nothing");
  }

  #greeted(link: UnixLink, kind: number, chunk: Buffer, start: number, end: number): Peer | null {
    const hello = readHello(kind, chunk, start, end, this.secret);
    if (hello === null) {
      this.#refuse(link, "it did not say who it is, or does not know the secret");
      return null;
    }
    link.maxFrameBytes = maxFrameBytes;
    const peer: Peer = { process: hello.process, link, sender: null, executor: null, onLost: null };
    if (!this.#links.has(hello.process)) this.#links.set(hello.process, peer);
    if (this.executor !== null) {
      const pages = platform().sharedPages;
      const page: SharedPage | undefined =
        hello.page === null ? undefined : pages?.open(hello.page, linkPage.totalBytes);
      peer.executor = this.executor.attach(hello.process, link, page?.memory ?? null);
      peer.onLost = () => page?.close();
    }
    return peer;
  }

  #refuse(link: Link, reason: string): void {
    this.#countRefusal(reason);
    link.destroy();
  }

  #countRefusal(reason: string): void {
    this.refused++;
    const now = performance.now();
    if (now - this.#refusalLoggedMs < refusalLogMs) return;
    this.#refusalLoggedMs = now;
    process.stderr.write(`iono: refused a connection (${reason}); ${this.refused} so far\n`);
  }

  // frames

  #frame(peer: Peer, kind: number, chunk: Buffer, start: number, end: number): void {
    const { owner } = this;
    if (peer.sender !== null) {
      const { sender } = peer;
      if (kind === frameKinds.results) {
        sender.lastHeardMs = performance.now();
        owner.results.read(sender, chunk, start, end);
        sender.onProgress();
        return;
      }
      if (sender.far?.frame(sender, kind, chunk, start, end) === true) {
        sender.onProgress();
        return;
      }
      if (kind === frameKinds.blocked || kind === frameKinds.unblocked) {
        sender.setBlocked(chunk.readUInt32LE(start), kind === frameKinds.blocked, owner.table);
        sender.onProgress();
        return;
      }
    }
    if (
      peer.executor !== null &&
      this.executor !== null &&
      this.executor.frame(peer.executor, kind, chunk, start, end)
    )
      return;
    switch (kind) {
      case frameKinds.watch:
        owner.borrows.watched(peer.process, peer.link, chunk, start, end);
        break;
      case frameKinds.watchReply:
        owner.borrows.replied(peer.process, peer.link, chunk, start, end);
        break;
      case frameKinds.watchDone:
        owner.borrows.done(peer.process, chunk, start, end);
        break;
      case frameKinds.cancelRef: {
        cancelForBorrower(
          owner,
          unpackMessage(chunk, start, end) as { sequence: number; force: boolean; recursive: boolean },
        );
        break;
      }
    }
  }

  #closed(peer: Peer, error: Error | undefined): void {
    if (error !== undefined && !isConnectionLoss(error))
      this.#countRefusal(`of process ${peer.process}: ${error.message}`);
    this.#open.delete(peer.link);
    if (this.#senders.get(peer.process) === peer) this.#senders.delete(peer.process);
    if (this.#links.get(peer.process) === peer) this.#links.delete(peer.process);
    this.owner.borrows.linkClosed(peer.process, peer.link);
    if (peer.executor !== null) this.executor?.detach(peer.executor);
    peer.onLost?.();
  }
}
