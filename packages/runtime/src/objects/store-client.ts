import { IonoError, type StoreLocation } from "@iono/core";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { Platform } from "../platform/platform.ts";
import type { Encoded } from "../values/seam.ts";
import { HandleTable, type StoreHandle } from "./handles.ts";
import { layOut, readLayout } from "./layout.ts";
import { refusalError } from "./refusal.ts";
import { StoreLink } from "./store-link.ts";
import { mappedFlag, patientFlag, type StoreReply } from "./store-protocol.ts";
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
}

/** Values up to this size are copied out; a mapping costs 60 µs. */
export const copyLimitBytes = 512 * 1024;
const mebibyte = 1024 * 1024;
/** Writing fresh pages for so much takes longer than a collection. */
const worthCollectingBytes = 256 * mebibyte;
/** A wait for room collects garbage after so long, and then again and again. */
const firstParkMs = 20;
const longestParkMs = 500;
const longestPollMs = 20;

/** How often this process pins a block; the agent knows only whether it does. (I4) */
interface Pins {
  readonly generation: number;
  holds: number;
  maps: number;
}

/** The object store of this node, as a driver or a worker uses it. Opens nothing before it is used. */
export class StoreClient {
  readonly #options: StoreClientOptions;
  readonly #pins = new Map<number, Pins>();
  #opened: { readonly link: StoreLink; readonly handles: HandleTable } | undefined;
  /** The last large object got pages that were never used. */
  #grewStore = false;
  #closed = false;

  private constructor(options: StoreClientOptions) {
    this.#options = options;
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
    return this.#fill(this.#allocate(layout.sizeBytes, pinnedFor), encoded, layout);
  }

  /** Like `write`; undefined when the store is full. */
  tryWrite(encoded: Encoded, pinnedFor: number): StoreLocation | undefined {
    const layout = layOut(encoded);
    const reply = this.#tryAllocate(layout.sizeBytes, pinnedFor);
    return reply.status === "full" ? undefined : this.#fill(this.#granted(reply, layout.sizeBytes), encoded, layout);
  }

