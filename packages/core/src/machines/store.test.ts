import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoreLocation } from "../protocol/payload.ts";
import {
  storePageBytes,
  type RefusalReason,
  type StoreEvent,
  type StoreInstruction,
  type StoreOptions,
} from "./store-events.ts";
import { StoreMachine } from "./store.ts";

const page = storePageBytes;
const options: StoreOptions = {
  capacityBytes: 16 * page,
  segmentBytes: 256 * page,
  diskLimitBytes: 64 * page,
  prefaultBytes: 0,
  spillBatchBytes: 0,
  maxBlocks: 1000,
};

/** Drives a machine and does what it asks for, at once or when told to. */
class Driver {
  readonly machine: StoreMachine;
  readonly pending: StoreInstruction[] = [];
  readonly answers = new Map<number, StoreLocation | RefusalReason>();
  readonly log: StoreInstruction[] = [];
  #nextTicket = 1;
  #nextFile = 1;

  constructor(changes: Partial<StoreOptions> = {}) {
    this.machine = new StoreMachine({ ...options, ...changes });
    for (const process of [1, 2, 3]) this.send({ kind: "admitted", process });
  }

  send(event: StoreEvent): void {
    for (const instruction of this.machine.handle(event)) {
      this.log.push(instruction);
      if (instruction.kind === "granted" || instruction.kind === "refused") {
        expect(this.answers.has(instruction.ticket), "one answer a ticket").toBe(false);
        const answer = instruction.kind === "granted" ? instruction.location : instruction.reason;
        this.answers.set(instruction.ticket, answer);
      } else if (["commit", "spill", "restore"].includes(instruction.kind)) this.pending.push(instruction);
    }
    this.machine.check();
  }

