import { setImmediate as nextTurn } from "node:timers/promises";
import { largeBytes, type HandleTable } from "./handles.ts";
import { refused } from "./refusal.ts";
import type { StoreLink } from "./store-link.ts";
import { patientFlag, warmFlag, type StoreReply } from "./store-protocol.ts";
import type { TicketWaits } from "./ticket-waits.ts";

/** Asks for room in the store; this process's own garbage makes room before anything is written to disk. */
export class Allocator {
  readonly #link: StoreLink;
  readonly #handles: HandleTable;
  readonly #waits: TicketWaits;

  constructor(link: StoreLink, handles: HandleTable, waits: TicketWaits) {
    this.#link = link;
    this.#handles = handles;
    this.#waits = waits;
  }

  /** Undefined when the store is full. */
  tryAllocate(sizeBytes: number, pinnedFor: number): StoreReply | undefined {
    const reply = this.#waits.settle(...this.#ask(sizeBytes, pinnedFor, 0));
    return reply.status === "full" ? undefined : this.#granted(reply, sizeBytes);
  }

  /** Blocks while the store is full. Throws ObjectStoreFull, OutOfDisk. */
  allocate(sizeBytes: number, pinnedFor: number): StoreReply {
    const handles = this.#handles;
    const ask = (flags: number): StoreReply => this.#waits.settle(...this.#ask(sizeBytes, pinnedFor, flags));
    if (this.#mayHaveGarbage(sizeBytes)) {
      const warm = ask(warmFlag);
      if (warm.status === "granted") return warm;
      handles.collectBlocking(true);
    }
    let reply = ask(0);
    // Our own garbage goes first: the agent would write it to disk.
    if (reply.status === "full" && handles.collectBlocking(false) > 0) reply = ask(0);
    const waiting = this.#waits.patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = ask(patientFlag);
    return this.#granted(reply, sizeBytes);
  }

  /** Like `allocate`; waits without blocking. */
  async allocateAsync(sizeBytes: number, pinnedFor: number): Promise<StoreReply> {
    const handles = this.#handles;
    const ask = (flags: number): Promise<StoreReply> =>
      this.#waits.settleAsync(...this.#ask(sizeBytes, pinnedFor, flags));
    if (this.#mayHaveGarbage(sizeBytes)) {
      const warm = await ask(warmFlag);
      if (warm.status === "granted") return warm;
      handles.collect();
      await nextTurn();
    }
    let reply = await ask(0);
    if (reply.status === "full") {
      handles.collect();
      await nextTurn();
      await nextTurn();
      reply = await ask(0);
    }
    const waiting = this.#waits.patience();
    while (reply.status === "full" && waiting.isWorthwhile(reply.progress)) reply = await ask(patientFlag);
    return this.#granted(reply, sizeBytes);
  }

  #ask(sizeBytes: number, pinnedFor: number, flags: number): [reply: StoreReply, ticket: number] {
    const ticket = this.#link.newTicket();
    return [this.#link.ask({ op: "allocate", ticket, size: sizeBytes, process: pinnedFor, flags }), ticket];
  }

  /**
   * A page that was never used costs ten times what a warm one does: garbage of this process makes room for a large object
   * before the store grows for it.
   */
  #mayHaveGarbage(sizeBytes: number): boolean {
    return sizeBytes >= largeBytes && this.#handles.isBusyWith(sizeBytes);
  }

  #granted(reply: StoreReply, sizeBytes: number): StoreReply {
    if (reply.status === "granted") return reply;
    throw refused(reply, { sizeBytes, capacityBytes: this.#link.welcome.capacityBytes });
  }
}
