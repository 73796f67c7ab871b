import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  StreamConsumer,
  StreamProducer,
  type ConsumerInstruction,
  type ProducerInstruction,
} from "./generator.ts";

describe("StreamProducer", () => {
  it("stays within its back-pressure and goes on when the reader has taken some", () => {
    const producer = new StreamProducer(2);
    expect(producer.handle({ type: "begin" })).toEqual([{ type: "pull" }]);
    expect(producer.handle({ type: "produced" })).toEqual([{ type: "send", index: 0 }, { type: "pull" }]);
    expect(producer.handle({ type: "produced" })).toEqual([{ type: "send", index: 1 }, { type: "wait" }]);
    expect(producer.handle({ type: "consumed", count: 1 })).toEqual([{ type: "pull" }]);
    expect(producer.handle({ type: "returned" })).toEqual([{ type: "end", count: 2 }]);
  });

  it("does not send again what the reader has taken", () => {
    const producer = new StreamProducer(1);
    producer.handle({ type: "consumed", count: 2 });
    producer.handle({ type: "begin" });
    expect(producer.handle({ type: "produced" })).toEqual([{ type: "pull" }]);
    expect(producer.handle({ type: "produced" })).toEqual([{ type: "pull" }]);
    expect(producer.handle({ type: "produced" })).toEqual([{ type: "send", index: 2 }, { type: "wait" }]);
  });

  it("closes the generator when it is cancelled: at once when it waits, else at its next item", () => {
    const full = new StreamProducer(1);
    full.handle({ type: "begin" });
    full.handle({ type: "produced" });
    expect(full.handle({ type: "cancel" })).toEqual([{ type: "close" }]);
    const busy = new StreamProducer(9);
    busy.handle({ type: "begin" });
    expect(busy.handle({ type: "cancel" })).toEqual([]);
    expect(busy.handle({ type: "produced" })).toEqual([{ type: "close" }]);
  });
});

describe("StreamConsumer", () => {
  it("delivers in order what comes out of order", () => {
    const consumer = new StreamConsumer();
    expect(consumer.handle({ type: "item", attempt: 0, index: 1 })).toEqual([{ type: "keep", index: 1 }]);
    expect(consumer.available).toBe(0);
    expect(consumer.handle({ type: "end", attempt: 0, count: 2 })).toEqual([]);
    expect(consumer.handle({ type: "item", attempt: 0, index: 0 })).toEqual([
      { type: "keep", index: 0 },
      { type: "wake" },
    ]);
    expect(consumer.available).toBe(2);
    expect(consumer.isEnded).toBe(true);
  });

  it("discards what an earlier attempt delivered, and tells the producer how far the reader is", () => {
    const consumer = new StreamConsumer();
    consumer.handle({ type: "item", attempt: 0, index: 0 });
    consumer.handle({ type: "taken" });
    expect(consumer.handle({ type: "item", attempt: 0, index: 0 })).toEqual([]);
    expect(consumer.handle({ type: "item", attempt: 1, index: 0 })).toEqual([
      { type: "discard" },
      { type: "tell consumed", count: 1 },
    ]);
    expect(consumer.handle({ type: "item", attempt: 0, index: 1 })).toEqual([]);
    expect(consumer.handle({ type: "item", attempt: 1, index: 1 })).toEqual([
      { type: "keep", index: 1 },
      { type: "wake" },
    ]);
  });

  it("ends after what was delivered when a later attempt gives fewer items", () => {
    const consumer = new StreamConsumer();
    for (const index of [0, 1, 2]) consumer.handle({ type: "item", attempt: 0, index });
    expect(consumer.handle({ type: "end", attempt: 1, count: 1 })).toEqual([{ type: "wake" }]);
    expect(consumer.available).toBe(3);
  });

  it("keeps what was delivered before a failure; a reader that leaves drops it and ends the producer", () => {
    const failing = new StreamConsumer();
    failing.handle({ type: "item", attempt: 0, index: 0 });
    failing.handle({ type: "failed" });
    expect([failing.available, failing.isEnded, failing.isFailing]).toEqual([1, true, true]);
    const left = new StreamConsumer();
    left.handle({ type: "item", attempt: 0, index: 0 });
    expect(left.handle({ type: "closed" }).map((each) => each.type)).toEqual([
      "drop items",
      "cancel producer",
      "wake",
    ]);
    expect(left.handle({ type: "item", attempt: 0, index: 1 })).toEqual([{ type: "discard" }]);
    expect(left.handle({ type: "closed" })).toEqual([]);
  });
});

// A producer and a consumer, a link that repeats and reorders, and attempts that are lost with all that is under way.

type Message =
  | { readonly to: "consumer"; readonly kind: "item"; readonly attempt: number; readonly index: number }
  | { readonly to: "consumer"; readonly kind: "end"; readonly attempt: number; readonly count: number }
  | { readonly to: "producer"; readonly kind: "consumed"; readonly count: number };