  /** Like `write`; waits without blocking when the store is full. */
  async writeAsync(encoded: Encoded, pinnedFor: number): Promise<StoreLocation> {
    const layout = layOut(encoded);
    return this.#fill(await this.#allocateAsync(layout.sizeBytes, pinnedFor), encoded, layout);
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

  /** Pins the object (not its place) for this process, once more. Throws ObjectLost, ObjectFreed. */
  pin(location: StoreLocation): void {
    const pins = this.#pinsOf(location);
    if (pins.holds === 0) {
      const { link } = this.#open();
      const reply = link.ask({
        op: "pin",
        block: location.block,
        generation: location.generation,
        ticket: link.newTicket(),
      });
      if (reply.status !== "granted") {
        this.#forgetUnpinned(location.block, pins);
        throw refused(reply, { location });
      }
    }
    pins.holds++;
  }

  /** Undoes one `pin` or adoption. */
  unpin(location: StoreLocation): void {
    this.#release(location, false);
  }

  /** Pins the object for as long as the handle lives. */
  hold(location: StoreLocation): StoreHandle {
    this.pin(location);
    return this.#handle(location);
  }

  /** Takes over the pin that `write(…, thisProcess)` left, here or in another process. */
  adopt(location: StoreLocation): StoreHandle {
    this.#pinsOf(location).holds++;
    return this.#handle(location);
  }

  /** Takes the object from everyone; later reads fail with ObjectFreed or ObjectLost. */
  free(location: StoreLocation): void {
    this.#open().link.tell("free", location);
  }

  /** Objects that this process maps. */
  liveMappings(): StoreLocation[] {
    return this.#opened?.handles.mappedLocations() ?? [];
  }

  /** Collects garbage because another process needs room. */
  collect(): void {
    this.#opened?.handles.collect();
  }

  stats(): Record<string, number | string> {
    return JSON.parse(this.#open().link.askText({ op: "stats" })) as Record<string, number | string>;
  }

  /** Where the bytes at a location are now; "nowhere" when the object is gone. */
  whereIs({ block, generation }: StoreLocation): "memory" | "disk" | "nowhere" {
    return JSON.parse(this.#open().link.askText({ op: "locate", block, generation })) as "memory" | "disk" | "nowhere";
  }

  /** Ends the link. Mappings stay readable; pins end with this process. */
  close(): void {
    this.#closed = true;
    this.#opened?.link.close();
  }

  #open(): { readonly link: StoreLink; readonly handles: HandleTable } {
    if (this.#closed) throw new IonoError("ShutDown", "the object store's client is closed");
    if (this.#opened === undefined) {
      const link = new StoreLink(this.#options);
      const capacity = link.welcome.capacityBytes;
      this.#opened = {
        link,
        handles: new HandleTable({
          baseBytes: Math.max(64 * mebibyte, Math.min(capacity / 4, 512 * mebibyte)),
          busyBytes: Math.max(64 * mebibyte, capacity / 4),
          maxBytes: capacity,
        }),
      };
    }
    return this.#opened;
  }

  // Writing

  #tryAllocate(sizeBytes: number, pinnedFor: number): StoreReply {
    const { link } = this.#open();
    const ticket = link.newTicket();
    return this.#settle(link.ask({ op: "allocate", ticket, size: sizeBytes, process: pinnedFor }), ticket);
  }

  #allocate(sizeBytes: number, pinnedFor: number): StoreReply {
    const { link, handles } = this.#open();
    const ask = (patient: boolean): StoreReply => {
      const ticket = link.newTicket();
      const reply = link.ask({
        op: "allocate",
        ticket,
        size: sizeBytes,
        process: pinnedFor,
        flags: patient ? patientFlag : 0,
      });
      return this.#settle(reply, ticket);
    };
    if (this.#expectsFreshPages(sizeBytes)) handles.collectBlocking(false);
    let reply = ask(false);
    // Our own garbage goes first: the agent would write it to disk.
    if (reply.status === "full" && handles.collectBlocking(false) > 0) reply = ask(false);
    const waiting = this.#patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = ask(true);
    return this.#granted(reply, sizeBytes);
  }

  async #allocateAsync(sizeBytes: number, pinnedFor: number): Promise<StoreReply> {
    const { link, handles } = this.#open();
    const ask = (patient: boolean): Promise<StoreReply> => {
      const ticket = link.newTicket();
      const reply = link.ask({
        op: "allocate",
        ticket,
        size: sizeBytes,
        process: pinnedFor,
        flags: patient ? patientFlag : 0,
      });
      return this.#settleAsync(reply, ticket);
    };
    if (this.#expectsFreshPages(sizeBytes)) {
      handles.collect();
      await nextTurn();
    }
    let reply = await ask(false);
    if (reply.status === "full") {
      handles.collect();
      await nextTurn();
      await nextTurn();
      reply = await ask(false);
    }
    const waiting = this.#patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = await ask(true);
    return this.#granted(reply, sizeBytes);
  }

  /**
   * A page that was never used costs ten times what a warm one does: when the last large object got such pages, garbage is
   * collected before the next one grows the store further.
   */
  #expectsFreshPages(sizeBytes: number): boolean {
    return this.#grewStore && sizeBytes >= worthCollectingBytes;
  }

  #granted(reply: StoreReply, sizeBytes: number): StoreReply {
    if (reply.status === "granted") {
      if (sizeBytes >= worthCollectingBytes) this.#grewStore = reply.fresh;
      return reply;
    }
    throw refused(reply, { sizeBytes, capacityBytes: this.#open().link.welcome.capacityBytes });
  }

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
    const { link } = this.#open();
    const ticket = link.newTicket();
    return this.#pinned(location, this.#settle(this.#askPin(location, ticket), ticket));
  }

