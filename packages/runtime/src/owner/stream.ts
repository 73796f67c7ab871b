/**
 * The results of a generator: refs that arrive one by one. The producer is at most `backpressure` items ahead of the
 * consumer; items that an earlier attempt delivered already are not delivered again.
 */
import { Failure } from "./failure.ts";
import { Ref, refState, settle } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { unpackPayload } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

export class StreamState {
  readonly owner: Owner;
  readonly task: Task;
  /** Items by index, from `taken` on; each is settled when its item arrives. */
  readonly #items: Ref[] = [];
  /** How many items the consumer has taken. */
  taken = 0;
  #arrived = 0;
  #ended = false;
  #failure: Failure | null = null;
  #waiting: Array<() => void> = [];

  constructor(owner: Owner, task: Task) {
    this.owner = owner;
    this.task = task;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ready in the sense of `wait`: the next item, or the end, is there. */
  get nextIsReady(): boolean {
    return this.#items.length > 0 || this.#ended;
  }

  /** An item entry: u32 index, then the payload. */
  item(form: number, chunk: Buffer, start: number, end: number, sender: Sender): void {
    const index = chunk.readUInt32LE(start);
    if (index !== this.#arrived || this.#ended) return;
    this.#arrived++;
    const ref = new Ref(this.owner.identity, this.owner.table.allocate());
    this.owner.settleWith(ref, unpackPayload(form, chunk, start + 4, end), false, true);
    if (form !== 0) sender.acknowledgeItem(this.task.wire, index);
    this.#items.push(ref);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    settle(this.task.ref, refState.immediate, undefined);
    this.#wake();
  }

  fail(failure: Failure): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#wake();
  }

  /** The next ref, or undefined at the end. A failure is one last ref that fails. */
  async next(): Promise<Ref | undefined> {
    while (this.#items.length === 0) {
      if (this.#failure !== null) {
        const ref = new Ref(this.owner.identity, this.owner.table.allocate());
        ref.state = refState.error;
        ref.value = this.#failure;
        this.#failure = null;
        return ref;
      }
      if (this.#ended) return undefined;
      this.owner.flush();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const ref = this.#items.shift();
    this.taken++;
    this.task.sender?.consumed(this.task.wire, this.taken);
    return ref;
  }

  onNext(callback: () => void): void {
    if (this.nextIsReady) callback();
    else this.#waiting.push(callback);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** What a generator call returns: an async iterator of refs. It cannot be sent to another process. */
export class RefStream implements AsyncIterableIterator<Ref> {
  readonly #state: StreamState;

  constructor(state: StreamState) {
    this.#state = state;
  }

  /** The ref that settles when the generator has ended. */
  get completed(): Ref {
    return this.#state.task.ref;
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
    if (!this.#state.ended) this.#state.owner.cancelTask(this.#state.task);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

