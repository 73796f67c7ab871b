/**
 * Cancelling a task. The owner has one `TaskCancellation` for each task that is being cancelled, the executor one
 * `CancelInbox` for each link; tasks that nobody cancels meet neither.
 *
 *   owner:   open ─cancel→ withdrawn | taking back → running → replacing → over        (any → over: answered, lost)
 *
 * Rules kept by `check()` and the model test:
 * - (C1) the refs settle at the first cancel, once, whatever else is known;
 * - (C2) the task leaves the owner's table once: when it is withdrawn or taken back, answered, or its worker is gone;
 * - (C3) a body that has not begun when its cancel is known never begins, in whichever order entry and cancel arrive;
 * - (C4) a worker is replaced only when its grace is over and the task still runs or waits there; never an actor's.
 */

/** Where a task is when it is cancelled. */
export type CancelPlace =
  /** At its owner: it waits for its dependencies, in a queue, or for its next attempt. */
  | "here"
  /** Written to an executor, which may have begun it. */
  | "sent"
  /** Settled. */
  | "done";

/** What the claim word of a sent task says; `unknown` where there is none. */
export type CancelClaim = "queued" | "running" | "blocked" | "done" | "unknown";

export type CancelEvent =
  | {
      readonly type: "cancel";
      readonly place: CancelPlace;
      readonly force: boolean;
      readonly recursive: boolean;
      readonly isActorCall: boolean;
      readonly graceMs: number;
    }
  /** The answer to `take back`. */
  | { readonly type: "claimed"; readonly byOwner: boolean }
  | { readonly type: "grace over"; readonly claim: CancelClaim }
  /** The executor has answered, with whatever. */
  | { readonly type: "answered" }
  | { readonly type: "worker lost" };

export type CancelInstruction =
  /** All refs of the task get the error. */
  | { readonly type: "settle" }
  /** Remove it from the queue it waits in. */
  | { readonly type: "withdraw" }
  /** Compare-and-swap its claim word; `claimed` says who won. */
  | { readonly type: "take back" }
  | { readonly type: "tell executor"; readonly recursive: boolean }
  | { readonly type: "await grace"; readonly graceMs: number }
  | { readonly type: "replace worker" }
  /** The task leaves the table; what it held is let go. */
  | { readonly type: "finish" };

type CancelState =
  | { readonly at: "open" }
  | {
      readonly at: "taking back";
      readonly recursive: boolean;
      readonly isActorCall: boolean;
      readonly graceMs: number;
    }
  | {
      readonly at: "running";
      readonly recursive: boolean;
      readonly isActorCall: boolean;
      readonly forced: boolean;
    }
  | { readonly at: "replacing" }
  | { readonly at: "over" };

const settle: CancelInstruction = { type: "settle" };
const withdraw: CancelInstruction = { type: "withdraw" };
const takeBack: CancelInstruction = { type: "take back" };
const replaceWorker: CancelInstruction = { type: "replace worker" };
const finish: CancelInstruction = { type: "finish" };
const nothing: readonly CancelInstruction[] = [];

export class TaskCancellation {
  #state: CancelState = { at: "open" };
  #settled = 0;
  #finished = 0;

  get isOver(): boolean {
    return this.#state.at === "over";
  }

