import { IonoError, type StoreLocation, type TransferEvent, type TransferInstruction } from "@iono/core";
import type { LocalStore, StoreAnswer, StoreRequest } from "./local-store.ts";
import type { PieceWriter } from "./pieces.ts";

type BlockInstruction = Exclude<
  TransferInstruction,
  { kind: "message" | "grant" | "fail" | "ready" | "piece" }
>;

/** The bytes of a send, while it is under way. */
interface Opened {
  readonly block: number;
  readonly generation: number;
  readonly request: StoreRequest;
  /** Where they are now, once that is known. */
  location: StoreLocation | undefined;
  /** The pin has its answer; when that is yes, it is to be undone. */
  state: "asked" | "pinned" | "refused";
}

/** The blocks of this store that objects are received into and sent from. */
export class TransferBlocks {
  readonly #store: LocalStore;
  readonly #handle: (event: TransferEvent) => void;
  readonly #allocating = new Map<number, StoreRequest>();
  readonly #copies = new Map<number, StoreLocation>();
  readonly #opened = new Map<number, Opened>();

  constructor(store: LocalStore, handle: (event: TransferEvent) => void) {
    this.#store = store;
    this.#handle = handle;
  }

  /** Blocks that are kept in memory for sending, and those that are being received into. */
  get open(): number {
    return this.#opened.size + this.#allocating.size;
  }

  /** @param piece what arrived, for `write` */
  perform(instruction: BlockInstruction, piece: Uint8Array | undefined): void {
    switch (instruction.kind) {
      case "allocate":
        void this.#allocate(instruction.copy, instruction.sizeBytes);
        break;
      case "cancelAllocate":
        this.#allocating.get(instruction.copy)?.cancel();
        break;
      case "write":
        if (piece !== undefined)
          this.#store.write(this.#locationOf(instruction.copy), instruction.offset, piece);
        break;
      case "seal":
        this.#store.seal(this.#locationOf(instruction.copy));
        break;
      case "abandon":
        this.#store.abandon(this.#locationOf(instruction.copy));
        break;
      case "disown":
        this.#store.disown(this.#locationOf(instruction.copy));
        break;
      case "forget":
        this.#copies.delete(instruction.copy);
        break;
      case "open":
        void this.#open(instruction);
        break;
      case "cancelOpen":
        this.#opened.get(instruction.send)?.request.cancel();
        break;
      case "close":
        this.#close(instruction.send);
        break;
      case "watch":
        this.#store.watch(instruction);
        break;
    }
  }

  /** Holds a copy for a process. */
  hold(copy: number, process: number): Promise<StoreAnswer> {
    return this.#store.holdFor(this.#locationOf(copy), process);
  }

  read(piece: Extract<TransferInstruction, { kind: "piece" }>, into: PieceWriter): void {
    const location = this.#opened.get(piece.send)?.location;
    if (location === undefined) throw new IonoError("Internal", `send ${piece.send} reads what is not there`);
    into.add(this.#store, location, piece);
  }

  async #allocate(copy: number, sizeBytes: number): Promise<void> {
    const request = this.#store.allocateCopy(sizeBytes);
    this.#allocating.set(copy, request);
    const answer = await request.answer;
    this.#allocating.delete(copy);
    if (answer.kind === "refused") {
      this.#handle({ kind: "allocateFailed", copy, reason: answer.reason });
      return;
    }
    const { location } = answer;
    this.#copies.set(copy, location);
    this.#handle({ kind: "allocated", copy, block: location.block, generation: location.generation });
  }

  async #open({ send, copy, block, generation }: BlockInstruction & { kind: "open" }): Promise<void> {
    const request = this.#store.askPin({ block, generation });
    const location = copy === undefined ? undefined : this.#locationOf(copy);
    const opened: Opened = { block, generation, request, location, state: "asked" };
    this.#opened.set(send, opened);
    const answer = await request.answer;
    if (answer.kind === "refused") {
      opened.state = "refused";
      this.#handle({ kind: "openFailed", send, reason: answer.reason });
    } else if (this.#opened.get(send) !== opened) this.#store.unpin(opened); // closed meanwhile
    else {
      opened.state = "pinned";
      opened.location = answer.location;
      this.#handle({ kind: "opened", send, sizeBytes: answer.location.size });
    }
  }

  #close(send: number): void {
    const opened = this.#opened.get(send);
    this.#opened.delete(send);
    // One without an answer is unpinned when that comes.
    if (opened?.state === "pinned") this.#store.unpin(opened);
    if (opened?.state === "asked") opened.request.cancel();
  }

  #locationOf(copy: number): StoreLocation {
    const location = this.#copies.get(copy);
    if (location === undefined) throw new IonoError("Internal", `copy ${copy} has no block`);
    return location;
  }
}
