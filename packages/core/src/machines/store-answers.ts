import type { StoreLocation } from "../protocol/payload.ts";
import type { Block, Ticket } from "./store-blocks.ts";
import { storePageBytes } from "./store-events.ts";
import type { RefusalReason, StoreInstruction } from "./store-events.ts";

/** Answers to the requests of the store machine. Each ticket gets one. (S6) */

export function grant(ticket: Ticket, block: Block, fresh: boolean, out: StoreInstruction[]): void {
  const location: StoreLocation = {
    node: block.node,
    offset: Math.max(0, block.startPage) * storePageBytes,
    size: block.sizeBytes,
    block: block.slot,
    generation: block.generation,
  };
  out.push({ kind: "granted", process: ticket.process, ticket: ticket.ticket, location, fresh });
}

export function refuse(ticket: Ticket, reason: RefusalReason, out: StoreInstruction[]): void {
  out.push({ kind: "refused", process: ticket.process, ticket: ticket.ticket, reason });
}

/** The bytes of a block are there: pins that waited for them have them. */
export function grantWaiting(block: Block, out: StoreInstruction[]): void {
  for (const ticket of block.waiting) grant(ticket, block, false, out);
  block.waiting = [];
}

/** Refuses the pins that wait for a block: of one process, or all. They leave nothing behind. */
export function refuseWaiting(
  block: Block,
  reason: RefusalReason,
  out: StoreInstruction[],
  process?: number,
): void {
  const refused = block.waiting.filter((ticket) => process === undefined || ticket.process === process);
  block.waiting = block.waiting.filter((ticket) => !refused.includes(ticket));
  for (const ticket of refused) {
    block.maps.delete(ticket.process);
    refuse(ticket, reason, out);
  }
}

/** Says that a watched object is gone, once. */
export function sayGone(block: Block, out: StoreInstruction[]): void {
  if (!block.isWatched) return;
  block.isWatched = false;
  out.push({ kind: "gone", block: block.slot, generation: block.generation });
}

/** The end of an object is to be told; at once when it has come. */
export function watch(
  { block: slot, generation }: { readonly block: number; readonly generation: number },
  block: Block | undefined,
  out: StoreInstruction[],
): void {
  if (block === undefined || block.freed || block.state === "lost")
    out.push({ kind: "gone", block: slot, generation });
  else block.isWatched = true;
}
