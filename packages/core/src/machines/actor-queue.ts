/**
 * The caller's side of an actor: its calls in the order they were made. Calls wait for their arguments in that order;
 * what fails or is cancelled before it was sent is passed over.
 *
 *   waiting → ready → sent → over        (waiting → failing, waiting | ready → withdrawn, any of these → over)
 *
 * On the hot path of every call: calls are rows of columns of integers, events and instructions are integers, and
 * nothing is allocated. A row belongs to one call from `submitted` until `over`.
 *
 * Rules kept by `check()` and the model test:
 * - (Q1) calls are sent in the order they were submitted, each at most once;
 * - (Q2) each call that is not sent is failed at most once, and none is both sent and failed before the link is lost;
 * - (Q3) at most `mostUnanswered` calls are sent and not over;
 * - (Q4) nothing that could be sent or failed waits: the first in line waits for its arguments, the link, or room.
 */
import { limits } from "../limits.ts";

export const actorQueueEvent = {
  /** A new call whose arguments are there; its row is `nextCall`. */
  submitted: 0,
  /** A new call that waits for some of its arguments; its row is `nextCall`. */
  submittedWaiting: 1,
  /** The arguments of a call are there. */
  settled: 2,
  /** An argument of a call failed. */
  argumentFailed: 3,
  /** A call has its outcome: it was answered, failed as told here, cancelled, or timed out. */
  over: 4,
  /** The link to the actor is there. */
  connected: 5,
  /** The link is gone: what was sent has no answer to come. */
  lost: 6,
  /** The actor is dead for good. */
  died: 7,
} as const;

export type ActorQueueEvent = (typeof actorQueueEvent)[keyof typeof actorQueueEvent];

export const actorQueueInstruction = {
  /** Write the call to the link. */
  send: 0,
  /** End the call with the failure of its argument. */
  failArgument: 1,
  /** End the call with the actor's death. */
  failDead: 2,
  /** Ask where the actor is. */
  connect: 3,
} as const;

export type ActorQueueInstruction = (typeof actorQueueInstruction)[keyof typeof actorQueueInstruction];

const event = actorQueueEvent;
const instruction = actorQueueInstruction;

const free = 0;
const waiting = 1;
const ready = 2;
/** Ended before it was sent; its row is kept until the line has passed it. */
const withdrawn = 3;
const sent = 4;
/** Told to fail; not over yet. */
const failing = 5;
const stateNames = ["free", "waiting", "ready", "withdrawn", "sent", "failing"];

const none = -1;
const firstRows = 64;
const keptRows = 65_536;

export class ActorQueue {
  readonly #mostUnanswered: number;
  /** Columns by row. `#next` links the line, and the free rows. */
  #state = new Uint8Array(firstRows);
  #next = new Int32Array(firstRows);
  /** Failing rows that the line has not passed. */
  #inLine = new Uint8Array(firstRows);
  #freeHead = none;
  /** Rows from here on were never used. */
  #fresh = 0;
  #head = none;
  #tail = none;
  #unanswered = 0;
  /** Rows that belong to a call. */
  #calls = 0;
  #connected = false;
  #connecting = false;
  #dead = false;
  /** Instructions not taken yet: pairs of instruction and row, from `#taken` to `#told`. */
  readonly #out: number[] = [];
  #taken = 0;
  #told = 0;

  constructor(mostUnanswered: number = limits.unansweredCalls.value) {
    this.#mostUnanswered = mostUnanswered;
  }

  /** The row that the next submitted call gets. */
  get nextCall(): number {
    return this.#freeHead === none ? this.#fresh : this.#freeHead;
  }

