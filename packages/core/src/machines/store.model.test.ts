import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoreLocation } from "../protocol/payload.ts";
import { page, StoreDriver } from "./store.test-driver.ts";

type Step =
  | {
      readonly kind: "allocate";
      readonly process: number;
      readonly pages: number;
      readonly pinnedFor: number;
      readonly patient: boolean;
      readonly isCopy: boolean;
    }
  | { readonly kind: "seal" | "abandon" | "free" | "watch" | "disown"; readonly pick: number }
  | { readonly kind: "pin"; readonly process: number; readonly pick: number; readonly mapped: boolean }
  | {
      readonly kind: "unpin";
      readonly process: number;
      readonly pick: number;
      readonly mapped: boolean;
      /** 0: dropped. 2: repeated. */
      readonly times: number;
    }
  | { readonly kind: "cancel"; readonly pick: number }
  | { readonly kind: "died"; readonly process: number; readonly times: number }
  | { readonly kind: "io"; readonly pick: number; readonly succeeds: boolean };

const lastProcess = 6;
const process = fc.integer({ min: 1, max: lastProcess });
const pick = fc.nat();
const mapped = fc.boolean();
const times = fc.integer({ min: 0, max: 2 });
const kind = <K extends string>(...kinds: K[]): fc.Arbitrary<K> => fc.constantFrom(...kinds);
const pages = fc.integer({ min: 1, max: 10 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: kind("allocate"),
        process,
        pages,
        pinnedFor: process,
        patient: mapped,
        isCopy: mapped,
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: kind("seal", "seal", "seal", "seal", "abandon", "free", "watch", "disown"),
        pick,
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: kind("pin"), process, pick, mapped }) },
    { weight: 4, arbitrary: fc.record({ kind: kind("unpin"), process, pick, mapped, times }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("cancel"), pick }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("died"), process, times }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: kind("io"),
        pick,
        succeeds: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
      }),
    },
  ),
  { minLength: 50, maxLength: 150, size: "max" },
);

/** What the processes know, and the pages that nobody else may be given. */
class Processes {
  readonly store: StoreDriver;
  readonly dead = new Set<number>();
  readonly asked: { readonly process: number; readonly ticket: number }[] = [];
  readonly known: { readonly location: StoreLocation; readonly writer: number }[] = [];
  readonly #pins = new Map<number, number>();
  /** By process, block and generation: what is mapped. */
  readonly #mapped = new Map<string, StoreLocation>();
  #seen = 0;

  constructor(store: StoreDriver) {
    this.store = store;
    for (let number = 1; number <= lastProcess; number++) store.send({ kind: "admitted", process: number });
  }

  do(step: Step): void {
    const { store } = this;
    const target =
      "pick" in step && this.known.length > 0 ? this.known[step.pick % this.known.length] : undefined;
    if (step.kind === "allocate") {
      this.asked.push({ process: step.process, ticket: store.allocate(step.process, step.pages, step) });
    } else if (step.kind === "cancel") {
      if (this.asked.length > 0) store.send({ kind: "cancel", ...this.asked[step.pick % this.asked.length] });
    } else if (step.kind === "died") {
      for (let i = 0; i < step.times; i++) this.die(step.process);
    } else if (step.kind === "io") {
      if (store.pending.length > 0) store.finish(step.pick % store.pending.length, step.succeeds);
    } else if (target !== undefined) this.#touch(step, target);
    this.#observe();
  }

  die(number: number): void {
    this.dead.add(number);
    for (const name of this.#mapped.keys()) if (name.startsWith(`${number}/`)) this.#mapped.delete(name);
    this.store.send({ kind: "died", process: number });
  }

  #touch(
    step: Exclude<Step, { readonly kind: "allocate" | "cancel" | "died" | "io" }>,
    { location, writer }: { readonly location: StoreLocation; readonly writer: number },
  ): void {
    const { block, generation } = location;
    switch (step.kind) {
      case "free":
      case "watch":
      case "disown":
        this.store.send({ kind: step.kind, block, generation });
        break;
      case "seal":
      case "abandon":
        this.store.send({ kind: step.kind, process: writer, block, generation });
        break;
      case "pin": {
        const ticket = this.store.pin(step.process, location, step.mapped);
        if (step.mapped) this.#pins.set(ticket, step.process);
        break;
      }
      case "unpin":
        if (step.mapped && step.times > 0) this.#mapped.delete(nameOf(step.process, location));
        for (let i = 0; i < step.times; i++) this.store.unpin(step.process, location, step.mapped);
        break;
    }
  }

  #observe(): void {
    for (; this.#seen < this.store.log.length; this.#seen++) {
      const instruction = this.store.log[this.#seen];
      if (instruction.kind !== "granted") continue;
      const { location, ticket, process: to } = instruction;
      if (this.#pins.has(ticket)) {
        if (!this.dead.has(to)) this.#mapped.set(nameOf(to, location), location);
      } else if (this.asked.some((one) => one.ticket === ticket)) {
        for (const other of this.#mapped.values()) {
          const apart =
            other.offset + other.size <= location.offset || location.offset + location.size <= other.offset;
          if (!apart) throw new Error("pages that are mapped were given to another block"); // (I2)
        }
        this.known.push({ location, writer: to });
      }
    }
  }
}

function nameOf(number: number, { block, generation }: StoreLocation): string {
  return `${number}/${block}.${generation}`;
}

describe("StoreMachine, with events dropped, repeated and late, and deaths anywhere", () => {
  it("never gives mapped pages away, answers every ticket, and is empty in the end", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 3 }), (list, prefaultPages) => {
        const store = new StoreDriver({ prefaultBytes: prefaultPages * page, diskLimitBytes: 24 * page });
        const processes = new Processes(store);
        for (const step of list) processes.do(step);
        store.finishAll();
        for (const request of processes.asked) {
          if (!store.answers.has(request.ticket)) store.send({ kind: "cancel", ...request });
          if (!processes.dead.has(request.process)) expect(store.answers.has(request.ticket)).toBe(true); // (S6)
        }
        for (let number = 1; number <= lastProcess; number++) processes.die(number);
        store.finishAll();
        // Copies stay until someone wants their room.
        for (const { location } of processes.known) store.send({ ...location, kind: "disown" });
        const { blocks, usedBytes, diskBytes, waiting } = store.machine.stats();
        const nothing = { blocks: 0, usedBytes: 0, diskBytes: 0, waiting: 0 };
        expect({ blocks, usedBytes, diskBytes, waiting }).toEqual(nothing);
      }),
      { numRuns: 500 },
    );
  });
});
