import type { Block } from "./store-blocks.ts";
import type { StoreDisk } from "./store-disk.ts";
import { storePageBytes } from "./store-events.ts";
import type { StoreMemory } from "./store-memory.ts";

interface SpillView {
  readonly blocks: Iterable<Block>;
  readonly memory: StoreMemory<Block>;
  readonly disk: StoreDisk;
  /** Pages that are wanted. */
  readonly pages: number;
  /** When something is written at all, it is at least so much. */
  readonly batchBytes: number;
}

interface SpillPlan {
  /**
   * now: enough leaves memory at once. soon: enough is on its way. never: too much is in use at present.
   * outOfDisk: it could be done, were there more disk.
   */
  readonly outcome: "now" | "soon" | "never" | "outOfDisk";
  /** Blocks whose copy on disk is still good: their pages are free at once. */
  readonly leave: readonly Block[];
  /** Blocks to write to disk. */
  readonly write: readonly Block[];
}

/** Chooses what leaves memory: the coldest blocks that nobody maps, and only if it is enough. */
export function planSpill({ blocks, memory, disk, pages: wanted, batchBytes }: SpillView): SpillPlan {
  let missing = memory.shortage(wanted);
  if (missing <= 0) return { outcome: "never", leave: [], write: [] }; // enough pages, but no range is long enough
  const batchPages = Math.floor(batchBytes / storePageBytes);
  let coming = false;
  const candidates: Block[] = [];
  for (const block of blocks) {
    if (block.maps.size > 0) continue; // (S2)
    if (block.state === "memory") candidates.push(block);
    if (block.state !== "spilling") continue;
    missing -= block.pages;
    coming = true;
  }
  for (const { owner, pages } of memory.commits) {
    const isWanted = owner !== undefined && (owner.ticket !== undefined || owner.disk !== undefined);
    if (isWanted) continue;
    missing -= pages; // committed in advance, or cancelled since: these come back as free pages
    coming = true;
  }
  if (missing <= 0) return { outcome: "soon", leave: [], write: [] };
  const candidatePages = candidates.reduce((pages, block) => pages + block.pages, 0);
  if (candidatePages < missing) return { outcome: "never", leave: [], write: [] };

  candidates.sort((a, b) => a.lastUse - b.lastUse);
  const leave: Block[] = [];
  const write: Block[] = [];
  let pages = 0;
  let diskRoom = disk.roomBytes;
  for (const block of candidates) {
    if (pages >= (write.length > 0 ? Math.max(missing, batchPages) : missing)) break;
    if (block.disk !== undefined) leave.push(block);
    else if (block.sizeBytes <= diskRoom) {
      diskRoom -= block.sizeBytes;
      write.push(block);
    } else continue;
    pages += block.pages;
  }
  if (pages < missing) return { outcome: "outOfDisk", leave: [], write: [] };
  return { outcome: coming || write.length > 0 ? "soon" : "now", leave, write };
}
