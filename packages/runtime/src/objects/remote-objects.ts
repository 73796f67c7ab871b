import type { StoreLocation } from "@iono/core";

/** What a copy is wanted for: what somebody reads comes before arguments of a task that has not begun. */
export type FetchPurpose = "argument" | "read";

/** Objects of other nodes, as a process reaches them: through its agent, which has `Transfers`. */
export interface RemoteObjects {
  /**
   * Resolves once the object is held at its home for this process, until `release`. Rejects with ObjectLost, ObjectFreed.
   * `hold` and `release` of one object reach its home in the order of the calls.
   */
  hold(location: StoreLocation): Promise<void>;
  release(location: StoreLocation): void;
  /**
   * Brings a copy into the store of this node. Resolves to its location there, held for this process.
   * Rejects with ObjectLost, ObjectFreed, ObjectStoreFull, OutOfDisk.
   */
  fetch(location: StoreLocation, purpose: FetchPurpose): Promise<StoreLocation>;
  /** Takes the object from everyone. */
  free(location: StoreLocation): void;
}
