import { formatNumberedId, IonoError, type StoreLocation } from "@iono/core";
import { HandleTable, type StoreHandle } from "./handles.ts";
import type { FetchPurpose, RemoteObjects } from "./remote-objects.ts";

const mebibyte = 1024 * 1024;
/** What this process holds elsewhere costs its own node nothing; yet the other wants its room back. */
const thresholds = { baseBytes: 256 * mebibyte, busyBytes: 1024 * mebibyte, maxBytes: 16 * 1024 * mebibyte };

export interface RemoteHoldsOptions {
  /** How other nodes' objects are reached. */
  readonly objects: RemoteObjects;
  /** A hold that must be noted before this process answers whoever sent the location. */
  expect(registration: Promise<void>): void;
}

/**
 * Objects of other nodes that this process holds at their homes, and the copies it asks for. Its node knows only whether
 * it holds one (I4); how often is counted here.
 */
export class RemoteHolds {
  readonly #options: RemoteHoldsOptions | undefined;
  readonly #counts = new Map<string, number>();
  readonly #fetching = new Map<string, Promise<StoreHandle>>();
  readonly #handles = new HandleTable(thresholds);

  constructor(options: RemoteHoldsOptions | undefined) {
    this.#options = options;
  }

  /** Holds the object once more. */
  pin(location: StoreLocation): void {
    const key = keyOf(location);
    const count = this.#counts.get(key) ?? 0;
    if (count === 0) {
      const { objects, expect } = this.#reach(location);
      // What cannot be held is missed by whoever reads it.
      expect(objects.hold(location).catch(() => {}));
    }
    this.#counts.set(key, count + 1);
  }

  /** Undoes one `pin` or adoption. */
  unpin(location: StoreLocation): void {
    const key = keyOf(location);
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else if (this.#counts.delete(key)) this.#options?.objects.release(location);
  }

  /** Holds the object while the handle lives. */
  hold(location: StoreLocation): StoreHandle {
    this.pin(location);
    return this.#handle(location);
  }

  /** The same for an object that somebody else has held for this process. */
  adopt(location: StoreLocation): StoreHandle {
    const key = keyOf(location);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return this.#handle(location);
  }

  free(location: StoreLocation): void {
    this.#options?.objects.free(location);
  }

  /**
   * A copy on this node, held by the handle that `adopt` makes of its location. Asked for once by those who want it at the
   * same time. Rejects with ObjectLost, ObjectFreed, ObjectStoreFull, OutOfDisk.
   */
  fetch(
    location: StoreLocation,
    purpose: FetchPurpose,
    adopt: (copy: StoreLocation) => StoreHandle,
  ): Promise<StoreHandle> {
    const key = keyOf(location);
    const known = this.#fetching.get(key);
    if (known !== undefined) return known;
    const fetching = this.#reach(location)
      .objects.fetch(location, purpose)
      .then(adopt)
      .finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  collect(): void {
    this.#handles.collect();
  }

  #handle(location: StoreLocation): StoreHandle {
    return this.#handles.create(location, false, () => this.unpin(location));
  }

  #reach(location: StoreLocation): RemoteHoldsOptions {
    if (this.#options !== undefined) return this.#options;
    const node = formatNumberedId("node", location.node);
    throw new IonoError("Unreachable", `this process has no way to the objects of ${node}`);
  }
}

function keyOf({ node, block, generation }: StoreLocation): string {
  return `${node}.${block}.${generation}`;
}
