import type { StoreLocation } from "../protocol/payload.ts";
import { storePageBytes } from "./store-events.ts";
import type { RefusalReason, StoreEvent, StoreInstruction, StoreOptions } from "./store-events.ts";
import { StoreMachine } from "./store.ts";

export const page = storePageBytes;
const options: StoreOptions = {
  node: 0,
  capacityBytes: 16 * page,
  segmentBytes: 256 * page,
  diskLimitBytes: 64 * page,
  prefaultBytes: 0,
  spillBatchBytes: 0,
  maxBlocks: 1000,
};

/** Drives a machine and does what it asks for, at once or when told to. */
export class StoreDriver {
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
        if (this.answers.has(instruction.ticket))
          throw new Error(`ticket ${instruction.ticket} is answered twice`);
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

  allocate(
    process: number,
    pages: number,
    { pinnedFor = process, patient = false, isCopy = false } = {},
  ): number {
    const ticket = this.#nextTicket++;
    const sizeBytes = pages * page;
    this.send({ kind: "allocate", process, ticket, sizeBytes, pinnedFor, patient, isCopy });
    return ticket;
  }

  pin(process: number, location: StoreLocation, mapped = true, holder = process): number {
    const ticket = this.#nextTicket++;
    this.send({
      kind: "pin",
      process,
      ticket,
      block: location.block,
      generation: location.generation,
      mapped,
      holder,
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
