/**
 * Pending refs of other processes, and those of ours that others wait for: the frames around the machines of
 * core/machines/borrow.ts, which say what follows from what.
 */
import {
  Borrower,
  frameKinds,
  IonoError,
  Lender,
  nodeOf,
  type BorrowerInstruction,
  type LenderInstruction,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import { Failure } from "./failure.ts";
import { addWaiter, refState, settle, type Ref, type Waiter } from "./object-ref.ts";
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

export class Borrows implements Waiter {
  readonly #owner: Owner;
  readonly #lender = new Lender();
  readonly #borrower = new Borrower();
  /** Refs of ours that are kept for borrowers. */
  readonly #kept = new Map<number, Ref>();
  /** By which link a borrower is reached. */
  readonly #links = new Map<number, Link>();
  /** Refs we wait for, by owner and sequence. */
  readonly #awaited = new Map<string, Ref>();
  /** Other registrations that must be confirmed before this process answers. */
  #registrations = 0;
  #onConfirmed: Array<() => void> = [];

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** How many registrations are under way. */
  get unconfirmed(): number {
    return this.#borrower.unnoted + this.#registrations;
  }

  /** Resolves once everything that arrived is registered with whoever owns it: an answer to the sender may go out then. */
  confirmed(): Promise<void> {
    if (this.unconfirmed === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onConfirmed.push(resolve));
  }

  /** A registration that must be confirmed before this process answers whoever sent the thing registered. */
  expect(registration: Promise<unknown>): void {
    this.#registrations++;
    const done = (): void => {
      this.#registrations--;
      this.#release();
    };
    registration.then(done, done);
  }

  // as borrower

  /** A pending ref of another process arrived. */
  watch(ref: Ref): void {
    const owner = ref.home.processNumber;
    this.#awaited.set(`${owner}-${ref.sequence}`, ref);
    this.#borrow(this.#borrower.handle({ type: "arrived", owner, ref: ref.sequence }), undefined, null);
  }

  /** Every ref we wait for of a process that ended is lost. */
  ownerDied(processNumber: number, reason: string): void {
    this.#borrow(
      this.#borrower.handle({ type: "owner ended", owner: processNumber }),
      undefined,
      null,
      new Error(reason),
    );
  }

  /** Every process of a node is gone with it. */
  nodeDied(node: number, reason: string): void {
    const owners = new Set<number>();
    for (const ref of this.#awaited.values()) {
      const owner = ref.home.processNumber;
      if (nodeOf(owner) === node) owners.add(owner);
    }
    for (const owner of owners) this.ownerDied(owner, reason);
  }

  replied(owner: number, link: Link, chunk: Buffer, start: number, end: number): void {
    const reply = unpackMessage(chunk, start, end) as WatchReply;
    const { sequence } = reply;
    const event =
      reply.noted === true
        ? ({ type: "noted", owner, ref: sequence } as const)
        : ({ type: "answered", owner, ref: sequence, known: reply.payload !== undefined } as const);
    this.#borrow(this.#borrower.handle(event), reply, link);
  }

  #borrow(
    instructions: readonly BorrowerInstruction[],
    reply: WatchReply | undefined,
    link: Link | null,
    cause?: Error,
  ): void {
    for (const each of instructions) {
      switch (each.type) {
        case "watch":
          this.#sendWatch(each.owner, each.ref);
          break;
        case "take": {
          const ref = this.#taken(each.owner, each.ref);
          if (ref !== undefined && reply?.payload !== undefined) {
            this.#owner.settleWith(ref, reply.payload, reply.failed === true, false);
          }
          link?.send("control", frameKinds.watchDone, packMessage({ sequence: each.ref }));
          break;
        }
        case "lost": {
          const ref = this.#taken(each.owner, each.ref);
          if (ref !== undefined) settle(ref, refState.error, new Failure(null, lossOf(ref, each.why, cause)));
          break;
        }
        case "all noted":
          this.#release();
          break;
      }
    }
  }

  #sendWatch(owner: number, sequence: number): void {
    this.#owner.peers.reach(owner).then(
      (link) => link.send("control", frameKinds.watch, packMessage({ sequence })),
      (error: unknown) => this.ownerDied(owner, error instanceof Error ? error.message : String(error)),
    );
  }

  #taken(owner: number, sequence: number): Ref | undefined {
    const key = `${owner}-${sequence}`;
    const ref = this.#awaited.get(key);
    this.#awaited.delete(key);
    return ref;
  }

  #release(): void {
    if (this.unconfirmed > 0) return;
    const callbacks = this.#onConfirmed;
    this.#onConfirmed = [];
    for (const callback of callbacks) callback();
  }

  // as owner

  watched(borrower: number, link: Link, chunk: Buffer, start: number, end: number): void {
    const { sequence } = unpackMessage(chunk, start, end) as { sequence: number };
    const ref = this.#kept.get(sequence) ?? this.#owner.references.escaped(sequence);
    this.#links.set(borrower, link);
    const state =
      ref === undefined || ref.state === refState.freed
        ? "unknown"
        : ref.state === refState.pending
          ? "pending"
          : "settled";
    this.#lend(this.#lender.handle({ type: "watch", ref: sequence, borrower, state }), ref);
  }

  /** One of our refs that others wait for has its outcome. */
  settled(ref: Ref): void {
    this.#lend(this.#lender.handle({ type: "settled", ref: ref.sequence }), ref);
  }

  /** The borrower holds the value now. */
  done(borrower: number, chunk: Buffer, start: number, end: number): void {
    const { sequence } = unpackMessage(chunk, start, end) as { sequence: number };
    this.#lend(this.#lender.handle({ type: "done", ref: sequence, borrower }), undefined);
  }

  linkClosed(borrower: number, link: Link): void {
    if (this.#links.get(borrower) !== link) return;
    this.#links.delete(borrower);
    this.#lend(this.#lender.handle({ type: "borrower ended", borrower }), undefined);
  }

  #lend(instructions: readonly LenderInstruction[], ref: Ref | undefined): void {
    for (const each of instructions) {
      switch (each.type) {
        case "keep":
          if (ref === undefined) break;
          this.#kept.set(each.ref, ref);
          if (ref.state === refState.pending) addWaiter(ref, this);
          break;
        case "let go":
          this.#kept.delete(each.ref);
          break;
        case "noted":
          this.#reply(each.borrower, { sequence: each.ref, noted: true });
          break;
        case "unknown":
          this.#reply(each.borrower, { sequence: each.ref, unknown: true });
          break;
        case "answer": {
          const kept = this.#kept.get(each.ref) ?? ref;
          if (kept !== undefined) this.#answer(kept, each.borrower);
          break;
        }
      }
    }
  }

  #answer(ref: Ref, borrower: number): void {
    if (ref.state === refState.freed) this.#reply(borrower, { sequence: ref.sequence, unknown: true });
    else {
      const failed = ref.state === refState.error;
      this.#reply(borrower, {
        sequence: ref.sequence,
        payload: this.#owner.payloadOf(ref),
        ...(failed ? { failed } : {}),
      });
    }
  }

  #reply(borrower: number, reply: WatchReply): void {
    const link = this.#links.get(borrower);
    if (link !== undefined && !link.closed) link.send("control", frameKinds.watchReply, packMessage(reply));
  }
}

function lossOf(ref: Ref, why: "owner ended" | "unknown", cause: Error | undefined): IonoError {
  if (why === "unknown") return new IonoError("ObjectLost", `${ref.id} is not known to its owner any more`);
  return new IonoError("OwnerDied", `the process that owns ${ref.id} has ended before the value was there`, {
    cause,
  });
}
