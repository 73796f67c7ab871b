import { type Block, placeOf } from "./store-blocks.ts";
import type { DiskPlace, StoreInstruction, StoreOptions, StoreStats } from "./store-events.ts";

/** Which blocks have a copy on disk, or get one, and how many bytes those are. */
export class StoreDisk {
  readonly #limitBytes: number;
  #bytes = 0;
  #spilledBytes = 0;
  #restoredBytes = 0;

  constructor({ diskLimitBytes }: StoreOptions) {
    this.#limitBytes = diskLimitBytes;
  }

  /** On disk, or being written. */
  get bytes(): number {
    return this.#bytes;
  }

  get roomBytes(): number {
    return this.#limitBytes - this.#bytes;
  }

  /** Bytes now; written and read back since the start. */
  stats(): Pick<StoreStats, "diskBytes" | "spilledBytes" | "restoredBytes"> {
    return {
      diskBytes: this.#bytes,
      spilledBytes: this.#spilledBytes,
      restoredBytes: this.#restoredBytes,
    };
  }

  spill(block: Block, out: StoreInstruction[]): void {
    block.state = "spilling";
    this.#bytes += block.sizeBytes;
    out.push({ kind: "spill", ...placeOf(block) });
  }

  /** The copy is complete; the block is in memory too. */
  spilled(block: Block, disk: DiskPlace): void {
    block.disk = disk;
    block.state = "memory";
    this.#spilledBytes += block.sizeBytes;
  }

  spillFailed(block: Block): void {
    block.state = "memory";
    this.#bytes -= block.sizeBytes;
  }

  restore(block: Block, disk: DiskPlace, out: StoreInstruction[]): void {
    block.state = "restoring";
    out.push({ kind: "restore", ...placeOf(block), disk });
  }

  /** The block is in memory again; its copy stays. */
  restored(block: Block): void {
    block.state = "memory";
    this.#restoredBytes += block.sizeBytes;
  }

  forget(block: Block, out: StoreInstruction[]): void {
    if (block.disk === undefined) return;
    out.push({ kind: "forget", disk: block.disk, bytes: block.sizeBytes });
    this.#bytes -= block.sizeBytes;
    block.disk = undefined;
  }
}
