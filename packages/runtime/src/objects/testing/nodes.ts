import { randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { processNumber, type ObjectMessage, type StoreLocation } from "@iono/core";
import { packMessage, unpackMessage } from "../../owner/payload.ts";
import { currentPlatform } from "../../platform/current.ts";
import { StoreServer, type StoreServerOptions } from "../store-server.ts";
import { Transfers, type TransfersOptions } from "../transfers.ts";

const mebibyte = 1024 * 1024;
/** Bytes of pieces that a link takes before it asks for a pause. */
const windowBytes = 4 * mebibyte;

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly messages?: Buffer;
  readonly pieces?: Buffer;
}

/** One node: a store and what moves objects between it and the others. */
export class TestNode {
  readonly node: number;
  readonly store: StoreServer;
  readonly transfers: Transfers;
  /** Bytes of pieces that left this node. */
  sentBytes = 0;
  /** Frames that left this node and are not delivered. */
  readonly outgoing: Frame[] = [];
  readonly #inFlight = new Map<number, number>();
  readonly #paused = new Set<number>();

  constructor(
    nodes: TestNodes,
    node: number,
    store: Omit<StoreServerOptions, "platform">,
    options: Partial<TransfersOptions>,
  ) {
    this.node = node;
    this.store = new StoreServer({ platform: currentPlatform(), prefaultBytes: 0, ...store, node });
    this.transfers = new Transfers({
      node,
      store: this.store,
      send: (to, messages) =>
        this.outgoing.push({ from: node, to, messages: Buffer.from(packMessage(messages)) }),
      sendPieces: (to, pieces) => {
        this.sentBytes += pieces.length;
        this.outgoing.push({ from: node, to, pieces });
        const inFlight = (this.#inFlight.get(to) ?? 0) + pieces.length;
        this.#inFlight.set(to, inFlight);
        if (inFlight > windowBytes * 2) throw new Error(`the link from ${node} to ${to} is overfull`);
        if (inFlight >= windowBytes) this.#paused.add(to);
        return inFlight < windowBytes;
      },
      ...options,
    });
    for (let count = 1; count <= 3; count++) this.store.admit(processNumber(node, count), "secret");
    nodes.all.set(node, this);
  }

  /** Process `count` of this node. */
  process(count: number): number {
    return processNumber(this.node, count);
  }

  /** An object of so many bytes, held by the first process. */
  async put(sizeBytes: number, seed: number): Promise<StoreLocation> {
    const location = await this.store.local.allocate(sizeBytes, this.process(1));
    for (let at = 0; at < sizeBytes; at += mebibyte)
      this.store.local.write(location, at, pattern(seed, at, Math.min(mebibyte, sizeBytes - at)));
    this.store.local.seal(location);
    return location;
  }

  /** Whether the bytes of an object here are those of `put(_, seed)`. */
  async has(location: StoreLocation, seed: number): Promise<boolean> {
    const { local } = this.store;
    const pinned = await local.pin(location);
    const target = new Uint8Array(mebibyte);
    try {
      for (let at = 0; at < location.size; at += mebibyte) {
        const part = target.subarray(0, Math.min(mebibyte, location.size - at));
        local.read(pinned, at, part);
        if (Buffer.compare(part, pattern(seed, at, part.length)) !== 0) return false;
      }
      return true;
    } finally {
      local.unpin(pinned);
    }
  }

  disconnected(from: number): void {
    this.outgoing.splice(0, Infinity, ...this.outgoing.filter(({ to }) => to !== from));
    this.#inFlight.delete(from);
    this.#paused.delete(from);
  }

  delivered({ to, pieces }: Frame): void {
    if (pieces === undefined) return;
    const inFlight = (this.#inFlight.get(to) ?? 0) - pieces.length;
    this.#inFlight.set(to, inFlight);
    if (inFlight < windowBytes / 2 && this.#paused.delete(to)) this.transfers.drained(to);
  }
}

/** Several nodes in one process, with links that deliver when they are told to. */
export class TestNodes implements AsyncDisposable {
  readonly all = new Map<number, TestNode>();
  readonly #directory = mkdtempSync(path.join(os.tmpdir(), "iono-nodes-test-"));
  /** Changes a payload on its way. */
  tamper: (pieces: Buffer) => void = () => {};

  add(
    node: number,
    capacityBytes: number,
    options: Partial<TransfersOptions & StoreServerOptions> = {},
  ): TestNode {
    const spillDirs = [path.join(this.#directory, `spill-${node}`)];
    return new TestNode(this, node, { capacityBytes, spillDirs, ...options }, options);
  }

  node(number: number): TestNode {
    const node = this.all.get(number);
    if (node === undefined) throw new Error(`no node ${number}`);
    return node;
  }

  /**
   * Each node sends one payload a round. Returns the rounds until `done` has settled; those in which nothing was sent
   * are not counted.
   */
  async run<T>(
    done: Promise<T>,
    onRound: (round: number) => void = () => {},
  ): Promise<{ rounds: number; value: T }> {
    let isDone = false;
    const settled = done.finally(() => (isDone = true));
    settled.catch(() => {});
    let rounds = 0;
    while (!isDone) {
      if (this.round()) onRound(++rounds);
      await nextTurn();
    }
    return { rounds, value: await settled };
  }

  /** Until nothing has moved for a while. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 20; quiet++) {
      if (this.round()) quiet = 0;
      await nextTurn();
    }
  }

  /** Delivers messages, and one payload of each node. Returns whether there was a payload. */
  round(): boolean {
    let moved = false;
    for (const node of [...this.all.values()]) {
      let hasSent = false;
      for (const frame of node.outgoing.splice(0)) {
        if (frame.pieces !== undefined && hasSent) node.outgoing.push(frame);
        else this.#deliver(node, frame);
        hasSent ||= frame.pieces !== undefined;
      }
      moved ||= hasSent;
    }
    return moved;
  }

  /** The node is gone, and what it sent with it. */
  async lose(number: number, reason = "it was unplugged"): Promise<void> {
    const lost = this.node(number);
    this.all.delete(number);
    lost.outgoing.length = 0;
    for (const node of this.all.values()) {
      node.outgoing.splice(0, Infinity, ...node.outgoing.filter((frame) => frame.to !== number));
      node.transfers.nodeLost(number, reason);
    }
    lost.transfers.close();
    await lost.store.close();
  }

  /** The links between two nodes end, with what was on them, and begin anew. */
  reconnect(one: number, other: number): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ])
      this.node(from).disconnected(to);
    this.node(one).transfers.nodeForgot(other);
    this.node(other).transfers.nodeForgot(one);
  }

  /** What no node may have left when nothing is under way. */
  leftovers(): object[] {
    return [...this.all.values()].map(({ node, transfers }) => {
      const { receiving, queued, sending, receivingBytes, open } = transfers.stats();
      return { node, under: receiving + queued + sending + receivingBytes + open };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { transfers, store } of this.all.values()) {
      transfers.close();
      await store.close();
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #deliver(node: TestNode, frame: Frame): void {
    const to = this.all.get(frame.to);
    if (frame.messages !== undefined) {
      const messages = unpackMessage(frame.messages, 0, frame.messages.length) as ObjectMessage[];
      to?.transfers.onMessages(frame.from, messages);
    }
    if (frame.pieces === undefined) return;
    this.tamper(frame.pieces);
    to?.transfers.onPieces(frame.from, frame.pieces);
    node.delivered(frame);
  }
}

const noise = randomFillSync(new Uint8Array(mebibyte + 256));

/** Bytes that differ for each seed and place. */
function pattern(seed: number, at: number, bytes: number): Uint8Array {
  const piece = noise.slice(seed & 255, (seed & 255) + bytes);
  if (bytes >= 8) new DataView(piece.buffer).setFloat64(0, at + seed / 1024, true);
  return piece;
}
