import type { BlockName, StoreEvent, StoreInstruction, StoreLocation } from "@iono/core";
import type { SegmentView } from "../platform/platform.ts";
import { refusalError } from "./refusal.ts";
import { storeHostProcess } from "./store-protocol.ts";

export type StoreAnswer = StoreInstruction & { readonly kind: "granted" | "refused" };

/** A request that may be given up; its answer is due nevertheless. */
export interface StoreRequest {
  readonly answer: Promise<StoreAnswer>;
  cancel(): void;
}

/** Nobody: a copy is held for those who wait for it, once it is whole. */
const noProcess = -1;

/** The store as the agent itself uses it, to receive objects from other nodes and to send them there. Never blocks. */
export class LocalStore {
  readonly #handle: (event: StoreEvent) => void;
  readonly #view: SegmentView;
  readonly #waiting = new Map<number, (answer: StoreAnswer) => void>();
  /** How often each block is pinned here; the machine knows only whether it is. */
  readonly #pins = new Map<string, number>();
  #nextTicket = 1;
  #isClosed = false;

  constructor(handle: (event: StoreEvent) => void, view: SegmentView) {
    this.#handle = handle;
    this.#view = view;
  }

  /** Takes a block for an object that arrives in pieces; `seal` or `abandon` it. Rejects when there is no room and none comes. */
  async allocate(sizeBytes: number, pinnedFor: number): Promise<StoreLocation> {
    return located(await this.#allocate(sizeBytes, pinnedFor, false).answer);
  }

  /** Takes a block for a copy of another node's object. */
  allocateCopy(sizeBytes: number): StoreRequest {
    return this.#allocate(sizeBytes, noProcess, true);
  }

  /** Writes a piece of a block that was allocated here. `at` counts from the block's start. */
  write(location: StoreLocation, at: number, bytes: Uint8Array): void {
    checkRange(location, at, bytes.byteLength);
    this.#view.write(location.offset + at, bytes, false);
  }

  seal({ block, generation }: BlockName): void {
    this.#handle({ kind: "seal", process: storeHostProcess, block, generation });
  }

  abandon({ block, generation }: BlockName): void {
    this.#handle({ kind: "abandon", process: storeHostProcess, block, generation });
  }

  /** Brings an object into memory and keeps it there until `unpin`, once for each. Resolves to where it is now. */
  async pin(location: StoreLocation): Promise<StoreLocation> {
    return located(await this.askPin(location).answer);
  }

  /** Like `pin`. What is refused is not pinned. */
  askPin(name: BlockName): StoreRequest {
    const { block, generation } = name;
    this.#pins.set(nameOf(name), (this.#pins.get(nameOf(name)) ?? 0) + 1);
    const pin = { kind: "pin", process: storeHostProcess, block, generation, mapped: true } as const;
    const { answer, cancel } = this.#ask((ticket) => ({ ...pin, ticket }));
    const settled = answer.then((each) => {
      if (each.kind === "refused") this.unpin(name);
      return each;
    });
    return { answer: settled, cancel };
  }

  /** Holds an object for a process, of this node or another. */
  holdFor({ block, generation }: BlockName, holder: number): Promise<StoreAnswer> {
    const pin = { kind: "pin", process: storeHostProcess, block, generation, mapped: false, holder } as const;
    return this.#ask((ticket) => ({ ...pin, ticket })).answer;
  }

  /** `StoreServer.onGone` is called when the object is gone. */
  watch({ block, generation }: BlockName): void {
    this.#handle({ kind: "watch", block, generation });
  }

  /** A copy is good for nobody any more: it goes with its last pin. */
  disown({ block, generation }: BlockName): void {
    this.#handle({ kind: "disown", block, generation });
  }

  /** Undoes `holdFor`. */
  letGo({ block, generation }: BlockName, holder: number): void {
    this.#handle({ kind: "unpin", process: holder, block, generation, mapped: false });
  }

  /** Copies a piece of a pinned object. `at` counts from the block's start. */
  read(location: StoreLocation, at: number, target: Uint8Array): void {
    checkRange(location, at, target.byteLength);
    this.#view.read(location.offset + at, target);
  }

  unpin(name: BlockName): void {
    const { block, generation } = name;
    const left = (this.#pins.get(nameOf(name)) ?? 0) - 1;
    if (left > 0) this.#pins.set(nameOf(name), left);
    else if (this.#pins.delete(nameOf(name))) {
      this.#handle({ kind: "unpin", process: storeHostProcess, block, generation, mapped: true });
    }
  }

  answer(answer: StoreAnswer): void {
    const resolve = this.#waiting.get(answer.ticket);
    this.#waiting.delete(answer.ticket);
    resolve?.(answer);
  }

  /** What was asked for is refused as "lost". */
  close(): void {
    this.#isClosed = true;
    for (const [ticket, resolve] of this.#waiting)
      resolve({ kind: "refused", process: storeHostProcess, ticket, reason: "lost" });
    this.#waiting.clear();
    this.#view.close();
  }

  #allocate(sizeBytes: number, pinnedFor: number, isCopy: boolean): StoreRequest {
    const request = { kind: "allocate", process: storeHostProcess, sizeBytes, pinnedFor, isCopy } as const;
    return this.#ask((ticket) => ({ ...request, ticket, patient: true }));
  }

  #ask(event: (ticket: number) => StoreEvent): StoreRequest {
    const ticket = this.#nextTicket++;
    if (this.#isClosed) {
      const refused = { kind: "refused", process: storeHostProcess, ticket, reason: "lost" } as const;
      return { answer: Promise.resolve(refused), cancel: () => {} };
    }
    const answer = new Promise<StoreAnswer>((resolve) => {
      this.#waiting.set(ticket, resolve);
      this.#handle(event(ticket));
    });
    return {
      answer,
      cancel: () => this.#handle({ kind: "cancel", process: storeHostProcess, ticket }),
    };
  }
}

function located(answer: StoreAnswer): StoreLocation {
  if (answer.kind === "granted") return answer.location;
  throw refusalError(answer.reason);
}

function checkRange(location: StoreLocation, at: number, bytes: number): void {
  if (at < 0 || at + bytes > location.size)
    throw new RangeError(`${at}+${bytes} is outside an object of ${location.size} bytes`);
}

function nameOf({ block, generation }: BlockName): string {
  return `${block}.${generation}`;
}
