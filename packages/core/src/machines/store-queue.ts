import { type Block, type Ticket, sameTicket } from "./store-blocks.ts";

/** A request that waits for memory: for a new block, or to bring a block back from disk. */
export type Wait =
  | {
      readonly kind: "allocate";
      readonly ticket: Ticket;
      readonly sizeBytes: number;
      readonly pages: number;
      readonly pinnedFor: number;
      readonly isCopy: boolean;
    }
  | { readonly kind: "restore"; readonly block: Block; readonly pages: number };

/** The first one is passed by others at most so often, then they wait behind it. */
const passLimit = 64;

/** Requests that wait for memory, first come, first served as long as that is possible. */
export class WaitQueue {
  readonly #waits: Wait[] = [];
  #firstPassed = 0;

  get length(): number {
    return this.#waits.length;
  }

  /** True when nobody may pass the first one any more. */
  get isStrict(): boolean {
    return this.#firstPassed >= passLimit;
  }

  at(index: number): Wait {
    return this.#waits[index];
  }

  push(wait: Wait): void {
    this.#waits.push(wait);
  }

  /** Queues a block for restoring, once. */
  pushRestore(block: Block): void {
    if (this.#waits.some((wait) => wait.kind === "restore" && wait.block === block)) return;
    this.push({ kind: "restore", block, pages: block.pages });
  }

  /** Takes out the one that has been served. */
  serve(index: number): void {
    if (index > 0) this.#firstPassed++;
    this.remove(index);
  }

  remove(index: number): void {
    this.#waits.splice(index, 1);
    if (index === 0) this.#firstPassed = 0;
  }

  shift(): Wait | undefined {
    const [first] = this.#waits;
    if (first !== undefined) this.remove(0);
    return first;
  }

  /** True if the ticket waited for a new block. */
  removeTicket(ticket: Ticket): boolean {
    return this.#removeWhere((wait) => wait.kind === "allocate" && sameTicket(wait.ticket, ticket));
  }

  removeRestore(block: Block): void {
    this.#removeWhere((wait) => wait.kind === "restore" && wait.block === block);
  }

  removeProcess(process: number): void {
    this.#removeWhere((wait) => wait.kind === "allocate" && wait.ticket.process === process);
  }

  #removeWhere(matches: (wait: Wait) => boolean): boolean {
    const before = this.#waits.length;
    for (let i = before - 1; i >= 0; i--) if (matches(this.#waits[i])) this.remove(i);
    return this.#waits.length < before;
  }
}