  async #pinMappedAsync(location: StoreLocation): Promise<StoreLocation> {
    const { link } = this.#open();
    const ticket = link.newTicket();
    const pins = this.#pinsOf(location);
    // Counted from now on, so that a release meanwhile does not unpin what we wait for.
    pins.maps++;
    try {
      const reply = await this.#settleAsync(this.#askPin(location, ticket), ticket);
      return this.#pinned(location, reply);
    } finally {
      this.#release(location, true);
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
    const pins = this.#pinsOf(location);
    if (reply.status === "granted") {
      pins.maps++;
      return reply.location;
    }
    // The pin outlives a wait that was given up.
    if (reply.status === "full" && pins.maps === 0) this.#open().link.tell("unpin", location, mappedFlag);
    this.#forgetUnpinned(location.block, pins);
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
          this.#release(location, true);
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
      if (!kept) this.#release(location, true);
    }
  }

  // Waiting

  /** Blocks until a ticket has its answer, or the store has made no progress for too long. */
  #settle(first: StoreReply, ticket: number): StoreReply {
    const { link, handles } = this.#open();
    const waiting = this.#patience();
    let reply = first;
    for (let parkMs = firstParkMs; reply.status === "waiting"; parkMs = longestParkMs) {
      reply = link.ask({ op: "await", ticket, size: parkMs });
      if (reply.status !== "waiting") break;
      // What we map in vain may be what is missing.
      if (handles.collectBlocking(false) > 0 || waiting.isWorthwhile(reply.progress)) continue;
      if (handles.collectBlocking(true) > 0) continue;
      return this.#cancel(ticket, reply);
    }
    return reply;
  }

  async #settleAsync(first: StoreReply, ticket: number): Promise<StoreReply> {
    const { link, handles } = this.#open();
    const waiting = this.#patience();
    let reply = first;
    let waitedMs = 0;
    let collectAtMs = firstParkMs;
    for (let pollMs = 1; reply.status === "waiting"; pollMs = Math.min(longestPollMs, pollMs * 2)) {
      await delay(pollMs);
      reply = link.ask({ op: "await", ticket });
      if (reply.status === "waiting" && !waiting.isWorthwhile(reply.progress))
        return this.#cancel(ticket, reply);
      waitedMs += pollMs;
      if (waitedMs < collectAtMs) continue;
      handles.collect();
      collectAtMs = waitedMs + longestParkMs;
    }
    return reply;
  }

  #cancel(ticket: number, reply: StoreReply): StoreReply {
    const last = this.#open().link.ask({ op: "cancel", ticket });
    return last.status === "waiting" ? { ...reply, status: "full" } : last;
  }

  /** False once the store has made no progress for the time allowed. */
  #patience(): { isWorthwhile(progress: number): boolean } {
    const limitMs = this.#options.fullTimeoutMs ?? 10_000;
    let since = performance.now();
    let last = -1;
    return {
      isWorthwhile(progress) {
        const now = performance.now();
        if (progress !== last) since = now;
        last = progress;
        return now - since < limitMs;
      },
    };
  }

  // Pins

  #handle(location: StoreLocation): StoreHandle {
    return this.#open().handles.create(location, false, () => this.#release(location, false));
  }

  #pinsOf({ block, generation, size }: StoreLocation): Pins {
    const known = this.#pins.get(block);
    if (known?.generation === generation) return known;
    // What this process pins exists, so that another generation of the same block is gone.
    if (known !== undefined && known.generation > generation)
      throw refusalError("stale", { location: { segment: 0, offset: 0, size, block, generation } });
    const pins = { generation, holds: 0, maps: 0 };
    this.#pins.set(block, pins);
    return pins;
  }

  #release(location: StoreLocation, mapped: boolean): void {
    const pins = this.#pins.get(location.block);
    if (pins === undefined || pins.generation !== location.generation) return;
    const count = mapped ? --pins.maps : --pins.holds;
    if (count === 0) this.#opened?.link.tell("unpin", location, mapped ? mappedFlag : 0);
    this.#forgetUnpinned(location.block, pins);
  }

  #forgetUnpinned(block: number, pins: Pins): void {
    if (pins.holds <= 0 && pins.maps <= 0 && this.#pins.get(block) === pins) this.#pins.delete(block);
  }
}

function refused(reply: StoreReply, details: Parameters<typeof refusalError>[1]): IonoError {
  return refusalError(
    reply.status === "granted" || reply.status === "waiting" ? "lost" : reply.status,
    details,
  );
}
