/** The shared page of a link between an owner of another node and a worker of this one: the agent acts for the owner. */
import { claim, frameKinds, linkPage, noClaimSlot, taskEntryHeaderBytes, writePairs } from "@iono/core";
import type { SharedPage } from "../platform/index.ts";

/** How soon the page is looked at for entries that the worker has passed without a word; doubled while it has not. */
const firstLookMs = 2;
const mostLookMs = 250;

export class FarClaims {
  readonly #page: SharedPage;
  readonly #words: Int32Array;
  readonly #claims: Int32Array;
  readonly #toOwner: (kind: number, payload: Uint8Array) => void;
  /** Slots taken back that the executor has not passed yet. */
  readonly #limbo = new Set<number>();
  #lookMs = firstLookMs;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(page: SharedPage, toOwner: (kind: number, payload: Uint8Array) => void) {
    this.#page = page;
    this.#words = new Int32Array(page.memory, 0, linkPage.claimsAt / 4);
    this.#claims = new Int32Array(page.memory, linkPage.claimsAt, linkPage.claims);
    this.#toOwner = toOwner;
  }

  /** Looks at a frame on its way to the worker; true when it was for this agent. */
  fromOwner(kind: number, payload: Buffer): boolean {
    switch (kind) {
      case frameKinds.tasks:
        this.#queued(payload);
        return false;
      case frameKinds.takeBack:
        this.#takeBack(payload);
        return true;
      case frameKinds.sweep:
        this.#rescue();
        this.#tellClaims(false);
        return true;
      default:
        return false;
    }
  }

  /** The worker has sent something: it may have passed what was taken back. */
  progressed(): void {
    if (this.#limbo.size === 0) return;
    const free = [...this.#limbo].filter((slot) => Atomics.load(this.#claims, slot) === claim.free);
    if (free.length === 0) return;
    for (const slot of free) this.#limbo.delete(slot);
    const payload = Buffer.allocUnsafe(free.length * 2);
    free.forEach((slot, i) => payload.writeUInt16LE(slot, i * 2));
    this.#toOwner(frameKinds.slotsFree, payload);
  }

  /** A worker that passes the last entries says nothing about it, and the owner may have no other slot to send with. */
  #lookAgain(): void {
    if (this.#timer !== undefined || this.#limbo.size === 0 || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const before = this.#limbo.size;
      this.progressed();
      this.#lookMs = this.#limbo.size < before ? firstLookMs : Math.min(mostLookMs, this.#lookMs * 2);
      this.#lookAgain();
    }, this.#lookMs);
    this.#timer.unref();
  }

  /** The worker is gone: what it had finished, and what became of the rest. */
  ended(): void {
    if (this.#closed) return;
    this.#rescue();
    this.#tellClaims(true);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#page.close();
  }

  #queued(payload: Buffer): void {
    let at = 0;
    while (at + taskEntryHeaderBytes <= payload.length) {
      const slot = payload.readUInt16LE(at + 10);
      if (slot !== noClaimSlot && slot < linkPage.claims) Atomics.store(this.#claims, slot, claim.queued);
      at += taskEntryHeaderBytes + payload.readUInt32LE(at + 12);
    }
  }

  #takeBack(payload: Buffer): void {
    const answers: [slot: number, taken: number][] = [];
    for (let at = 0; at + 2 <= payload.length; at += 2) {
      const slot = payload.readUInt16LE(at);
      const taken =
        slot < linkPage.claims &&
        Atomics.compareExchange(this.#claims, slot, claim.queued, claim.taken) === claim.queued;
      if (taken) this.#limbo.add(slot);
      answers.push([slot, taken ? 1 : 0]);
    }
    this.#toOwner(frameKinds.takenBack, writePairs(answers, new Uint8Array(0)));
    this.#lookMs = firstLookMs;
    this.#lookAgain();
  }

  /** Results that the worker, being busy, has not written. The owner takes each once, however often it comes. */
  #rescue(): void {
    const epoch = Atomics.load(this.#words, linkPage.wordResultEpoch);
    const bytes = Atomics.load(this.#words, linkPage.wordResultBytes);
    if (bytes <= 0 || bytes > linkPage.resultsBytes || (epoch & 1) === 1) return;
    const copied = Buffer.from(new Uint8Array(this.#page.memory, linkPage.resultsAt, bytes));
    if (Atomics.load(this.#words, linkPage.wordResultEpoch) === epoch)
      this.#toOwner(frameKinds.results, copied);
  }

  #tellClaims(isFinal: boolean): void {
    const states: [slot: number, state: number][] = [];
    for (let slot = 0; slot < linkPage.claims; slot++) {
      const state = Atomics.load(this.#claims, slot);
      if (state !== claim.free && state !== claim.done) states.push([slot, state]);
    }
    this.#toOwner(frameKinds.claims, writePairs(states, Uint8Array.of(isFinal ? 1 : 0, 0)));
  }
}
