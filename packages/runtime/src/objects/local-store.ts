import { IonoError, type StoreEvent, type StoreInstruction, type StoreLocation } from "@iono/core";
import type { SegmentView } from "../platform/platform.ts";
import { refusalError } from "./refusal.ts";
import { storeHostProcess } from "./store-protocol.ts";

type Granted = StoreInstruction & { kind: "granted" };

/** The store as the agent itself uses it, to receive objects from other nodes and to send them there. Never blocks. */
export class LocalStore {
  readonly #handle: (event: StoreEvent) => void;
  readonly #view: SegmentView;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (granted: Granted) => void; readonly reject: (error: IonoError) => void }
  >();
  /** How often each block is pinned here; the machine knows only whether it is. */
  readonly #pins = new Map<string, number>();
  #nextTicket = 1;

  constructor(handle: (event: StoreEvent) => void, view: SegmentView) {
    this.#handle = handle;
    this.#view = view;
  }

  /** Takes a block for an object that arrives in pieces; `seal` or `abandon` it. Rejects when there is no room and none comes. */
  async allocate(sizeBytes: number, pinnedFor: number): Promise<StoreLocation> {
    return (
      await this.#ask((ticket) => ({
        kind: "allocate",
        process: storeHostProcess,
        ticket,
        sizeBytes,
        pinnedFor,
        patient: true,
      }))
    ).location;
  }

  /** Writes a piece of a block that was allocated here. `at` counts from the block's start. */
  write(location: StoreLocation, at: number, bytes: Uint8Array): void {
    checkRange(location, at, bytes.byteLength);
    this.#view.write(location.offset + at, bytes, false);
  }

  seal(location: StoreLocation): void {
    this.#handle({
      kind: "seal",
      process: storeHostProcess,
      block: location.block,
      generation: location.generation,
    });
  }

  abandon(location: StoreLocation): void {
    this.#handle({
      kind: "abandon",
      process: storeHostProcess,
      block: location.block,
      generation: location.generation,
    });
  }

  /** Brings an object into memory and keeps it there until `unpin`, once for each. Resolves to where it is now. */
  async pin(location: StoreLocation): Promise<StoreLocation> {
    const { block, generation } = location;
    this.#pins.set(nameOf(location), (this.#pins.get(nameOf(location)) ?? 0) + 1);
    try {
      const pin = { kind: "pin", process: storeHostProcess, block, generation, mapped: true } as const;
      return (await this.#ask((ticket) => ({ ...pin, ticket }))).location;
    } catch (error) {
      this.unpin(location);
      throw error;
    }
  }

  /** Copies a piece of a pinned object. `at` counts from the block's start. */
  read(location: StoreLocation, at: number, target: Uint8Array): void {
    checkRange(location, at, target.byteLength);
    this.#view.read(location.offset + at, target);
  }

  unpin(location: StoreLocation): void {
    const { block, generation } = location;
    const left = (this.#pins.get(nameOf(location)) ?? 0) - 1;
    if (left > 0) this.#pins.set(nameOf(location), left);
    else if (this.#pins.delete(nameOf(location))) {
      this.#handle({ kind: "unpin", process: storeHostProcess, block, generation, mapped: true });
    }
  }

  answer(answer: StoreInstruction & { kind: "granted" | "refused" }): void {
    const waiting = this.#waiting.get(answer.ticket);
    this.#waiting.delete(answer.ticket);
    if (answer.kind === "granted") waiting?.resolve(answer);
    else waiting?.reject(refusalError(answer.reason));
  }

  close(): void {
    for (const { reject } of this.#waiting.values())
      reject(new IonoError("ShutDown", "the object store is closed"));
    this.#waiting.clear();
    this.#view.close();
  }

  #ask(event: (ticket: number) => StoreEvent): Promise<Granted> {
    const ticket = this.#nextTicket++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, { resolve, reject });
      this.#handle(event(ticket));
    });
  }
}

function checkRange(location: StoreLocation, at: number, bytes: number): void {
  if (at < 0 || at + bytes > location.size)
    throw new RangeError(`${at}+${bytes} is outside an object of ${location.size} bytes`);
}

function nameOf({ block, generation }: StoreLocation): string {
  return `${block}.${generation}`;
}