class World {
  readonly backpressure: number;
  readonly length: number;
  producer: StreamProducer;
  readonly consumer = new StreamConsumer();
  attempt = 0;
  #messages: Message[] = [];
  /** What the generator is asked for. */
  pulling = false;
  #produced = 0;
  readonly kept: number[] = [];
  /** Items sent that were neither kept nor discarded yet, by attempt and index. */
  readonly #pins = new Set<string>();
  taken = 0;
  ends = 0;
  told = 0;

  constructor(backpressure: number, length: number) {
    this.backpressure = backpressure;
    this.length = length;
    this.producer = new StreamProducer(backpressure);
    this.#do(this.producer.handle({ type: "begin" }));
  }

  get quiet(): boolean {
    return this.#messages.length === 0 && !this.pulling && this.consumer.available === 0;
  }

  generate(): void {
    if (!this.pulling) return;
    this.pulling = false;
    if (this.#produced < this.length) {
      this.#produced++;
      this.#do(this.producer.handle({ type: "produced" }));
    } else this.#do(this.producer.handle({ type: "returned" }));
  }

  deliver(pick: number, repeat: boolean): void {
    if (this.#messages.length === 0) return;
    const at = pick % this.#messages.length;
    const message = this.#messages[at];
    if (!repeat) this.#messages.splice(at, 1);
    if (message.to === "producer") this.#do(this.producer.handle({ type: "consumed", count: message.count }));
    else if (message.kind === "end")
      this.#answer(
        this.consumer.handle({ type: "end", attempt: message.attempt, count: message.count }),
        message,
      );
    else
      this.#answer(
        this.consumer.handle({ type: "item", attempt: message.attempt, index: message.index }),
        message,
      );
    this.consumer.check();
  }

  take(): void {
    if (this.consumer.available === 0) return;
    expect(this.kept, "(G1)").toContain(this.taken);
    this.taken++;
    this.#answer(this.consumer.handle({ type: "taken" }), null);
  }

  /** The worker is lost, or the generator threw and runs again. */
  retry(): void {
    if (this.consumer.isEnded) return;
    this.attempt++;
    this.#messages = [];
    this.#pins.clear();
    this.producer = new StreamProducer(this.backpressure);
    this.#produced = 0;
    this.pulling = false;
    this.#do(this.producer.handle({ type: "begin" }));
  }

  get pins(): number {
    return this.#pins.size;
  }

  #do(instructions: readonly ProducerInstruction[]): void {
    for (const each of instructions) {
      if (each.type === "pull") this.pulling = true;
      else if (each.type === "send") {
        this.#pins.add(`${this.attempt}:${each.index}`);
        expect(each.index - this.taken, "(G2)").toBeLessThan(this.backpressure);
        this.#messages.push({ to: "consumer", kind: "item", attempt: this.attempt, index: each.index });
      } else if (each.type === "end")
        this.#messages.push({ to: "consumer", kind: "end", attempt: this.attempt, count: each.count });
    }
    this.producer.check();
  }

  #answer(instructions: readonly ConsumerInstruction[], message: Message | null): void {
    for (const each of instructions) {
      if (each.type === "keep" || each.type === "discard") {
        if (message?.to !== "consumer" || message.kind !== "item") throw new Error("no item to keep");
        expect(this.#pins.delete(`${message.attempt}:${message.index}`), "(G3) kept or discarded once").toBe(
          true,
        );
        if (each.type === "keep") {
          expect(this.kept, "(G1) each item once").not.toContain(each.index);
          this.kept.push(each.index);
        }
      } else if (each.type === "tell consumed") {
        expect(each.count).toBeLessThanOrEqual(this.taken);
        this.#messages.push({ to: "producer", kind: "consumed", count: each.count });
      }
    }
    if (this.consumer.isEnded && this.ends === 0) this.ends = 1;
  }
}

const step = fc.record({
  do: fc.constantFrom(
    "generate",
    "generate",
    "generate",
    "deliver",
    "deliver",
    "deliver",
    "deliver",
    "take",
    "take",
    "retry",
  ),
  pick: fc.nat(),
  repeat: fc.boolean(),
});

describe("a stream under repetition, reordering and lost attempts", () => {
  it("gives the reader each item once and in order, within the back-pressure, then the end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 8 }),
        fc.array(step, { maxLength: 80, size: "max" }),
        (backpressure, length, steps) => {
          const world = new World(backpressure, length);
          for (const { do: what, pick, repeat } of steps) {
            if (what === "generate") world.generate();
            else if (what === "deliver") world.deliver(pick, repeat);
            else if (what === "take") world.take();
            else world.retry();
          }
          for (let i = 0; i < 1000 && !world.quiet; i++) {
            world.generate();
            world.deliver(0, false);
            world.take();
          }
          expect(world.taken).toBe(length);
          expect(world.consumer.isEnded, "(G4)").toBe(true);
          expect(world.pins, "(G3)").toBe(0);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
