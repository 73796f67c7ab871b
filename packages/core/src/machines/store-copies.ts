import type { Block, BlockTable } from "./store-blocks.ts";
import { storePageBytes, type StoreStats } from "./store-events.ts";
import type { StoreMemory } from "./store-memory.ts";

/** Copies that nobody pins keep at most one part in so many of the store. */
const cacheShare = 4;

/**
 * Copies of other nodes' objects that nobody pins, the one that has been so for longest first. They make room before
 * anything is written to disk, and together stay below a part of the store.
 */
export class CopyCache {
  readonly #limitPages: number;
  readonly #blocks = new Set<Block>();
  #pages = 0;

  constructor(capacityPages: number) {
    this.#limitPages = Math.floor(capacityPages / cacheShare);
  }

  get pages(): number {
    return this.#pages;
  }

  /** The next one to go. */
  get first(): Block | undefined {
    for (const block of this.#blocks) return block;
    return undefined;
  }

  /** The next one to go while they are too many. */
  get excess(): Block | undefined {
    return this.#pages > this.#limitPages ? this.first : undefined;
  }

  has(block: Block): boolean {
    return this.#blocks.has(block);
  }

  add(block: Block): void {
    if (this.#blocks.has(block)) return;
    this.#blocks.add(block);
    this.#pages += block.pages;
  }

  delete(block: Block): void {
    if (this.#blocks.delete(block)) this.#pages -= block.pages;
  }

  [Symbol.iterator](): Iterator<Block> {
    return this.#blocks.values();
  }
}

/** How the memory of a store is used. */
export function memoryStats(
  memory: StoreMemory<Block>,
  blocks: BlockTable,
  copies: CopyCache,
): Pick<StoreStats, "limitBytes" | "committedBytes" | "usedBytes" | "warmBytes" | "cachedBytes"> {
  return {
    limitBytes: memory.limitPages * storePageBytes,
    committedBytes: memory.committedPages * storePageBytes,
    usedBytes: blocks.usedPages * storePageBytes,
    warmBytes: memory.warm.total * storePageBytes,
    cachedBytes: copies.pages * storePageBytes,
  };
}
