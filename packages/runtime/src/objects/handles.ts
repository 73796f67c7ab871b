import type { StoreLocation } from "@iono/core";
import { collectGarbage, liveObjects } from "./collect.ts";

/**
 * What this process holds in the store through garbage-collected objects: pins that refs stand for, and mappings.
 * Each has a small handle; when the handle is collected, the pin goes.
 */

interface HandleRecord {
  readonly id: number;
  readonly location: StoreLocation;
  readonly mapped: boolean;
  readonly release: () => void;
}

/** This process holds a pin on a block while this object lives, or until `release`. */
export class StoreHandle {
  readonly #records: HandleTable;
  readonly #id: number;
  readonly location: StoreLocation;

  constructor(records: HandleTable, id: number, location: StoreLocation) {
    this.#records = records;
    this.#id = id;
    this.location = location;
  }

  /** Lets go now. Repeating it is harmless. */
  release(): void {
    this.#records.release(this.#id);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  static idOf(handle: StoreHandle): number {
    return handle.#id;
  }
}

interface Thresholds {
  /** A collection is made when handles for so many bytes were created since the last one. */
  readonly baseBytes: number;
  /** As far as that grows for a process whose collections take too much of its time. */
  readonly busyBytes: number;
  /** As far as it grows for a process that keeps what it makes. */
  readonly maxBytes: number;
}

/** Blocking collections take at most one part in so many of a process's time. */
const collectionShare = 4;
/** Writing so much takes ten times as long as a collection; on fresh pages a hundred times. */
export const largeBytes = 256 * 1024 * 1024;
/** A collection by bytes is cheap when it takes at most one part in so many. */
const cheapShare = 10;

export class HandleTable {
  readonly #records = new Map<number, HandleRecord>();
  readonly #registry = new FinalizationRegistry<number>((id) => this.release(id));
  readonly #thresholds: Thresholds;
  #nextId = 1;
  #thresholdBytes: number;
  #createdBytes = 0;
  #releasedBytes = 0;
  #liveBytes = 0;
  /** Of `#liveBytes` what is held by pins: an object that is mapped as well counts once. */
  #pinnedBytes = 0;
  /** Pins by block, of large objects. */
  readonly #largePins = new Map<number, number>();
  #notBefore = 0;
  /** When the threshold was last passed; 0 before the first time. */
  #collectedAt = 0;
  /** Set from a collection until the next turn of the event loop. */
  #turn: NodeJS.Immediate | undefined;

  constructor(thresholds: Thresholds) {
    this.#thresholds = thresholds;
    this.#thresholdBytes = thresholds.baseBytes;
  }

  /** Bytes that handles of this process hold; an object held twice counts twice. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** @param release called once: when the handle is collected or released. */
  create(location: StoreLocation, mapped: boolean, release: () => void): StoreHandle {
    // Reading what this process pins as well brings no garbage that its pin did not.
    if (!mapped || !this.#pinsLarge(location)) this.#collectByBytes(location.size);
    const id = this.#nextId++;
    const handle = new StoreHandle(this, id, location);
    this.#records.set(id, { id, location, mapped, release });
    this.#liveBytes += location.size;
    if (!mapped) this.#pinned(location, 1);
    this.#registry.register(handle, id);
    return handle;
  }

  release(id: number): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    this.#records.delete(id);
    this.#liveBytes -= record.location.size;
    if (!record.mapped) this.#pinned(record.location, -1);
    this.#releasedBytes += record.location.size;
    record.release();
  }

  mappedLocations(): StoreLocation[] {
    return [...this.#records.values()].filter((record) => record.mapped).map((record) => record.location);
  }

  /**
   * Collects and releases what is dead, without a turn of the event loop. Returns the bytes released.
   * Does nothing when the last one was too short a time ago, unless `forced`.
   */
  collectBlocking(forced: boolean): number {
    const before = performance.now();
    if (this.#records.size === 0 || (before < this.#notBefore && !forced)) return 0;
    const live = new Set<number>();
    for (const handle of liveObjects(StoreHandle.prototype))
      live.add(StoreHandle.idOf(handle as StoreHandle));
    const liveBytes = this.#liveBytes;
    for (const id of [...this.#records.keys()]) if (!live.has(id)) this.release(id);
    const after = performance.now();
    const released = liveBytes - this.#liveBytes;
    // What found nothing is not repeated soon; what found much may be.
    this.#notBefore = released > 0 ? 0 : after + (after - before) * collectionShare;
    this.#createdBytes = 0;
    return released;
  }

  /** Starts a collection; its finalizers run in the next turn of the event loop. */
  collect(): void {
    this.#createdBytes = 0;
    // A second one before that turn would release nothing.
    if (this.#records.size === 0 || this.#turn !== undefined) return;
    collectGarbage();
    this.#turn = setImmediate(() => (this.#turn = undefined)).unref();
  }

  /**
   * So much is pinned that garbage is looked for before the store grows by another `bytes`. Three objects of one size may
   * take turns: the collection that comes with each finds those before the last, whose variables still hold it.
   */
  isBusyWith(bytes: number): boolean {
    const { busyBytes, maxBytes } = this.#thresholds;
    return this.#pinnedBytes + bytes > Math.max(busyBytes, Math.min(3 * bytes, maxBytes / 2));
  }

  #pinsLarge({ size, block }: StoreLocation): boolean {
    return size >= largeBytes && (this.#largePins.get(block) ?? 0) > 0;
  }

  #pinned({ size, block }: StoreLocation, change: 1 | -1): void {
    this.#pinnedBytes += change * size;
    if (size < largeBytes) return;
    const count = (this.#largePins.get(block) ?? 0) + change;
    if (count > 0) this.#largePins.set(block, count);
    else this.#largePins.delete(block);
  }

  #collectByBytes(bytes: number): void {
    this.#createdBytes += bytes;
    // Beside the writing of a large object a collection is nothing.
    if (bytes >= largeBytes && this.#turn === undefined) return this.collect();
    if (this.#createdBytes < this.#thresholdBytes) return;
    // A loop that never turns to its event loop runs no finalizers: there the collection has to look for itself.
    const blocking = this.#turn !== undefined;
    // What looks for itself takes long: a turn may yet come, until much has been made without one.
    if (blocking && this.#createdBytes < this.#thresholds.busyBytes) return;
    const began = performance.now();
    const released = blocking ? this.collectBlocking(false) : this.#releasedBytes;
    if (!blocking) this.collect();
    const ended = performance.now();
    const useful = this.#collectedAt === 0 || released * 4 >= this.#thresholdBytes;
    const cheap = (ended - began) * cheapShare <= began - this.#collectedAt;
    this.#collectedAt = ended;
    this.#releasedBytes = 0;
    const { baseBytes, busyBytes, maxBytes } = this.#thresholds;
    // A process that keeps what it makes is asked less and less often; one that makes much, as often as is cheap.
    if (!useful) this.#thresholdBytes = Math.min(maxBytes, this.#thresholdBytes * 2);
    else if (!cheap) this.#thresholdBytes = Math.min(busyBytes, this.#thresholdBytes * 2);
    else if (this.#thresholdBytes > busyBytes) this.#thresholdBytes = baseBytes;
  }
}
