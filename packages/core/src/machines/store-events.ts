import type { StoreLocation } from "../protocol/payload.ts";

/** Memory is given out in whole pages of so many bytes. */
export const storePageBytes = 4096;

/** What the store machine is told and what it asks for. All sizes in bytes, all offsets in bytes of the store's file. */

export interface StoreOptions {
  /** The node it is the store of. */
  readonly node: number;
  /** Most bytes of memory the store may commit. */
  readonly capacityBytes: number;
  /** Length of the sparse file; many times the capacity, so that some range of it is always long enough. */
  readonly segmentBytes: number;
  /** Most bytes on disk. */
  readonly diskLimitBytes: number;
  /** Memory committed in advance while the store grows; 0 = none. */
  readonly prefaultBytes: number;
  /** At least this much is spilled at a time. */
  readonly spillBatchBytes: number;
  /** Most objects, in memory and on disk. */
  readonly maxBlocks: number;
}

/** Where a spilled block lies: in a file that many blocks share. */
export interface DiskPlace {
  readonly file: number;
  readonly position: number;
  readonly checksum: number;
}

export interface BlockName {
  readonly block: number;
  readonly generation: number;
}

export type StoreEvent =
  | { readonly kind: "admitted" | "died"; readonly process: number }
  /**
   * `patient`: wait for room, spilling what is cold; else the answer is "full".
   * `warm`: only pages that were used before; else the answer is "full".
   * `pinnedFor` holds the block from the start, if that process is alive. `isCopy`: of an object of another node.
   */
  | {
      readonly kind: "allocate";
      readonly process: number;
      readonly ticket: number;
      readonly sizeBytes: number;
      readonly pinnedFor: number;
      readonly patient: boolean;
      readonly warm?: boolean;
      readonly isCopy?: boolean;
    }
  /** The asker waits no longer. A pin that was waited for must be unpinned as well. */
  | { readonly kind: "cancel"; readonly process: number; readonly ticket: number }
  /** The writer has written: the block is immutable from now on. */
  | ({ readonly kind: "seal"; readonly process: number } & BlockName)
  /** The writer could not write. */
  | ({ readonly kind: "abandon"; readonly process: number } & BlockName)
  /**
   * `mapped`: the bytes stay in memory, in place, until unpinned; else only the object stays, perhaps on disk.
   * `holder`: who holds it, when that is not who asks.
   */
  | ({
      readonly kind: "pin";
      readonly process: number;
      readonly ticket: number;
      readonly mapped: boolean;
      readonly holder?: number;
    } & BlockName)
  | ({ readonly kind: "unpin"; readonly process: number; readonly mapped: boolean } & BlockName)
  /** Takes the object from everyone who holds it. Those who map it keep their mapping. */
  | ({ readonly kind: "free" } & BlockName)
  /** Say when the object is gone. Copies are watched from the start. */
  | ({ readonly kind: "watch" } & BlockName)
  /** A copy is good for nobody any more: it goes with its last pin. */
  | ({ readonly kind: "disown" } & BlockName)
  | { readonly kind: "committed" | "commitFailed"; readonly commit: number }
  | ({ readonly kind: "spilled"; readonly disk: DiskPlace } & BlockName)
  | { readonly kind: "spillFailed"; readonly blocks: readonly BlockName[] }
  | ({ readonly kind: "restored" | "restoreFailed" } & BlockName);

/**
 * full: no room (now, or until the asker gave up). neverFits: larger than the store. outOfDisk: room needs spilling and
 * the disk is full. stale: no such block any more. freed: freed explicitly. lost: its bytes are gone.
 */
export type RefusalReason = "full" | "neverFits" | "outOfDisk" | "stale" | "freed" | "lost";

export type StoreInstruction =
  /** `fresh`: the pages were committed just now. */
  | {
      readonly kind: "granted";
      readonly process: number;
      readonly ticket: number;
      readonly location: StoreLocation;
      readonly fresh: boolean;
    }
  | {
      readonly kind: "refused";
      readonly process: number;
      readonly ticket: number;
      readonly reason: RefusalReason;
    }
  /** Allocate pages of the file. Commits and releases are carried out one after the other, in order. */
  | {
      readonly kind: "commit";
      readonly commit: number;
      readonly offset: number;
      readonly bytes: number;
      readonly prefault: boolean;
    }
  /** Make a hole in the file. */
  | { readonly kind: "release"; readonly offset: number; readonly bytes: number }
  | ({ readonly kind: "spill"; readonly offset: number; readonly bytes: number } & BlockName)
  | ({
      readonly kind: "restore";
      readonly offset: number;
      readonly bytes: number;
      readonly disk: DiskPlace;
    } & BlockName)
  | { readonly kind: "forget"; readonly disk: DiskPlace; readonly bytes: number }
  /** A watched object was let go, freed or lost, or did not exist. */
  | ({ readonly kind: "gone" } & BlockName)
  /** A request cannot be met by spilling: other processes should collect their garbage. */
  | { readonly kind: "pressure" };

export interface StoreStats {
  readonly capacityBytes: number;
  /** The capacity, or less after the system refused pages. */
  readonly limitBytes: number;
  readonly committedBytes: number;
  readonly usedBytes: number;
  readonly warmBytes: number;
  /** Of copies that nobody pins. */
  readonly cachedBytes: number;
  readonly diskBytes: number;
  /** Ever spilled and restored. */
  readonly spilledBytes: number;
  readonly restoredBytes: number;
  readonly blocks: number;
  readonly waiting: number;
  /** Changes whenever something was freed or restored. */
  readonly progress: number;
}
