import { setImmediate as nextTurn } from "node:timers/promises";
import type { HandleTable } from "./handles.ts";
import { refused } from "./refusal.ts";
import type { StoreLink } from "./store-link.ts";
import { patientFlag, type StoreReply } from "./store-protocol.ts";
import type { TicketWaits } from "./ticket-waits.ts";

/** Writing fresh pages for so much takes longer than a collection. */
const worthCollectingBytes = 256 * 1024 * 1024;

/** Asks for room in the store; this process's own garbage makes room before anything is written to disk. */
export class Allocator {
  readonly #link: StoreLink;
  readonly #handles: HandleTable;
  readonly #waits: TicketWaits;
  /** The last large object got pages that were never used. */
  #grewStore = false;

  constructor(link: StoreLink, handles: HandleTable, waits: TicketWaits) {
    this.#link = link;
    this.#handles = handles;
    this.#waits = waits;
  }

  /** Undefined when the store is full. */
  tryAllocate(sizeBytes: number, pinnedFor: number): StoreReply | undefined {
    const reply = this.#waits.settle(...this.#ask(sizeBytes, pinnedFor, false));
    return reply.status === "full" ? undefined : this.#granted(reply, sizeBytes);
  }

  /** Blocks while the store is full. Throws ObjectStoreFull, OutOfDisk. */
  allocate(sizeBytes: number, pinnedFor: number): StoreReply {
    const handles = this.#handles;
    const ask = (patient: boolean): StoreReply =>
      this.#waits.settle(...this.#ask(sizeBytes, pinnedFor, patient));
    if (this.#expectsFreshPages(sizeBytes)) handles.collectBlocking(false);
    let reply = ask(false);
    // Our own garbage goes first: the agent would write it to disk.
    if (reply.status === "full" && handles.collectBlocking(false) > 0) reply = ask(false);
    const waiting = this.#waits.patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = ask(true);
    return this.#granted(reply, sizeBytes);
  }

  /** Like `allocate`; waits without blocking. */
  async allocateAsync(sizeBytes: number, pinnedFor: number): Promise<StoreReply> {
    const handles = this.#handles;
    const ask = (patient: boolean): Promise<StoreReply> =>
      this.#waits.settleAsync(...this.#ask(sizeBytes, pinnedFor, patient));
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
    const waiting = this.#waits.patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = await ask(true);
    return this.#granted(reply, sizeBytes);
  }

  #ask(sizeBytes: number, pinnedFor: number, patient: boolean): [reply: StoreReply, ticket: number] {
    const ticket = this.#link.newTicket();
    const flags = patient ? patientFlag : 0;
    return [this.#link.ask({ op: "allocate", ticket, size: sizeBytes, process: pinnedFor, flags }), ticket];
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
    throw refused(reply, { sizeBytes, capacityBytes: this.#link.welcome.capacityBytes });
  }
}
