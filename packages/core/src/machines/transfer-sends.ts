import { pieceBytes, type ObjectName } from "../protocol/objects.ts";
import type { TransferInstruction } from "./transfer-events.ts";

/** An object on its way to another node. */
export interface Send {
  readonly send: number;
  readonly node: number;
  /** The receiver's number for it. */
  readonly pull: number;
  readonly object: ObjectName;
  /** The copy it is read from; undefined at the home. */
  readonly copy: number | undefined;
  readonly sizeBytes: number;
  /** The bytes are in memory, as far as they are there. */
  isOpen: boolean;
  /** How much there is to send, and how much has been sent. */
  availableBytes: number;
  sentBytes: number;
  /** When it began to wait for its bytes, by the machine's ticks; -1 before the first. */
  openingSinceMs: number;
}

/** Sends by node, and whose turn it is: each node's sends take turns piece by piece. */
export class Sends implements Iterable<Send> {
  readonly #byNumber = new Map<number, Send>();
  /** By node and the receiver's number. In the order of their turns. */
  readonly #byNode = new Map<number, Map<number, Send>>();
  readonly #byCopy = new Map<number, Set<Send>>();
  #next = 1;

  get size(): number {
    return this.#byNumber.size;
  }

  get(send: number): Send | undefined {
    return this.#byNumber.get(send);
  }

  find(node: number, pull: number): Send | undefined {
    return this.#byNode.get(node)?.get(pull);
  }

  to(node: number): readonly Send[] {
    return [...(this.#byNode.get(node)?.values() ?? [])];
  }

  countTo(node: number): number {
    return this.#byNode.get(node)?.size ?? 0;
  }

  /** Those that are read from a copy. */
  from(copy: number): readonly Send[] {
    return [...(this.#byCopy.get(copy) ?? [])];
  }

  add(request: Omit<Send, "send" | "isOpen" | "availableBytes" | "openingSinceMs">): Send {
    const send: Send = {
      ...request,
      send: this.#next++,
      isOpen: false,
      availableBytes: 0,
      openingSinceMs: -1,
    };
    this.#byNumber.set(send.send, send);
    let turns = this.#byNode.get(send.node);
    if (turns === undefined) this.#byNode.set(send.node, (turns = new Map()));
    turns.set(send.pull, send);
    if (send.copy === undefined) return send;
    let readers = this.#byCopy.get(send.copy);
    if (readers === undefined) this.#byCopy.set(send.copy, (readers = new Set()));
    readers.add(send);
    return send;
  }

  remove(send: Send): void {
    this.#byNumber.delete(send.send);
    const turns = this.#byNode.get(send.node);
    turns?.delete(send.pull);
    if (turns?.size === 0) this.#byNode.delete(send.node);
    if (send.copy === undefined) return;
    const readers = this.#byCopy.get(send.copy);
    readers?.delete(send);
    if (readers?.size === 0) this.#byCopy.delete(send.copy);
  }

  /** Up to so many bytes for a node, as pieces. Returns the sends that are complete. */
  take(node: number, bytes: number, out: TransferInstruction[]): Send[] {
    const turns = this.#byNode.get(node);
    const done: Send[] = [];
    if (turns === undefined) return done;
    let room = bytes;
    for (const send of [...turns.values()]) {
      if (room <= 0) break;
      const there = send.isOpen ? send.availableBytes - send.sentBytes : 0;
      if (there <= 0) continue;
      const length = Math.min(there, pieceBytes, room);
      const { send: number, pull, sentBytes: offset } = send;
      out.push({ kind: "piece", node, send: number, pull, offset, bytes: length });
      send.sentBytes += length;
      room -= length;
      turns.delete(pull);
      turns.set(pull, send); // the last in turn
      if (send.sentBytes === send.sizeBytes) done.push(send);
    }
    return done;
  }

  /** There is something to send to the node. */
  isReady(node: number): boolean {
    for (const send of this.#byNode.get(node)?.values() ?? [])
      if (send.isOpen && send.availableBytes > send.sentBytes) return true;
    return false;
  }

  [Symbol.iterator](): IterableIterator<Send> {
    return this.#byNumber.values();
  }
}