  /** Finishes one piece of I/O. */
  finish(index = 0, succeeds = true): void {
    const [done] = this.pending.splice(index, 1);
    if (done.kind === "commit")
      this.send({ kind: succeeds ? "committed" : "commitFailed", commit: done.commit });
    if (done.kind === "restore") this.send({ ...done, kind: succeeds ? "restored" : "restoreFailed" });
    if (done.kind !== "spill") return;
    const { block, generation } = done;
    if (!succeeds) this.send({ kind: "spillFailed", blocks: [done] });
    else
      this.send({
        kind: "spilled",
        block,
        generation,
        disk: { file: this.#nextFile++, position: 0, checksum: 1 },
      });
  }

  finishAll(): void {
    while (this.pending.length > 0) this.finish();
  }

  allocate(process: number, pages: number, { pinnedFor = process, patient = false } = {}): number {
    const ticket = this.#nextTicket++;
    this.send({ kind: "allocate", process, ticket, sizeBytes: pages * page, pinnedFor, patient });
    return ticket;
  }

  pin(process: number, location: StoreLocation, mapped = true): number {
    const ticket = this.#nextTicket++;
    this.send({
      kind: "pin",
      process,
      ticket,
      block: location.block,
      generation: location.generation,
      mapped,
    });
    return ticket;
  }

  unpin(process: number, location: StoreLocation, mapped = true): void {
    this.send({ kind: "unpin", process, block: location.block, generation: location.generation, mapped });
  }

  seal(process: number, location: StoreLocation): void {
    this.send({ kind: "seal", process, block: location.block, generation: location.generation });
  }

  /** A sealed object of `pages`, held by `process`. */
  put(process: number, pages: number, patient = false): StoreLocation {
    const ticket = this.allocate(process, pages, { patient });
    this.finishAll();
    const location = this.located(ticket);
    this.seal(process, location);
    return location;
  }

  located(ticket: number): StoreLocation {
    const answer = this.answers.get(ticket);
    if (typeof answer !== "object") throw new Error(`ticket ${ticket} has ${answer ?? "no answer"}`);
    return answer;
  }
}

describe("StoreMachine", () => {
  it("uses the pages of a released block again, under another generation, and refuses the stale location", () => {
    const store = new Driver();
    const first = store.put(1, 4);
    store.unpin(1, first, false);
    const second = store.put(1, 4);
    expect(second.offset).toBe(first.offset);
    expect(second.generation).not.toBe(first.generation);
    expect(store.answers.get(store.pin(2, first))).toBe("stale");
    expect(store.log.filter(({ kind }) => kind === "commit")).toHaveLength(1);
  });

  it("keeps the pages of a mapped block when all holds are gone (I2)", () => {
    const store = new Driver();
    const location = store.put(1, 16);
    store.pin(2, location);
    store.unpin(1, location, false);
    expect(store.answers.get(store.allocate(1, 1))).toBe("full");
    store.unpin(2, location);
    expect(typeof store.answers.get(store.allocate(1, 1))).toBe("object");
  });

  it("makes a hole of small warm ranges to commit a large one elsewhere", () => {
    const store = new Driver();
    const blocks = [1, 2, 3, 4].map(() => store.put(1, 4));
    store.unpin(1, blocks[0], false);
    store.unpin(1, blocks[2], false);
    const large = store.put(1, 8);
    expect(large.size).toBe(8 * page);
    expect(store.log.filter(({ kind }) => kind === "release")).toHaveLength(2);
    expect(store.machine.stats().committedBytes).toBe(16 * page);
  });

  it("lengthens a warm range instead of committing all afresh", () => {
    const store = new Driver();
    const first = store.put(1, 4);
    store.unpin(1, first, false);
    const longer = store.put(1, 6);
    expect(longer.offset).toBe(first.offset);
    expect(store.machine.stats().committedBytes).toBe(6 * page);
  });

  it("spills the coldest block nobody maps, and restores it for a pin", () => {
    const store = new Driver();
    const cold = store.put(1, 8);
    const warm = store.put(1, 8);
    store.pin(2, warm);
    const third = store.put(1, 8, true);
    expect(third.offset).toBe(cold.offset);
    expect(store.machine.stats().spilledBytes).toBe(8 * page);
    const pin = store.pin(3, cold);
    expect(store.answers.has(pin)).toBe(false); // third is spilled for it
    store.finishAll();
    expect(store.located(pin).block).toBe(cold.block);
    expect(store.machine.stats().restoredBytes).toBe(8 * page);
  });

  it("drops the memory of a restored block at once when it is needed again: the copy on disk is still good", () => {
    const store = new Driver();
    const first = store.put(1, 16);
    store.put(1, 16, true);
    const pin = store.pin(1, first);
    store.finishAll();
    store.unpin(1, store.located(pin));
    const spills = (): number => store.log.filter(({ kind }) => kind === "spill").length;
    const before = spills();
    store.put(1, 16, true);
    expect(spills()).toBe(before);
  });

  it("does not spill for a request that spilling cannot satisfy, and asks for collections once", () => {
    const store = new Driver();
    const mapped = store.put(1, 12);
    store.pin(2, mapped);
    store.put(1, 4);
    store.allocate(1, 8, { patient: true });
    store.allocate(2, 8, { patient: true });
    expect(store.log.filter(({ kind }) => kind === "spill")).toHaveLength(0);
    expect(store.log.filter(({ kind }) => kind === "pressure")).toHaveLength(1);
  });

  it("answers a pin of a block that is being written when it is sealed", () => {
    const store = new Driver();
    const ticket = store.allocate(1, 2);
    store.finishAll();
    const location = store.located(ticket);
    const pin = store.pin(2, location);
    expect(store.answers.has(pin)).toBe(false);
    store.seal(1, location);
    expect(store.located(pin)).toEqual(location);
  });

  it("loses a block whose writer dies, and refuses those who wait for it", () => {
    const store = new Driver();
    const ticket = store.allocate(1, 2, { pinnedFor: 2 });
    store.finishAll();
    const pin = store.pin(3, store.located(ticket));
    store.send({ kind: "died", process: 1 });
    expect(store.answers.get(pin)).toBe("lost");
    expect(store.answers.get(store.pin(3, store.located(ticket)))).toBe("lost");
    expect(store.machine.stats().usedBytes).toBe(0);
  });

  it("drops a block written for a process that has died", () => {
    const store = new Driver();
    store.send({ kind: "died", process: 2 });
    const ticket = store.allocate(1, 2, { pinnedFor: 2 });
    store.finishAll();
    store.seal(1, store.located(ticket));
    expect(store.machine.stats().blocks).toBe(0);
  });

  it("frees explicitly: holders lose it, mappings stay, pins are told", () => {
    const store = new Driver();
    const location = store.put(1, 2);
    store.pin(2, location);
    store.send({ kind: "free", block: location.block, generation: location.generation });
    expect(store.answers.get(store.pin(3, location, false))).toBe("freed");
    expect(store.machine.stats().usedBytes).toBe(2 * page);
    store.unpin(2, location);
    expect(store.machine.stats().usedBytes).toBe(0);
  });

  it("tells the one who needed the room when the disk is full, and nobody else", () => {
    const store = new Driver();
    store.put(1, 16);
    const first = store.allocate(1, 16, { patient: true });
    store.finish(0, false);
    expect(store.answers.get(first)).toBe("outOfDisk");
    const second = store.allocate(1, 16, { patient: true });
    store.finish(0);
    store.finishAll();
    expect(typeof store.answers.get(second)).toBe("object");
    const quota = new Driver({ diskLimitBytes: page });
    quota.put(1, 16);
    expect(quota.answers.get(quota.allocate(1, 1, { patient: true }))).toBe("outOfDisk");
  });

  it("becomes a smaller store when the system refuses pages", () => {
    const store = new Driver();
    const held = store.put(1, 4);
    const ticket = store.allocate(1, 12);
    store.finish(0, false);
    expect(store.answers.get(ticket)).toBe("full");
    expect(store.machine.stats().limitBytes).toBe(10 * page);
    store.unpin(1, held, false);
    expect(typeof store.answers.get(store.allocate(1, 4))).toBe("object");
  });

  it("refuses what never fits, and what waits too long when it gives up", () => {
    const store = new Driver();
    expect(store.answers.get(store.allocate(1, 17, { patient: true }))).toBe("neverFits");
    store.pin(1, store.put(1, 16));
    const ticket = store.allocate(2, 1, { patient: true });
    store.send({ kind: "cancel", process: 2, ticket });
    expect(store.answers.get(ticket)).toBe("full");
  });

  it("lets small requests pass a large one that waits, but not for ever", () => {
    const store = new Driver();
    store.pin(2, store.put(1, 12));
    const large = store.allocate(3, 8, { patient: true });
    let passed = 0;
    for (let i = 0; i < 200; i++) {
      const ticket = store.allocate(1, 4, { patient: true });
      store.finishAll();
      if (!store.answers.has(ticket)) break;
      passed++;
      store.seal(1, store.located(ticket));
      store.unpin(1, store.located(ticket), false);
    }
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(200);
    expect(store.answers.has(large)).toBe(false);
  });

  it("commits pages in advance while it grows", () => {
    const store = new Driver({ prefaultBytes: 4 * page });
    store.put(1, 2);
    const commits = store.log.filter((instruction) => instruction.kind === "commit");
    expect(commits.map(({ prefault, bytes }) => [prefault, bytes / page])).toEqual([
      [false, 2],
      [true, 4],
    ]);
    expect(store.machine.stats().warmBytes).toBe(4 * page);
  });
});

type Step =
  | {
      readonly kind: "allocate";
      readonly process: number;
      readonly pages: number;
      readonly pinnedFor: number;
      readonly patient: boolean;
    }
  | { readonly kind: "seal" | "abandon" | "free"; readonly pick: number }
  | {
      readonly kind: "pin" | "unpin";
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
      arbitrary: fc.record({ kind: kind("allocate"), process, pages, pinnedFor: process, patient: mapped }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ kind: kind("seal", "seal", "seal", "seal", "abandon", "free"), pick }),
    },
    { weight: 8, arbitrary: fc.record({ kind: kind("pin", "unpin"), process, pick, mapped, times }) },
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
  readonly store: Driver;
  readonly dead = new Set<number>();
  readonly asked: { readonly process: number; readonly ticket: number }[] = [];
  readonly known: { readonly location: StoreLocation; readonly writer: number }[] = [];
  readonly #pins = new Map<number, number>();
  /** By process, block and generation: what is mapped. */
  readonly #mapped = new Map<string, StoreLocation>();
  #seen = 0;

  constructor(store: Driver) {
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
    step: Step & { readonly kind: "seal" | "abandon" | "free" | "pin" | "unpin" },
    { location, writer }: { readonly location: StoreLocation; readonly writer: number },
  ): void {
    const { block, generation } = location;
    if (step.kind === "free") this.store.send({ kind: "free", block, generation });
    else if (step.kind === "seal" || step.kind === "abandon") {
      this.store.send({ kind: step.kind, process: writer, block, generation });
    } else if (step.kind === "pin") {
      const ticket = this.store.pin(step.process, location, step.mapped);
      if (step.mapped) this.#pins.set(ticket, step.process);
    } else {
      if (step.mapped && step.times > 0) this.#mapped.delete(nameOf(step.process, location));
      for (let i = 0; i < step.times; i++) this.store.unpin(step.process, location, step.mapped);
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
          expect(apart, "pages that are mapped were given to another block").toBe(true); // (I2)
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
        const store = new Driver({ prefaultBytes: prefaultPages * page, diskLimitBytes: 24 * page });
        const processes = new Processes(store);
        for (const step of list) processes.do(step);
        store.finishAll();
        for (const request of processes.asked) {
          if (!store.answers.has(request.ticket)) store.send({ kind: "cancel", ...request });
          if (!processes.dead.has(request.process)) expect(store.answers.has(request.ticket)).toBe(true); // (S6)
        }
        for (let number = 1; number <= lastProcess; number++) processes.die(number);
        store.finishAll();
        const { blocks, usedBytes, diskBytes, waiting } = store.machine.stats();
        const nothing = { blocks: 0, usedBytes: 0, diskBytes: 0, waiting: 0 };
        expect({ blocks, usedBytes, diskBytes, waiting }).toEqual(nothing);
      }),
      { numRuns: 500 },
    );
  });
});
