/**
 * The reader's end of a generator: refs that arrive one by one. Core's StreamConsumer decides what is kept, what was
 * delivered before, and when the stream ends.
 */
import { payloadForms, StreamConsumer, type ConsumerEvent, type ConsumerInstruction } from "@iono/core";
import { Deque } from "./deque.ts";
import type { Failure } from "./failure.ts";
import { Ref, refState, settle } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { unpackPayload, type Payload } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

export class StreamState {
  readonly owner: Owner;
  readonly task: Task;
  readonly #consumer = new StreamConsumer();
  /** Items in order, from the first not taken on. */
  readonly #items = new Deque<Ref>();
  /** Items that came before an earlier one. */
  readonly #early = new Map<number, Ref>();
  /** Index of the next item to go into `#items`. */
  #nextIndex = 0;
  #failure: Failure | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(owner: Owner, task: Task) {
    this.owner = owner;
    this.task = task;
  }

  /** Ready in the sense of `wait`: the next item, or the end, is there. */
  get nextIsReady(): boolean {
    return this.#items.length > 0 || this.#consumer.isEnded;
  }

  /** An item entry: u32 index, then the payload. */
  item(form: number, chunk: Buffer, start: number, end: number, sender: Sender): void {
    const { attempt } = this.task;
    const index = chunk.readUInt32LE(start);
    let payload: Payload | null = null;
    for (const instruction of this.#consumer.handle({ type: "item", attempt, index })) {
      if (instruction.type === "keep") this.#keep(index, unpackPayload(form, chunk, start + 4, end));
      else if (instruction.type === "discard") {
        if (form === payloadForms.stored)
          this.owner.discard((payload ??= unpackPayload(form, chunk, start + 4, end)));
      } else this.#carryOut(instruction);
    }
    if (form === 0) return;
    // The executor lets go once what the item holds is held here.
    void this.owner.borrows.confirmed().then(() => sender.acknowledgeItem(this.task.wire, index));
  }

  /** The generator ended after `count` items. */
  end(attempt: number, count: number): void {
    this.#handle({ type: "end", attempt, count });
    settle(this.task.ref, refState.immediate, undefined);
    this.task.ref.keep = null;
  }

  fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#handle({ type: "failed" });
    this.task.ref.keep = null;
  }

  /** The reader wants no more: the producer is cancelled, items not taken are let go. */
  close(): void {
    this.#handle({ type: "closed" });
  }

  /** The next ref, or undefined at the end. A failure is one last ref that fails. Rejects when the reading task is cancelled. */
  async next(): Promise<Ref | undefined> {
    while (this.#items.length === 0) {
      if (this.#consumer.isEnded) return this.#lastRef();
      await this.#more();
    }
    const ref = this.#items.shift();
    this.#handle({ type: "taken" });
    return ref;
  }

  onNext(callback: () => void): void {
    if (this.nextIsReady) callback();
    else this.#waiting.add(callback);
  }

  offNext(callback: () => void): void {
    this.#waiting.delete(callback);
  }

  #keep(index: number, payload: Payload): void {
    const ref = new Ref(this.owner.identity, this.owner.table.allocate());
    this.owner.settleWith(ref, payload, false, true);
    if (index > this.#nextIndex) {
      this.#early.set(index, ref);
      return;
    }
    for (let next: Ref | undefined = ref; next !== undefined; next = this.#early.get(this.#nextIndex)) {
      this.#early.delete(this.#nextIndex++);
      this.#items.push(next);
    }
  }

  #lastRef(): Ref | undefined {
    const failure = this.#failure;
    if (failure === null || !this.#consumer.isFailing) return undefined;
    this.#failure = null;
    this.#consumer.handle({ type: "closed" });
    const ref = new Ref(this.owner.identity, this.owner.table.allocate());
    ref.state = refState.error;
    ref.value = failure;
    return ref;
  }

  /** Waits for an item or the end; the running task's turn is free for others meanwhile. */
  #more(): Promise<void> {
    const { owner } = this;
    owner.flush();
    return new Promise<void>((resolve, reject) => {
      const done = (): void => {
        resumed?.();
        resolve();
      };
      const resumed = owner.surroundings.waiting((reason) => {
        this.#waiting.delete(done);
        resumed?.();
        reject(reason);
      });
      this.#waiting.add(done);
    });
  }

  #handle(event: ConsumerEvent): void {
    for (const instruction of this.#consumer.handle(event)) this.#carryOut(instruction);
  }

  #carryOut(instruction: ConsumerInstruction): void {
    switch (instruction.type) {
      case "tell consumed":
        this.task.sender?.consumed(this.task.wire, instruction.count);
        break;
      case "wake":
        this.#wake();
        break;
      case "drop items":
        this.#items.clear();
        this.#early.clear();
        break;
      case "cancel producer":
        this.owner.cancelTask(this.task);
        break;
      case "keep":
      case "discard":
        break;
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** What a generator call returns: an async iterator of refs. It cannot be sent to another process. */
export class RefStream implements AsyncIterableIterator<Ref> {
  readonly #state: StreamState;

  constructor(state: StreamState) {
    this.#state = state;
    collected.register(this, state);
  }

  /** The ref that settles when the generator has ended. */
  get completed(): Ref {
    const { ref } = this.#state.task;
    // Who waits for the end wants the generator to get there.
    if (ref.state === refState.pending) ref.keep = this;
    return ref;
  }

  /** @internal */
  get state(): StreamState {
    return this.#state;
  }

  async next(): Promise<IteratorResult<Ref>> {
    const ref = await this.#state.next();
    return ref === undefined ? { done: true, value: undefined } : { done: false, value: ref };
  }

  /** Ends the producer: called by `break`. */
  async return(): Promise<IteratorResult<Ref>> {
    this.#state.close();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
Object.defineProperty(RefStream, "name", { value: "ObjectRefStream" });

/** A stream that nobody can read any more must not keep its producer waiting for ever. */
const collected = new FinalizationRegistry<StreamState>((state) => state.close());