  /** Calls that are not over. */
  get calls(): number {
    return this.#calls;
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  /** One event; `call` is the row of the call it is about, -1 for events of the actor. Instructions wait in `take`. */
  handle(kind: ActorQueueEvent, call: number): void {
    switch (kind) {
      case event.submitted:
        this.#submit(call, ready);
        return;
      case event.submittedWaiting:
        this.#submit(call, waiting);
        return;
      case event.settled:
        if (this.#stateOf(call) !== waiting) return;
        this.#state[call] = ready;
        if (call === this.#head) this.#advance();
        return;
      case event.argumentFailed:
        if (this.#stateOf(call) !== waiting) return;
        this.#fail(call, instruction.failArgument, true);
        if (call === this.#head) this.#advance();
        return;
      case event.over:
        this.#over(call);
        return;
      case event.connected:
        if (this.#dead) return;
        this.#connected = true;
        this.#connecting = false;
        this.#advance();
        return;
      case event.lost:
        this.#connected = false;
        // Until it is known why, nothing further is sent, and nobody is asked again.
        this.#connecting = true;
        if (this.#dead) this.#failSent();
        return;
      case event.died:
        this.#died();
        return;
    }
  }

  /** The next instruction, or -1; `taken` is its call. Carrying one out may bring further events. */
  take(): ActorQueueInstruction | -1 {
    const out = this.#out;
    const at = this.#taken;
    if (at === this.#told) {
      this.#taken = 0;
      this.#told = 0;
      // Its memory is kept for the next, unless it was a flood.
      if (out.length > keptRows) out.length = 0;
      return -1;
    }
    this.taken = out[at + 1];
    this.#taken = at + 2;
    return out[at] as ActorQueueInstruction;
  }

  /** The call of the instruction that `take` gave last. */
  taken = none;

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const counts = [0, 0, 0, 0, 0, 0];
    for (let row = 0; row < this.#fresh; row++) counts[this.#state[row]]++;
    if (counts[sent] !== this.#unanswered)
      throw new Error(`(Q3) ${counts[sent]} rows are sent, ${this.#unanswered} are counted`);
    if (this.#unanswered > this.#mostUnanswered)
      throw new Error(`(Q3) ${this.#unanswered} calls are unanswered`);
    let queued = 0;
    let last = none;
    for (let row = this.#head; row !== none; row = this.#next[row]) {
      const state = this.#state[row];
      if (state === free || state === sent)
        throw new Error(`(Q1) a ${stateNames[state]} call stands in line`);
      if (state === waiting || state === ready) queued++;
      last = row;
    }
    if (last !== this.#tail) throw new Error(`(Q1) the line ends at ${last}, not at ${this.#tail}`);
    if (queued !== counts[waiting] + counts[ready])
      throw new Error("(Q1) a call that is to be sent does not stand in line");
    if (this.#dead && queued > 0) throw new Error(`(Q4) ${queued} calls of a dead actor wait`);
    const head = this.#head === none ? free : this.#state[this.#head];
    if (head === withdrawn || head === failing) throw new Error("(Q4) what is not to be sent leads the line");
    const room = this.#connected && this.#unanswered < this.#mostUnanswered;
    if (head === ready && room) throw new Error("(Q4) the first call could be sent");
  }

  #stateOf(call: number): number {
    return call >= 0 && call < this.#fresh ? this.#state[call] : free;
  }

  #submit(call: number, state: number): void {
    if (call !== this.nextCall)
      throw new Error(`call ${call} was submitted; the next row is ${this.nextCall}`);
    if (call === this.#freeHead) this.#freeHead = this.#next[call];
    else {
      if (this.#fresh === this.#state.length) this.#grow();
      this.#fresh++;
    }
    this.#calls++;
    this.#next[call] = none;
    if (this.#dead) {
      this.#fail(call, instruction.failDead, false);
      return;
    }
    if (
      state === ready &&
      this.#head === none &&
      this.#connected &&
      this.#unanswered < this.#mostUnanswered
    ) {
      this.#send(call);
      return;
    }
    this.#state[call] = state;
    this.#inLine[call] = 1;
    if (this.#head === none) this.#head = call;
    else this.#next[this.#tail] = call;
    this.#tail = call;
    if (call === this.#head) this.#advance();
  }

  /** Sends from the front of the line what can be sent, and passes over what is not to be sent. */
  #advance(): void {
    while (this.#head !== none) {
      const call = this.#head;
      const state = this.#state[call];
      if (state === waiting) return;
      if (state === ready) {
        if (!this.#connected) {
          if (!this.#connecting) {
            this.#connecting = true;
            this.#tell(instruction.connect, none);
          }
          return;
        }
        if (this.#unanswered >= this.#mostUnanswered) return;
      }
      this.#head = this.#next[call];
      if (this.#head === none) this.#tail = none;
      this.#inLine[call] = 0;
      if (state === ready) this.#send(call);
      else if (state === withdrawn) this.#release(call);
    }
  }

  #send(call: number): void {
    this.#state[call] = sent;
    this.#unanswered++;
    this.#tell(instruction.send, call);
  }

  #fail(call: number, kind: ActorQueueInstruction, inLine: boolean): void {
    this.#state[call] = failing;
    this.#inLine[call] = inLine ? 1 : 0;
    this.#tell(kind, call);
  }

  #over(call: number): void {
    this.#end(call);
    // After a flood of calls its rows are given back.
    if (this.#calls > 0 || this.#fresh <= keptRows || this.#taken < this.#told) return;
    this.#state = new Uint8Array(firstRows);
    this.#next = new Int32Array(firstRows);
    this.#inLine = new Uint8Array(firstRows);
    this.#freeHead = none;
    this.#fresh = 0;
  }

  #end(call: number): void {
    switch (this.#stateOf(call)) {
      case waiting:
      case ready:
        this.#state[call] = withdrawn;
        this.#calls--;
        if (call === this.#head) this.#advance();
        return;
      case sent: {
        const full = this.#unanswered === this.#mostUnanswered;
        this.#unanswered--;
        this.#calls--;
        this.#release(call);
        if (full) this.#advance();
        return;
      }
      case failing:
        this.#calls--;
        if (this.#inLine[call] === 1) {
          this.#state[call] = withdrawn;
          if (call === this.#head) this.#advance();
        } else this.#release(call);
        return;
      default:
        return;
    }
  }

  #died(): void {
    if (this.#dead) return;
    this.#dead = true;
    for (let row = this.#head; row !== none;) {
      const next = this.#next[row];
      const state = this.#state[row];
      this.#inLine[row] = 0;
      if (state === withdrawn) this.#release(row);
      else if (state !== failing) this.#fail(row, instruction.failDead, false);
      row = next;
    }
    this.#head = none;
    this.#tail = none;
    // What was sent may still be answered while the link is there.
    if (!this.#connected) this.#failSent();
  }

  #failSent(): void {
    if (this.#unanswered === 0) return;
    for (let row = 0; row < this.#fresh; row++) {
      if (this.#state[row] !== sent) continue;
      this.#unanswered--;
      this.#fail(row, instruction.failDead, false);
    }
  }

  #tell(kind: ActorQueueInstruction, call: number): void {
    const at = this.#told;
    this.#out[at] = kind;
    this.#out[at + 1] = call;
    this.#told = at + 2;
  }

  #release(call: number): void {
    this.#state[call] = free;
    this.#next[call] = this.#freeHead;
    this.#freeHead = call;
  }

  #grow(): void {
    const rows = this.#state.length * 2;
    const state = new Uint8Array(rows);
    state.set(this.#state);
    this.#state = state;
    const next = new Int32Array(rows);
    next.set(this.#next);
    this.#next = next;
    const inLine = new Uint8Array(rows);
    inLine.set(this.#inLine);
    this.#inLine = inLine;
  }
}
