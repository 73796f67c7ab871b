/**
 * The two ends of a stream of results: `StreamProducer` beside the generator, `StreamConsumer` beside its reader.
 *
 * Rules kept by `check()` and the model test:
 * - (G1) the reader gets each item once, in order of index, whatever is repeated, comes out of order or is run again;
 * - (G2) the producer is never more than `backpressure` items ahead of what the reader has taken;
 * - (G3) every item that arrived is either kept or discarded (its pin let go), a repetition of it neither;
 * - (G4) the end comes after the last item, once.
 */

// the producer

export type ProducerEvent =
  | { readonly type: "begin" }
  /** The generator gave an item. */
  | { readonly type: "produced" }
  /** The generator has returned. */
  | { readonly type: "returned" }
  /** The reader has taken `count` items so far. */
  | { readonly type: "consumed"; readonly count: number }
  | { readonly type: "cancel" };

export type ProducerInstruction =
  /** Ask the generator for its next item. */
  | { readonly type: "pull" }
  /** Send the item just produced. */
  | { readonly type: "send"; readonly index: number }
  /** Nothing to do until `consumed` or `cancel`. */
  | { readonly type: "wait" }
  /** Let the generator clean up (`return()`): it was cancelled. */
  | { readonly type: "close" }
  /** Tell the reader that there were `count` items. */
  | { readonly type: "end"; readonly count: number };

type ProducerState = "new" | "pulling" | "full" | "closed" | "ended";

const pull: ProducerInstruction = { type: "pull" };
const wait: ProducerInstruction = { type: "wait" };
const close: ProducerInstruction = { type: "close" };
const nothing: readonly ProducerInstruction[] = [];

export class StreamProducer {
  readonly #backpressure: number;
  #state: ProducerState = "new";
  #cancelled = false;
  /** Items produced so far: the index of the next. */
  #count = 0;
  #consumed = 0;

  /** @param backpressure how many items it may be ahead of its reader, at least 1 */
  constructor(backpressure: number) {
    this.#backpressure = backpressure;
  }

