import { IonoError, nodeOf, type StoreLocation } from "@iono/core";
import type { Platform } from "../platform/platform.ts";
import type { Encoded } from "../values/seam.ts";
import { Allocator } from "./allocator.ts";
import { HandleTable, type StoreHandle } from "./handles.ts";
import { layOut, readLayout } from "./layout.ts";
import { PinCounts } from "./pins.ts";
import { refused } from "./refusal.ts";
import { RemoteHolds, type RemoteHoldsOptions } from "./remote-holds.ts";
import type { FetchPurpose } from "./remote-objects.ts";
import { StoreLink } from "./store-link.ts";
import { mappedFlag, type StoreReply } from "./store-protocol.ts";
import { TicketWaits } from "./ticket-waits.ts";
import { keepInPlace } from "./transfer-guard.ts";

export interface StoreClientOptions {
  readonly platform: Platform;
  /** Where the agent's store listens. */
  readonly socketPath: string;
  /** This process's number and the secret the agent gave it. */
  readonly process: number;
  readonly secret: string;
  /** How long a full store may make no progress before ObjectStoreFull. */
  readonly fullTimeoutMs?: number;
  /** How objects of other nodes are reached; absent in a local cluster. */
  readonly remote?: RemoteHoldsOptions;
}

/** Keeps the copy of an object of another node for later reads. */
export interface CopyKeeper {
  copy: StoreHandle | null;
}

/** Values up to this size are copied out; a mapping costs 60 µs. */
export const copyLimitBytes = 512 * 1024;
const mebibyte = 1024 * 1024;
const mostReadAttempts = 3;

interface OpenedStore {
  readonly link: StoreLink;
  readonly handles: HandleTable;
  readonly waits: TicketWaits;
  readonly allocator: Allocator;
}

/** The object store of this node, as a driver or a worker uses it. Opens nothing before it is used. */
export class StoreClient {
  readonly #options: StoreClientOptions;
  readonly #pins: PinCounts;
  readonly #node: number;
  readonly #remote: RemoteHolds;
  #opened: OpenedStore | undefined;
  #closed = false;

