import { storePageBytes } from "./store-events.ts";
import type { DiskPlace } from "./store-events.ts";

export type BlockState =
  /** Pages are being committed, for a writer or for a restore. */
  | "committing"
  | "writing"
  | "memory"
  /** In memory, and being copied to disk. */
  | "spilling"
  /** On disk only; maybe queued for restoring. */
  | "disk"
  | "restoring"
  /** Its bytes are gone; the slot remains while someone holds it. */
  | "lost";

/** Names a request until it is answered. */
export interface Ticket {
  readonly process: number;
  readonly ticket: number;
}

export function sameTicket(a: Ticket | undefined, b: Ticket): boolean {
  return a !== undefined && a.process === b.process && a.ticket === b.ticket;
}

/** One object of the store. */
export interface Block {
  /** The node of the store. */
  readonly node: number;
  readonly slot: number;
  readonly generation: number;
  readonly sizeBytes: number;
  readonly pages: number;
  /** The process that writes it. */
  readonly writer: number;
  /** The request that asked for it, until granted. */
  ticket: Ticket | undefined;
  state: BlockState;
  /** -1 when not in memory. */
  startPage: number;
  /** Processes that hold the object, and those that map its pages. */
  readonly holds: Set<number>;
  readonly maps: Set<number>;
  /** Pins that wait for the bytes. Their processes are in `maps` already. */
  waiting: Ticket[];
  /** The machine's tick when it was sealed, pinned or restored last. */
  lastUse: number;
  disk: DiskPlace | undefined;
  /** Freed explicitly: pins are refused. */
  freed: boolean;
  /** It can be had again from another node: it stays, unpinned, while there is room, and is never written to disk then. */
  isCopy: boolean;
  /** Its end is to be told. */
  isWatched: boolean;
}

/** Which bytes of the store's file a block in memory has. */
export function placeOf({ slot, generation, startPage, sizeBytes }: Block): {
  readonly block: number;
  readonly generation: number;
  readonly offset: number;
  readonly bytes: number;
} {
  return { block: slot, generation, offset: startPage * storePageBytes, bytes: sizeBytes };
}

/** A process has ended: it holds, maps and waits for nothing any more. */
export function letGo(block: Block, process: number): void {
  block.holds.delete(process);
  block.maps.delete(process);
  block.waiting = block.waiting.filter((ticket) => ticket.process !== process);
  if (block.ticket?.process === process) block.ticket = undefined;
}

/** Where the bytes of an object are; undefined when they are nowhere. */
export function whereIs(block: Block | undefined): "memory" | "disk" | undefined {
  if (block === undefined || block.freed || block.state === "lost") return undefined;
  return block.state === "disk" || block.state === "restoring" ? "disk" : "memory";
}

/** Blocks by slot. A slot is used again, under the next generation. */
export class BlockTable implements Iterable<Block> {
  readonly #blocks: (Block | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];

  get size(): number {
    return this.#blocks.length - this.#freeSlots.length;
  }

  /** Pages of memory that blocks have. */
  get usedPages(): number {
    let pages = 0;
    for (const block of this) if (block.startPage >= 0) pages += block.pages;
    return pages;
  }

  find(slot: number, generation: number): Block | undefined {
    const block = this.#blocks[slot];
    return block?.generation === generation ? block : undefined;
  }

  add(
    request: Pick<Block, "node" | "sizeBytes" | "pages" | "holds" | "isCopy"> & { readonly ticket: Ticket },
    tick: number,
  ): Block {
    const slot = this.#freeSlots.pop() ?? this.#blocks.length;
    const generation = ((this.#generations[slot] ?? 0) % 0xffff_ffff) + 1;
    this.#generations[slot] = generation;
    const block: Block = {
      node: request.node,
      slot,
      generation,
      sizeBytes: request.sizeBytes,
      pages: request.pages,
      writer: request.ticket.process,
      ticket: request.ticket,
      state: "committing",
      startPage: -1,
      holds: request.holds,
      maps: new Set(),
      waiting: [],
      lastUse: tick,
      disk: undefined,
      freed: false,
      isCopy: request.isCopy,
      isWatched: request.isCopy,
    };
    this.#blocks[slot] = block;
    return block;
  }

  /** Takes back a request for a new block or a pin that waits for bytes; false when there is none. */
  cancel(ticket: Ticket): boolean {
    for (const block of this) {
      const pin = block.waiting.findIndex((waiting) => sameTicket(waiting, ticket));
      if (pin < 0 && !sameTicket(block.ticket, ticket)) continue;
      if (pin >= 0) block.waiting.splice(pin, 1);
      else block.ticket = undefined; // its pages are free once they are committed
      return true;
    }
    return false;
  }

  remove(block: Block): void {
    this.#blocks[block.slot] = undefined;
    this.#freeSlots.push(block.slot);
  }

  *[Symbol.iterator](): IterableIterator<Block> {
    for (const block of this.#blocks) if (block !== undefined) yield block;
  }
}
