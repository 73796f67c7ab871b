import { setTimeout as delay } from "node:timers/promises";
import type { HandleTable } from "./handles.ts";
import type { StoreLink } from "./store-link.ts";
import type { StoreReply } from "./store-protocol.ts";

/** A wait for room collects garbage after so long, and then again and again. */
const firstParkMs = 20;
const longestParkMs = 500;
const longestPollMs = 20;
const defaultFullTimeoutMs = 10_000;

/** Waits for the answers to requests that the store cannot grant at once. */
export class TicketWaits {
  readonly #link: StoreLink;
  readonly #handles: HandleTable;
  readonly #fullTimeoutMs: number;

  constructor(link: StoreLink, handles: HandleTable, fullTimeoutMs = defaultFullTimeoutMs) {
    this.#link = link;
    this.#handles = handles;
    this.#fullTimeoutMs = fullTimeoutMs;
  }

  /** Blocks until a ticket has its answer, or the store has made no progress for too long. */
  settle(first: StoreReply, ticket: number): StoreReply {
    const handles = this.#handles;
    const waiting = this.patience();
    let reply = first;
    for (let parkMs = firstParkMs; reply.status === "waiting"; parkMs = longestParkMs) {
      reply = this.#link.ask({ op: "await", ticket, size: parkMs });
      if (reply.status !== "waiting") break;
      // What we map in vain may be what is missing.
      if (handles.collectBlocking(false) > 0 || waiting.isWorthwhile(reply.progress)) continue;
      if (handles.collectBlocking(true) > 0) continue;
      return this.#cancel(ticket, reply);
    }
    return reply;
  }

  /** Like `settle`; does not block. */
  async settleAsync(first: StoreReply, ticket: number): Promise<StoreReply> {
    const waiting = this.patience();
    let reply = first;
    let waitedMs = 0;
    let collectAtMs = firstParkMs;
    for (let pollMs = 1; reply.status === "waiting"; pollMs = Math.min(longestPollMs, pollMs * 2)) {
      await delay(pollMs);
      reply = this.#link.ask({ op: "await", ticket });
      if (reply.status === "waiting" && !waiting.isWorthwhile(reply.progress))
        return this.#cancel(ticket, reply);
      waitedMs += pollMs;
      if (waitedMs < collectAtMs) continue;
      this.#handles.collect();
      collectAtMs = waitedMs + longestParkMs;
    }
    return reply;
  }

  /** False once the store has made no progress for the time allowed. */
  patience(): { isWorthwhile(progress: number): boolean } {
    const limitMs = this.#fullTimeoutMs;
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

  #cancel(ticket: number, reply: StoreReply): StoreReply {
    const last = this.#link.ask({ op: "cancel", ticket });
    return last.status === "waiting" ? { ...reply, status: "full" } : last;
  }
}
