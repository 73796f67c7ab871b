/**
 * One run of `map`: pulls items, keeps at most `concurrency` calls between submitted and read, hands on the results.
 *
 * Back-pressure works both ways: an unread result holds its place in the window, so a slow reader stops the source,
 * and a slow source leaves places empty.
 */
import { IonoError, type CompiledMapOptions } from "@iono/core";
import type { ObjectRef } from "./types.ts";

/** Any iterable, async iterable or stream; promises in an iterable are awaited. */
export type Source<Item> = Iterable<Item | PromiseLike<Item>> | AsyncIterable<Item>;

/** Where the calls of a run go: tasks, or methods of actors. */
export interface MapTarget {
  /** How many calls it can take at a time, where that is less than `concurrency`. */
  readonly places?: number;
  /** Submits one call; `argument` is an item, or a batch of them. Never called for more than `concurrency` at a time. */
  start(argument: unknown): StartedCall;
  /** Ends what the target holds; calls may still be under way. */
  end(): void;
}

export interface StartedCall {
  readonly ref: ObjectRef<unknown>;
  readonly value: Promise<unknown>;
  cancel(): void;
  /** Told once the call has ended; answers an error that ends the whole run, whatever `onError` says. */
  ended(error: unknown): Promise<Error | undefined>;
}

/** Counts what is done, for people. */
export interface MapProgress {
  start(): void;
  add(done: number, failed: number): void;
  finish(outcome: "done" | "stopped"): void;
}

/** A batch of items on its way; without batches it has one. */
interface Call<Item> {
  readonly items: readonly Item[];
  /** Index of the first item in the source. */
  readonly index: number;
  started: StartedCall | undefined;
  outcome: Outcome | undefined;
}

type Outcome =
  | { readonly kind: "value"; readonly values: readonly unknown[] }
  | { readonly kind: "error"; readonly error: unknown }
  /** An error that no `onError` handles. */
  | { readonly kind: "fatal"; readonly error: unknown };

export class MapRun<Item, Out> implements AsyncIterableIterator<Out> {
  readonly #source: Source<Item>;
  readonly #openTarget: () => MapTarget;
  readonly #options: CompiledMapOptions<Item, Out, AbortSignal>;
  readonly #progress: MapProgress | undefined;
  /** Submitted and not read, in the order of the source. */
  readonly #calls = new Set<Call<Item>>();
  /** Those of `#calls` that have an outcome, in the order they came. */
  readonly #settled = new Set<Call<Item>>();
  #target: MapTarget | undefined;
  #iterator: Iterator<Item | PromiseLike<Item>> | AsyncIterator<Item> | undefined;
  #exhausted = false;
  #sourceError: { readonly error: unknown } | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #closed = false;
  #started = false;
  #finished = false;
  #wakeReader: (() => void) | undefined;
  #wakeFeeder: (() => void) | undefined;
  #results: AsyncGenerator<Out, undefined> | undefined;

  constructor(
    source: Source<Item>,
    openTarget: () => MapTarget,
    options: CompiledMapOptions<Item, Out, AbortSignal>,
    progress: MapProgress | undefined,
  ) {
    this.#source = source;
    this.#openTarget = openTarget;
    this.#options = options;
    this.#progress = progress;
  }

  /** All results. */
  async toArray(): Promise<Out[]> {
    const all: Out[] = [];
    for await (const out of this) all.push(out);
    return all;
  }

  next(): Promise<IteratorResult<Out, undefined>> {
    this.#results ??= this.#read();
    return this.#results.next();
  }

  /** Cancels what is outstanding, ends the actors and closes the source. */
  async return(): Promise<IteratorResult<Out, undefined>> {
    this.#results ??= this.#read();
    // A reader that still waits for a result would hold the generator's own return().
    this.#close();
    await this.#results.return(undefined);
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    if (this.#results !== undefined) {
      throw new IonoError(
        "InvalidCall",
        "the results of this map are being read already; call map again to run it again",
      );
    }
    this.#results = this.#read();
    return this;
  }

