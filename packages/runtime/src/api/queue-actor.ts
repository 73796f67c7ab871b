/**
 * The actor behind a Queue. Who waits, waits here, in the order of the calls: puts in one line, gets in another.
 * A wait that ends without an outcome (time, withdrawal, cancellation, shutdown) has left its line before it is told,
 * so that no item is ever handed to somebody who has gone.
 */
import { formatDuration, IonoError, limits } from "@iono/core";

/** Items that wait for room, or a call that waits for items. */
interface Waiter {
  readonly line: Set<Waiter>;
  /** put: the items to add; get: how many to take. */
  readonly items: readonly unknown[] | undefined;
  readonly count: number;
  readonly key: string;
  taken: unknown[];
  done: boolean;
  /** Set once the call really waits. */
  end: ((error: IonoError | undefined) => void) | undefined;
}

/** Timeouts are in ms: 0 does not wait, Infinity waits without limit. A `key` names a wait for `withdraw`. */
export class QueueActor {
  readonly #maxSize: number;
  /** The items are those from `#head` on. */
  #items: unknown[] = [];
  #head = 0;
  readonly #puts = new Set<Waiter>();
  readonly #gets = new Set<Waiter>();
  #shutDown = false;

  /** @param maxSize 0: the system's limit. */
  constructor(maxSize = 0) {
    this.#maxSize = maxSize === 0 ? limits.queueItems.value : maxSize;
  }

  /** @throws IonoError QueueFull when there was no room in time; QueueShutDown. */
  put(item: unknown, timeoutMs = Infinity, key = ""): Promise<void> {
    return this.putBatch([item], timeoutMs, key);
  }

  /** Adds all items together, once all fit. */
  async putBatch(items: readonly unknown[], timeoutMs = Infinity, key = ""): Promise<void> {
    if (items.length > this.#maxSize) {
      throw new IonoError(
        "QueueFull",
        `${items.length} items can never fit a queue of at most ${this.#maxSize}`,
      );
    }
    await this.#enter(
      { line: this.#puts, items, count: 0, key, taken: [], done: false, end: undefined },
      timeoutMs,
    );
  }

  /** @throws IonoError QueueEmpty when nothing came in time; QueueShutDown. */
  async get(timeoutMs = Infinity, key = ""): Promise<unknown> {
    const [item] = await this.getBatch(1, timeoutMs, key);
    return item;
  }

  /** Takes `count` items together, once there are as many. */
  async getBatch(count: number, timeoutMs = Infinity, key = ""): Promise<unknown[]> {
    if (count > this.#maxSize) {
      throw new IonoError("QueueEmpty", `a queue of at most ${this.#maxSize} items never holds ${count}`);
    }
    const waiter: Waiter = {
      line: this.#gets,
      items: undefined,
      count,
      key,
      taken: [],
      done: false,
      end: undefined,
    };
    await this.#enter(waiter, timeoutMs);
    return waiter.taken;
  }

  async size(): Promise<number> {
    return this.#size;
  }

  async empty(): Promise<boolean> {
    return this.#size === 0;
  }

  async full(): Promise<boolean> {
    return this.#size >= this.#maxSize;
  }

  /** Ends the wait of that key, if it still waits: it fails with TaskCancelled. */
  async withdraw(key: string): Promise<void> {
    for (const line of [this.#puts, this.#gets]) {
      for (const waiter of line) {
        if (waiter.key === key) waiter.end?.(new IonoError("TaskCancelled", "the wait was withdrawn"));
      }
    }
  }

  /** Drops all items; calls that wait and later ones fail with QueueShutDown. */
  async shutdown(): Promise<void> {
    this.#shutDown = true;
    this.#items = [];
    this.#head = 0;
    for (const line of [this.#puts, this.#gets])
      for (const waiter of [...line]) waiter.end?.(shutDownError());
  }

  /** Aborts when the call that runs now is cancelled. */
  protected callSignal(): AbortSignal | undefined {
    return undefined;
  }

  get #size(): number {
    return this.#items.length - this.#head;
  }

  /** Puts the waiter at the end of its line and waits for its turn. */
  #enter(waiter: Waiter, timeoutMs: number): Promise<void> | undefined {
    if (this.#shutDown) throw shutDownError();
    waiter.line.add(waiter);
    this.#advance();
    if (waiter.done) return undefined;
    if (timeoutMs === 0) {
      waiter.line.delete(waiter);
      throw this.#outOfTime(waiter, timeoutMs);
    }
    return new Promise<void>((resolve, reject) => {
      const signal = this.callSignal();
      const cancelled = () =>
        waiter.end?.(new IonoError("TaskCancelled", "the call was cancelled while it waited"));
      const timer =
        timeoutMs === Infinity
          ? undefined
          : setTimeout(() => waiter.end?.(this.#outOfTime(waiter, timeoutMs)), timeoutMs);
      waiter.end = (error) => {
        waiter.end = undefined;
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancelled);
        if (error === undefined) return resolve();
        waiter.line.delete(waiter);
        reject(error);
        // Those behind it may fit where it did not.
        this.#advance();
      };
      if (signal?.aborted === true) cancelled();
      else signal?.addEventListener("abort", cancelled);
    });
  }

  /** Serves both lines, first come first, until neither head can be served. */
  #advance(): void {
    let served = true;
    while (served) {
      served = false;
      for (const waiter of this.#puts) {
        const items = waiter.items ?? [];
        if (this.#size + items.length > this.#maxSize) break;
        for (const item of items) this.#items.push(item);
        this.#serve(waiter);
        served = true;
      }
      for (const waiter of this.#gets) {
        if (this.#size < waiter.count) break;
        waiter.taken = this.#take(waiter.count);
        this.#serve(waiter);
        served = true;
      }
    }
  }

  #serve(waiter: Waiter): void {
    waiter.done = true;
    waiter.line.delete(waiter);
    waiter.end?.(undefined);
  }

  #take(count: number): unknown[] {
    const taken = this.#items.slice(this.#head, this.#head + count);
    this.#items.fill(undefined, this.#head, this.#head + count);
    this.#head += count;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  #outOfTime(waiter: Waiter, timeoutMs: number): IonoError {
    const after = timeoutMs === 0 ? "" : ` after ${formatDuration(timeoutMs)}`;
    const holds = `the queue holds ${this.#size} of at most ${this.#maxSize} items${after}`;
    return waiter.line === this.#puts
      ? new IonoError("QueueFull", holds)
      : new IonoError("QueueEmpty", holds);
  }
}

function shutDownError(): IonoError {
  return new IonoError("QueueShutDown", "the queue was shut down");
}
