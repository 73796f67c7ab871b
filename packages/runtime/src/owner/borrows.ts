/**
 * Pending refs of other processes. The borrower watches: it asks the owner once, and the owner answers when the ref has
 * its outcome. The owner keeps the ref until the borrower has said that it holds the value itself (`watchDone`).
 */
import { frameKinds, IonoError } from "@iono/core";
import type { Link } from "../links/link.ts";
import { addWaiter, Ref, refState, removeWaiter, settle, type Waiter } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { packMessage, unpackMessage, type Payload } from "./payload.ts";

interface WatchReply {
  readonly sequence: number;
  readonly payload?: Payload;
  readonly failed?: boolean;
  /** The owner does not know the ref. */
  readonly unknown?: boolean;
  /** The watch was noted; the outcome follows. */
  readonly noted?: boolean;
}

/** One borrower's interest in one of our refs: holds the ref until the borrower holds the value. */
class Watch implements Waiter {
  readonly ref: Ref;
  readonly link: Link;
  readonly borrows: Borrows;

  constructor(ref: Ref, link: Link, borrows: Borrows) {
    this.ref = ref;
    this.link = link;
    this.borrows = borrows;
  }

  settled(ref: Ref): void {
    this.borrows.answer(ref, this.link);
  }
}

export class Borrows {
  readonly #owner: Owner;
  /** Refs we wait for, by owner and sequence. */
  readonly #watching = new Map<string, Ref>();
  /** Watches whose owner has not said yet that it noted them. */
  readonly #unconfirmed = new Set<string>();
  #onConfirmed: Array<() => void> = [];
  /** Our refs that others watch, by link. */
  readonly #watched = new Map<Link, Map<number, Watch>>();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  get unconfirmed(): number {
    return this.#unconfirmed.size;
  }

  /** Resolves once every watch sent so far is noted by its owner: a reply to the sender may go out then. */
  confirmed(): Promise<void> {
    if (this.#unconfirmed.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onConfirmed.push(resolve));
  }

  /** A registration that must be confirmed before this process answers whoever sent the thing registered. */
  expect(registration: Promise<unknown>): void {
    const key = `registration ${this.#registrations++}`;
    this.#unconfirmed.add(key);
    const done = (): void => this.#confirm(key);
    registration.then(done, done);
  }

  #registrations = 0;

  /** Asks the owner of a pending ref for its outcome. */
  watch(ref: Ref): void {
    const owner = ref.home.processNumber;
    const key = `${owner}-${ref.sequence}`;
    this.#watching.set(key, ref);
    this.#unconfirmed.add(key);
    this.#owner.peers.reach(owner).then(
      (link) => link.send("control", frameKinds.watch, packMessage({ sequence: ref.sequence })),
      (error: unknown) => this.#lost(key, error),
    );
  }

  /** Every ref we wait for of a process that ended. */
  ownerDied(processNumber: number, reason: string): void {
    const prefix = `${processNumber}-`;
    for (const key of [...this.#watching.keys()]) {
      if (key.startsWith(prefix)) this.#lost(key, new Error(reason));
    }
  }

  linkClosed(link: Link): void {
    const watches = this.#watched.get(link);
    if (watches === undefined) return;
    this.#watched.delete(link);
    for (const watch of watches.values()) removeWaiter(watch.ref, watch);
  }

  // as owner

  watched(link: Link, chunk: Buffer, start: number, end: number): void {
    const { sequence } = unpackMessage(chunk, start, end) as { sequence: number };
    const ref = this.#owner.references.escaped(sequence);
    if (ref === undefined) {
      this.#reply(link, { sequence, unknown: true });
      return;
    }
    let watches = this.#watched.get(link);
    if (watches === undefined) this.#watched.set(link, (watches = new Map()));
    const watch = new Watch(ref, link, this);
    watches.set(sequence, watch);
    if (ref.state === refState.pending) {
      addWaiter(ref, watch);
      this.#reply(link, { sequence, noted: true });
    } else this.answer(ref, link);
  }

  answer(ref: Ref, link: Link): void {
    if (link.closed) return;
    const failed = ref.state === refState.error;
    if (ref.state === refState.freed) this.#reply(link, { sequence: ref.sequence, unknown: true });
    else this.#reply(link, { sequence: ref.sequence, payload: this.#owner.payloadOf(ref), ...(failed ? { failed } : {}) });
  }

  /** The borrower holds the value now. */
  done(link: Link, chunk: Buffer, start: number, end: number): void {
    const { sequence } = unpackMessage(chunk, start, end) as { sequence: number };
    this.#watched.get(link)?.delete(sequence);
  }

  // as borrower

  replied(owner: number, link: Link, chunk: Buffer, start: number, end: number): void {
    const reply = unpackMessage(chunk, start, end) as WatchReply;
    const key = `${owner}-${reply.sequence}`;
    const ref = this.#watching.get(key);
    this.#confirm(key);
    if (ref === undefined || reply.noted === true) return;
    this.#watching.delete(key);
    if (reply.payload === undefined) {
      settle(ref, refState.error, new IonoError("ObjectLost", `${ref.id} is not known to its owner any more`));
    } else {
      this.#owner.settleWith(ref, reply.payload, reply.failed === true, false);
    }
    link.send("control", frameKinds.watchDone, packMessage({ sequence: reply.sequence }));
  }

  #lost(key: string, cause: unknown): void {
    const ref = this.#watching.get(key);
    this.#watching.delete(key);
    this.#confirm(key);
    if (ref !== undefined) {
      settle(
        ref,
        refState.error,
        new IonoError("OwnerDied", `the process that owns ${ref.id} has ended before the value was there`, { cause }),
      );
    }
  }

  #confirm(key: string): void {
    if (!this.#unconfirmed.delete(key) || this.#unconfirmed.size > 0) return;
    const callbacks = this.#onConfirmed;
    this.#onConfirmed = [];
    for (const callback of callbacks) callback();
  }

  #reply(link: Link, reply: WatchReply): void {
    link.send("control", frameKinds.watchReply, packMessage(reply));
  }
}