  private constructor(options: StoreClientOptions) {
    this.#options = options;
    this.#node = nodeOf(options.process);
    this.#remote = new RemoteHolds(options.remote);
    this.#pins = new PinCounts((location, mapped) =>
      this.#opened?.link.tell("unpin", location, mapped ? mappedFlag : 0),
    );
  }

  static connect(options: StoreClientOptions): StoreClient {
    return new StoreClient(options);
  }

  /**
   * Writes a value into the store, held for process `pinnedFor`. When that is this process, `adopt` the location.
   * Blocks while the store is full. Throws ObjectStoreFull, OutOfDisk.
   */
  write(encoded: Encoded, pinnedFor: number): StoreLocation {
    const layout = layOut(encoded);
    return this.#fill(this.#open().allocator.allocate(layout.sizeBytes, pinnedFor), encoded, layout);
  }

  /** Like `write`; undefined when the store is full. */
  tryWrite(encoded: Encoded, pinnedFor: number): StoreLocation | undefined {
    const layout = layOut(encoded);
    const granted = this.#open().allocator.tryAllocate(layout.sizeBytes, pinnedFor);
    return granted === undefined ? undefined : this.#fill(granted, encoded, layout);
  }

  /** Like `write`; waits without blocking when the store is full. */
  async writeAsync(encoded: Encoded, pinnedFor: number): Promise<StoreLocation> {
    const layout = layOut(encoded);
    return this.#fill(
      await this.#open().allocator.allocateAsync(layout.sizeBytes, pinnedFor),
      encoded,
      layout,
    );
  }

  /**
   * The value at a location. Up to 512 KiB copied; larger ones mapped: the memory is this reader's own (writes are seen by
   * nobody else) and lasts as long as any view of it. Blocks while a spilled value is restored. Throws ObjectLost, ObjectFreed.
   */
  read(location: StoreLocation): Encoded {
    return this.#take(this.#pinMapped(location));
  }

  /** Like `read`; waits without blocking for a value that has been spilled. */
  async readAsync(location: StoreLocation): Promise<Encoded> {
    return this.#take(await this.#pinMappedAsync(location));
  }

  /** Whether the object is in the store of another node. */
  isRemote(location: StoreLocation): boolean {
    return location.node !== this.#node;
  }

  /**
   * Brings a copy of another node's object here, for `keeper`, which keeps it for later reads.
   * Rejects with ObjectLost, ObjectFreed, ObjectStoreFull, OutOfDisk.
   */
  async fetch(location: StoreLocation, purpose: FetchPurpose, keeper: CopyKeeper): Promise<StoreHandle> {
    return (keeper.copy ??= await this.#remote.fetch(location, purpose, (copy) => this.adopt(copy)));
  }

  /** Like `readAsync`, for an object of another node. */
  async readCopy(location: StoreLocation, keeper: CopyKeeper): Promise<Encoded> {
    for (let attempt = 1; ; attempt++) {
      const copy = await this.fetch(location, "read", keeper);
      try {
        return await this.readAsync(copy.location);
      } catch (error) {
        // A copy may be gone where its object is not.
        const isGone = error instanceof IonoError && error.code === "ObjectLost";
        if (!isGone || attempt === mostReadAttempts) throw error;
        keeper.copy = null;
      }
    }
  }

  /**
   * Pins the object (not its place) for this process, once more. Throws ObjectLost, ObjectFreed; for an object of another
   * node that is found out by whoever reads it.
   */
  pin(location: StoreLocation): void {
    if (location.node !== this.#node) return this.#remote.pin(location);
    const pins = this.#pins.of(location);
    if (pins.holds === 0) {
      const { link } = this.#open();
      const reply = link.ask({
        op: "pin",
        block: location.block,
        generation: location.generation,
        ticket: link.newTicket(),
      });
      if (reply.status !== "granted") {
        this.#pins.forgetUnpinned(location.block, pins);
        throw refused(reply, { location });
      }
    }
    pins.holds++;
  }

  /** Undoes one `pin` or adoption. */
  unpin(location: StoreLocation): void {
    if (location.node !== this.#node) this.#remote.unpin(location);
    else this.#pins.release(location, false);
  }

  /** Pins the object for as long as the handle lives. */
  hold(location: StoreLocation): StoreHandle {
    if (location.node !== this.#node) return this.#remote.hold(location);
    this.pin(location);
    return this.#handle(location);
  }

  /** Takes over the pin that `write(…, thisProcess)` left, here or in another process. */
  adopt(location: StoreLocation): StoreHandle {
    if (location.node !== this.#node) return this.#remote.adopt(location);
    this.#pins.of(location).holds++;
    return this.#handle(location);
  }

  /** Takes the object from everyone; later reads fail with ObjectFreed or ObjectLost. */
  free(location: StoreLocation): void {
    if (location.node !== this.#node) this.#remote.free(location);
    else this.#open().link.tell("free", location);
  }

  /** Objects that this process maps. */
  liveMappings(): StoreLocation[] {
    return this.#opened?.handles.mappedLocations() ?? [];
  }

  /** Collects garbage because another process needs room. */
  collect(): void {
    this.#remote.collect();
    this.#opened?.handles.collect();
  }

  stats(): Record<string, number | string> {
    return JSON.parse(this.#open().link.askText({ op: "stats" })) as Record<string, number | string>;
  }

  /** Where the bytes at a location are now; "nowhere" when the object is gone. Of another node's it is not known. */
  whereIs({ node, block, generation }: StoreLocation): "memory" | "disk" | "nowhere" | "elsewhere" {
    if (node !== this.#node) return "elsewhere";
    return JSON.parse(this.#open().link.askText({ op: "locate", block, generation })) as
      | "memory"
      | "disk"
      | "nowhere";
  }

  /** Ends the link. Mappings stay readable; pins end with this process. */
  close(): void {
    this.#closed = true;
    this.#opened?.link.close();
  }

  #open(): OpenedStore {
    if (this.#closed) throw new IonoError("ShutDown", "the object store's client is closed");
    if (this.#opened === undefined) {
      const link = new StoreLink(this.#options);
      const capacity = link.welcome.capacityBytes;
      const handles = new HandleTable({
        baseBytes: Math.max(64 * mebibyte, Math.min(capacity / 4, 512 * mebibyte)),
        busyBytes: Math.max(64 * mebibyte, capacity / 4),
        maxBytes: capacity,
      });
      const waits = new TicketWaits(link, handles, this.#options.fullTimeoutMs);
      this.#opened = { link, handles, waits, allocator: new Allocator(link, handles, waits) };
    }
    return this.#opened;
  }

  // Writing

  #fill(granted: StoreReply, encoded: Encoded, layout: ReturnType<typeof layOut>): StoreLocation {
    const { link } = this.#open();
    const { location, fresh } = granted;
    try {
      link.segment.write(location.offset, layout.header, fresh);
      link.segment.write(location.offset + layout.header.byteLength, encoded.bytes, fresh);
      encoded.parts.forEach((part, i) =>
        link.segment.write(location.offset + layout.partOffsets[i], part, fresh),
      );
    } catch (error) {
      link.tell("abandon", location);
      throw error;
    }
    link.tell("seal", location);
    link.flush();
    return location;
  }

  // Reading

  #pinMapped(location: StoreLocation): StoreLocation {
    const { link, waits } = this.#open();
    const ticket = link.newTicket();
    return this.#pinned(location, waits.settle(this.#askPin(location, ticket), ticket));
  }

  async #pinMappedAsync(location: StoreLocation): Promise<StoreLocation> {
    const { link, waits } = this.#open();
    const ticket = link.newTicket();
    const pins = this.#pins.of(location);
    // Counted from now on, so that a release meanwhile does not unpin what we wait for.
    pins.maps++;
    try {
      const reply = await waits.settleAsync(this.#askPin(location, ticket), ticket);
      return this.#pinned(location, reply);
    } finally {
      this.#pins.release(location, true);
    }
  }

  #askPin(location: StoreLocation, ticket: number): StoreReply {
    return this.#open().link.ask({
      op: "pin",
      block: location.block,
      generation: location.generation,
      ticket,
      flags: mappedFlag,
    });
  }

  #pinned(location: StoreLocation, reply: StoreReply): StoreLocation {
    const pins = this.#pins.of(location);
    if (reply.status === "granted") {
      pins.maps++;
      return reply.location;
    }
    // The pin outlives a wait that was given up.
    if (reply.status === "full" && pins.maps === 0) this.#open().link.tell("unpin", location, mappedFlag);
    this.#pins.forgetUnpinned(location.block, pins);
    throw refused(reply, { location, sizeBytes: location.size });
  }

  /** Copies or maps a block that is pinned; passes the pin on to the mapping, or drops it. */
  #take(location: StoreLocation): Encoded {
    const { link, handles } = this.#open();
    let kept = false;
    try {
      const mapping =
        location.size > copyLimitBytes ? link.segment.mapPrivate(location.offset, location.size) : undefined;
      const memory = mapping?.memory ?? new ArrayBuffer(location.size); // copied where it cannot be mapped
      if (mapping === undefined) link.segment.read(location.offset, new Uint8Array(memory));
      else {
        const { unmap } = mapping; // nothing of the handle's may lead to the memory, or it would never be collected
        const handle = handles.create(location, true, () => {
          unmap();
          this.#pins.release(location, true);
        });
        kept = true;
        keepInPlace(memory, handle);
      }
      const encoded = readLayout(memory, location.size);
      if (encoded === undefined)
        throw new IonoError("ObjectLost", `object ${location.block}.${location.generation} is damaged`);
      return encoded;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new IonoError("OutOfMemory", `no memory for a copy of ${location.size} bytes`, { cause: error });
    } finally {
      if (!kept) this.#pins.release(location, true);
    }
  }

  // Pins

  #handle(location: StoreLocation): StoreHandle {
    return this.#open().handles.create(location, false, () => this.#pins.release(location, false));
  }
}