  async *#read(): AsyncGenerator<Out, undefined> {
    const { signal, ordered } = this.#options;
    const abort = () => {
      this.#aborted ??= { reason: signal?.reason };
      this.#wake();
    };
    try {
      if (this.#closed) return undefined;
      if (signal?.aborted === true) throw signal.reason;
      signal?.addEventListener("abort", abort, { once: true });
      this.#progress?.start();
      this.#started = true;
      void this.#feed();
      for (;;) {
        if (this.#aborted !== undefined) throw this.#aborted.reason;
        if (this.#closed) return undefined;
        const call = first(ordered ? this.#calls : this.#settled);
        if (call?.outcome !== undefined) {
          this.#calls.delete(call);
          this.#settled.delete(call);
          this.#wake();
          yield* this.#deliver(call, call.outcome);
        } else if (this.#exhausted && this.#calls.size === 0) {
          if (this.#sourceError !== undefined) throw this.#sourceError.error;
          this.#finished = true;
          return undefined;
        } else await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#close();
    }
  }

  async *#deliver(call: Call<Item>, outcome: Outcome): AsyncGenerator<Out, void> {
    if (outcome.kind === "value") {
      for (const value of outcome.values) {
        yield value as Out;
        if (this.#aborted !== undefined) throw this.#aborted.reason;
      }
      return;
    }
    const { onError } = this.#options;
    if (outcome.kind === "fatal" || onError === "throw") throw outcome.error;
    if (onError === "skip") return;
    for (const [at, item] of call.items.entries()) yield await onError(outcome.error, item, call.index + at);
  }

  /** Pulls items and submits calls until the source ends or the run is closed. Never rejects. */
  async #feed(): Promise<void> {
    const size = Math.max(1, this.#options.batch);
    let items: Item[] = [];
    let index = 0;
    try {
      const target = (this.#target = this.#openTarget());
      const concurrency = Math.min(this.#options.concurrency, target.places ?? Infinity);
      const iterator = (this.#iterator = open(this.#source));
      for (;;) {
        while (this.#calls.size >= concurrency && !this.#closed) {
          await new Promise<void>((resolve) => (this.#wakeFeeder = resolve));
        }
        if (this.#closed) return;
        const answer = iterator.next();
        const step = isPromise(answer) ? await answer : answer;
        const value = step.done !== true && isPromise(step.value) ? await step.value : step.value;
        if (this.#closed) return;
        if (step.done === true) break;
        items.push(value as Item);
        if (items.length < size) continue;
        this.#submit(items, index);
        index += items.length;
        items = [];
      }
      if (items.length > 0) this.#submit(items, index);
    } catch (error) {
      // Surfaces after the results of the items that came before it.
      if (items.length > 0 && !this.#closed) this.#submit(items, index);
      this.#sourceError = { error };
    } finally {
      this.#exhausted = true;
      this.#wake();
    }
  }

  #submit(items: readonly Item[], index: number): void {
    const call: Call<Item> = { items, index, started: undefined, outcome: undefined };
    this.#calls.add(call);
    try {
      const started = this.#target!.start(this.#options.batch === 0 ? items[0] : items);
      call.started = started;
      void started.value.then(
        (value) => this.#settle(call, this.#outcomeOf(call, value)),
        async (error: unknown) => {
          const fatal = await started.ended(error);
          this.#settle(
            call,
            fatal === undefined ? { kind: "error", error } : { kind: "fatal", error: fatal },
          );
        },
      );
    } catch (error) {
      // The item cannot be sent, or the target is not one that can be mapped over.
      const fatal = error instanceof IonoError && error.code === "InvalidCall";
      this.#settle(call, { kind: fatal ? "fatal" : "error", error });
    }
  }

  #outcomeOf(call: Call<Item>, value: unknown): Outcome {
    void call.started?.ended(undefined);
    if (this.#options.batch === 0) return { kind: "value", values: [value] };
    const given = call.items.length;
    if (Array.isArray(value) && value.length === given) return { kind: "value", values: value };
    const got = Array.isArray(value) ? `${value.length} results` : `${typeof value}, not an array`;
    const message = `map with batch: the function was given ${given} items and returned ${got}; it must return one result per item`;
    return { kind: "fatal", error: new IonoError("WrongResultCount", message) };
  }

  #settle(call: Call<Item>, outcome: Outcome): void {
    if (this.#closed) return;
    call.outcome = outcome;
    this.#settled.add(call);
    this.#progress?.add(call.items.length, outcome.kind === "value" ? 0 : call.items.length);
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeFeeder?.();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of this.#calls) if (call.outcome === undefined) call.started?.cancel();
    this.#calls.clear();
    this.#settled.clear();
    this.#target?.end();
    if (!this.#exhausted) this.#closeSource();
    if (this.#started) this.#progress?.finish(this.#finished ? "done" : "stopped");
    this.#wake();
  }

  /** Nobody waits for it: a generator that hangs in an await would hold its own return() back for ever. */
  #closeSource(): void {
    const iterator = this.#iterator;
    if (iterator?.return === undefined) return;
    const closed = new Promise((resolve) => resolve(iterator.return?.()));
    closed.catch(() => {
      // The run has its own outcome already; that of a source that is no longer wanted adds nothing.
    });
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const each of set) return each;
  return undefined;
}

function open<Item>(source: Source<Item>): Iterator<Item | PromiseLike<Item>> | AsyncIterator<Item> {
  // A string is a source too, and `in` takes objects alone.
  if (typeof source === "object" && Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  return (source as Iterable<Item | PromiseLike<Item>>)[Symbol.iterator]();
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