  handle(event: CancelEvent): readonly CancelInstruction[] {
    const instructions = this.#next(event);
    for (const { type } of instructions) {
      if (type === "settle") this.#settled++;
      else if (type === "finish") this.#finished++;
    }
    return instructions;
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const { at } = this.#state;
    if (this.#settled > 1) throw new Error(`(C1) the refs were settled ${this.#settled} times`);
    if (at !== "open" && at !== "over" && this.#settled === 0)
      throw new Error(`(C1) ${at}, but the refs are not settled`);
    if (this.#finished > 1) throw new Error(`(C2) the task left the table ${this.#finished} times`);
    if (at !== "over" && this.#finished > 0) throw new Error(`(C2) ${at}, but the task has left the table`);
  }

  #next(event: CancelEvent): readonly CancelInstruction[] {
    switch (event.type) {
      case "cancel":
        return this.#cancel(event);
      case "claimed":
        return this.#claimed(event.byOwner);
      case "grace over":
        return this.#graceOver(event.claim);
      case "answered":
      case "worker lost":
        return this.#end();
    }
  }

  #cancel(event: Extract<CancelEvent, { type: "cancel" }>): readonly CancelInstruction[] {
    const { state, recursive, isActorCall, graceMs } = {
      state: this.#state,
      ...event,
      graceMs: event.force ? 0 : event.graceMs,
    };
    if (state.at === "open") {
      if (event.place === "done") {
        this.#state = { at: "over" };
        return nothing;
      }
      if (event.place === "here") {
        this.#state = { at: "over" };
        return [withdraw, settle, finish];
      }
      this.#state = { at: "taking back", recursive, isActorCall, graceMs };
      return [settle, takeBack];
    }
    if (state.at !== "running") return nothing;
    // Asked again: that may cut the grace short, or take the children too.
    const again: CancelInstruction[] = [];
    if (recursive && !state.recursive) again.push({ type: "tell executor", recursive });
    const forces = event.force && !state.forced && !state.isActorCall;
    if (forces) again.push({ type: "await grace", graceMs: 0 });
    this.#state = { ...state, recursive: state.recursive || recursive, forced: state.forced || forces };
    return again;
  }

  #claimed(byOwner: boolean): readonly CancelInstruction[] {
    const state = this.#state;
    if (state.at !== "taking back") return nothing;
    if (byOwner) return this.#end();
    const { recursive, isActorCall, graceMs } = state;
    this.#state = { at: "running", recursive, isActorCall, forced: graceMs === 0 };
    const tell: CancelInstruction = { type: "tell executor", recursive };
    // An actor's synchronous code runs on; its result is dropped (api.md).
    return isActorCall ? [tell] : [tell, { type: "await grace", graceMs }];
  }

  #graceOver(claim: CancelClaim): readonly CancelInstruction[] {
    if (this.#state.at !== "running" || this.#state.isActorCall) return nothing;
    // Not begun: the executor knows of the cancel and will refuse it. Done: its answer is under way.
    if (claim === "queued" || claim === "done") return nothing;
    this.#state = { at: "replacing" };
    return [replaceWorker];
  }

  #end(): readonly CancelInstruction[] {
    const { at } = this.#state;
    if (at === "over") return nothing;
    this.#state = { at: "over" };
    return at === "open" ? nothing : [finish];
  }
}

export type CancelInboxEvent =
  /** A cancel arrived. `isRunning`: that attempt has begun and not ended. */
  | { readonly type: "cancel"; readonly wire: number; readonly attempt: number; readonly isRunning: boolean }
  /** An entry is about to begin. */
  | { readonly type: "begin"; readonly wire: number; readonly attempt: number }
  /** Every entry that was sent has begun: what is still noted here came too late. */
  | { readonly type: "caught up" };

export type CancelInboxInstruction = { readonly type: "abort" } | { readonly type: "refuse" };

const abort: readonly CancelInboxInstruction[] = [{ type: "abort" }];
const refuse: readonly CancelInboxInstruction[] = [{ type: "refuse" }];
const none: readonly CancelInboxInstruction[] = [];

/** How many cancels may wait for their entry; the oldest is forgotten, and its task runs with its result dropped. */
const mostTombstones = 65_536;

/** Cancels that came before their entry has begun: the entry is refused when its turn comes (C3). */
export class CancelInbox {
  /** Attempt by wire. */
  readonly #tombstones = new Map<number, number>();

  /** Without tombstones an entry begins without asking. */
  get size(): number {
    return this.#tombstones.size;
  }

  handle(event: CancelInboxEvent): readonly CancelInboxInstruction[] {
    switch (event.type) {
      case "cancel":
        if (event.isRunning) return abort;
        this.#bury(event.wire, event.attempt);
        return none;
      case "begin":
        if (this.#tombstones.get(event.wire) !== event.attempt) return none;
        this.#tombstones.delete(event.wire);
        return refuse;
      case "caught up":
        this.#tombstones.clear();
        return none;
    }
  }

  /** @throws Error when there are too many. */
  check(): void {
    if (this.#tombstones.size > mostTombstones)
      throw new Error(`${this.#tombstones.size} tombstones; at most ${mostTombstones}`);
  }

  #bury(wire: number, attempt: number): void {
    this.#tombstones.set(wire, attempt);
    if (this.#tombstones.size <= mostTombstones) return;
    for (const oldest of this.#tombstones.keys()) {
      this.#tombstones.delete(oldest);
      return;
    }
  }
}
