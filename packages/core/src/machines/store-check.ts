import { PageRanges } from "./page-ranges.ts";
import type { Block } from "./store-blocks.ts";
import type { CopyCache } from "./store-copies.ts";
import { storePageBytes } from "./store-events.ts";
import type { StoreOptions } from "./store-events.ts";
import type { StoreMemory } from "./store-memory.ts";

interface StoreState {
  readonly options: StoreOptions;
  readonly memory: StoreMemory<Block>;
  readonly blocks: Iterable<Block>;
  readonly copies: CopyCache;
  readonly processes: ReadonlySet<number>;
  readonly diskBytes: number;
}

const busyStates: readonly Block["state"][] = ["committing", "writing", "spilling", "restoring"];

/** Throws when an invariant of the store machine is broken. */
export function checkStore({ options, memory, blocks, copies, processes, diskBytes }: StoreState): void {
  const seen = new PageRanges(); // throws when a page is added twice (S1)
  for (const [start, pages] of memory.cold) seen.add(start, pages);
  const coldPages = seen.total;
  for (const [start, pages] of memory.warm) seen.add(start, pages);
  for (const { start, pages, owner } of memory.commits) if (owner === undefined) seen.add(start, pages);
  let disk = 0;
  let cached = 0;
  for (const block of blocks) {
    const name = `block ${block.slot} (${block.state})`;
    const inMemory = block.state !== "disk" && block.state !== "lost";
    assert(inMemory === block.startPage >= 0, `${name} starts at page ${block.startPage}`);
    if (inMemory) seen.add(block.startPage, block.pages);
    if (block.disk !== undefined || block.state === "spilling") disk += block.sizeBytes;
    assert(block.state !== "disk" || block.disk !== undefined, `${name} is on no disk`);
    const pinned = block.holds.size + block.maps.size > 0;
    const isCached = block.isCopy && !pinned && block.state === "memory";
    assert(
      copies.has(block) === isCached,
      `${name} is ${isCached ? "not" : "wrongly"} among the unpinned copies`,
    );
    const kept = pinned || isCached || busyStates.includes(block.state);
    if (isCached) cached += block.pages;
    assert(kept, `${name} is kept for nobody`); // (S3)
    for (const { process } of block.waiting)
      assert(block.maps.has(process), `${name}: ${process} waits unpinned`);
    for (const process of block.holds)
      assert(processes.has(process), `${name} is held by the dead ${process}`);
    for (const process of block.maps)
      assert(processes.has(process), `${name} is mapped by the dead ${process}`);
  }
  assert(seen.total === Math.floor(options.segmentBytes / storePageBytes), "pages are missing"); // (S1)
  const committed = seen.total - coldPages;
  assert(
    committed === memory.committedPages,
    `${committed} pages are committed, not ${memory.committedPages}`,
  );
  assert(committed <= memory.limitPages, `${committed} pages are committed, of at most ${memory.limitPages}`); // (S4)
  assert(copies.pages === cached, `${copies.pages} pages are of unpinned copies, not ${cached}`);
  assert(copies.excess === undefined, "unpinned copies have too much of the store");
  assert(disk === diskBytes, `${disk} bytes are on disk, not ${diskBytes}`);
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`store: ${message}`);
}