  handle(event: ProducerEvent): readonly ProducerInstruction[] {
    switch (event.type) {
      case "begin":
        return this.#state === "new" ? [this.#go()] : nothing;
      case "produced":
        return this.#produced();
      case "returned":
        if (this.#state !== "pulling") return nothing;
        this.#state = "ended";
        return [{ type: "end", count: this.#count }];
      case "consumed":
        if (event.count <= this.#consumed) return nothing;
        this.#consumed = event.count;
        return this.#state === "full" && this.#hasRoom() ? [this.#go()] : nothing;
      case "cancel":
        this.#cancelled = true;
        return this.#state === "full" ? [this.#go()] : nothing;
    }
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const ahead = this.#count - this.#consumed;
    const most = this.#state === "pulling" ? this.#backpressure - 1 : this.#backpressure;
    if (ahead > most)
      throw new Error(`(G2) ${ahead} items ahead of the reader while ${this.#state}; at most ${most}`);
  }

  #produced(): readonly ProducerInstruction[] {
    if (this.#state !== "pulling") return nothing;
    const index = this.#count++;
    if (this.#cancelled) return [this.#go()];
    // What an earlier attempt delivered and the reader has taken need not travel again.
    return index < this.#consumed ? [this.#go()] : [{ type: "send", index }, this.#go()];
  }

  #go(): ProducerInstruction {
    if (this.#cancelled) {
      this.#state = "closed";
      return close;
    }
    this.#state = this.#hasRoom() ? "pulling" : "full";
    return this.#state === "pulling" ? pull : wait;
  }

  #hasRoom(): boolean {
    return this.#count - this.#consumed < this.#backpressure;
  }
}

// the consumer

export type ConsumerEvent =
  | { readonly type: "item"; readonly attempt: number; readonly index: number }
  /** The generator ended after `count` items. */
  | { readonly type: "end"; readonly attempt: number; readonly count: number }
  /** The task failed for good: its items so far, then one failure, then the end. */
  | { readonly type: "failed" }
  /** The reader has taken the next item. */
  | { readonly type: "taken" }
  /** The reader wants no more: it left its loop, or was collected. */
  | { readonly type: "closed" };

export type ConsumerInstruction =
  /** Keep the item for the reader. */
  | { readonly type: "keep"; readonly index: number }
  /** The item was delivered before: let its pin go. */
  | { readonly type: "discard" }
  /** Tell the producer how many were taken. */
  | { readonly type: "tell consumed"; readonly count: number }
  /** Something for the reader is there: an item, the failure or the end. */
  | { readonly type: "wake" }
  | { readonly type: "drop items" }
  | { readonly type: "cancel producer" };

type ConsumerState =
  | { readonly at: "open" }
  /** Ends once `count` items were taken. */
  | { readonly at: "ending"; readonly count: number }
  /** As `ending`, with a failure behind the last item. */
  | { readonly at: "failing"; readonly count: number }
  | { readonly at: "closed" };

const wake: ConsumerInstruction = { type: "wake" };
const discard: ConsumerInstruction = { type: "discard" };
const ignored: readonly ConsumerInstruction[] = [];

export class StreamConsumer {
  #state: ConsumerState = { at: "open" };
  /** Items 0 … delivered − 1 are kept or taken. */
  #delivered = 0;
  #taken = 0;
  /** Kept items beyond a gap: they came out of order. */
  readonly #early = new Set<number>();
  /** The attempt under way, and which of its items were seen: all below `#seen`, and `#seenEarly`. */
  #attempt = 0;
  #seen = 0;
  readonly #seenEarly = new Set<number>();
  /** Of the attempt's end, which came before some item. */
  #endCount = -1;
  #toldOfReplay = false;

  /** Items that the reader may take now. */
  get available(): number {
    return this.#delivered - this.#taken;
  }

  get taken(): number {
    return this.#taken;
  }

  /** No item will come any more. */
  get isEnded(): boolean {
    return this.#state.at !== "open";
  }

  /** After the items that are available, the reader meets a failure. */
  get isFailing(): boolean {
    return this.#state.at === "failing";
  }

  handle(event: ConsumerEvent): readonly ConsumerInstruction[] {
    switch (event.type) {
      case "item":
        return this.#item(event.attempt, event.index);
      case "end":
        return this.#end(event.attempt, event.count);
      case "failed":
        if (this.#state.at !== "open") return ignored;
        this.#state = { at: "failing", count: this.#delivered };
        return [wake];
      case "taken":
        if (this.#taken >= this.#delivered)
          throw new Error(`(G1) item ${this.#taken} was taken before it was there`);
        this.#taken++;
        return this.#state.at === "open" ? [{ type: "tell consumed", count: this.#taken }] : ignored;
      case "closed":
        return this.#close();
    }
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    if (this.#taken > this.#delivered)
      throw new Error(`(G1) ${this.#taken} taken of ${this.#delivered} delivered`);
    for (const index of this.#early)
      if (index <= this.#delivered)
        throw new Error(`(G1) item ${index} is early, but ${this.#delivered} are there`);
    if (this.#state.at === "ending" && this.#state.count > this.#delivered) {
      throw new Error(`(G4) ended after ${this.#state.count} items, but ${this.#delivered} are there`);
    }
  }

  #item(attempt: number, index: number): readonly ConsumerInstruction[] {
    if (!this.#follows(attempt) || this.#wasSeen(index)) return ignored;
    if (this.#state.at !== "open" || index < this.#delivered || this.#early.has(index)) {
      // A producer that repeats what was delivered must not wait for the reader to take it once more.
      if (this.#toldOfReplay || this.#taken === 0 || this.#state.at !== "open") return [discard];
      this.#toldOfReplay = true;
      return [discard, { type: "tell consumed", count: this.#taken }];
    }
    const keep: ConsumerInstruction = { type: "keep", index };
    if (index > this.#delivered) {
      this.#early.add(index);
      return [keep];
    }
    do this.#delivered++;
    while (this.#early.delete(this.#delivered));
    this.#endIfComplete();
    return [keep, wake];
  }

  #end(attempt: number, count: number): readonly ConsumerInstruction[] {
    if (!this.#follows(attempt) || this.#state.at !== "open") return ignored;
    this.#endCount = count;
    return this.#endIfComplete() ? [wake] : ignored;
  }

  /** A run that gives fewer items than an earlier one ends after those that were delivered. */
  #endIfComplete(): boolean {
    if (this.#endCount < 0 || this.#delivered < this.#endCount) return false;
    this.#state = { at: "ending", count: this.#delivered };
    return true;
  }

  #close(): readonly ConsumerInstruction[] {
    const { at } = this.#state;
    if (at === "closed") return ignored;
    this.#state = { at: "closed" };
    this.#taken = this.#delivered;
    this.#early.clear();
    return at === "open"
      ? [{ type: "drop items" }, { type: "cancel producer" }, wake]
      : [{ type: "drop items" }, wake];
  }

  /** False for what an attempt sent that was given up. */
  #follows(attempt: number): boolean {
    if (attempt < this.#attempt) return false;
    if (attempt === this.#attempt) return true;
    this.#attempt = attempt;
    this.#seen = 0;
    this.#seenEarly.clear();
    this.#endCount = -1;
    this.#toldOfReplay = false;
    return true;
  }

  #wasSeen(index: number): boolean {
    if (index < this.#seen || this.#seenEarly.has(index)) return true;
    if (index > this.#seen) {
      this.#seenEarly.add(index);
      return false;
    }
    do this.#seen++;
    while (this.#seenEarly.delete(this.#seen));
    return false;
  }
}
