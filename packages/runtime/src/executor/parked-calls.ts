/** Calls of an actor that were taken off their link and wait for a place in their concurrency group, in order. */
import { Deque } from "../owner/deque.ts";
import type { ExecutorLink } from "./executor-link.ts";
import type { ConcurrencyGroup } from "./task-context.ts";

export interface ParkedCall {
  readonly link: ExecutorLink;
  readonly chunk: Buffer;
  readonly at: number;
}

export class ParkedCalls {
  readonly #calls = new Map<ConcurrencyGroup, Deque<ParkedCall>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** A call of `group` may start: there is a place, and nobody waits for it. */
  mayPass(group: ConcurrencyGroup): boolean {
    if (group.running >= group.limit) return false;
    return this.#count === 0 || (this.#calls.get(group)?.length ?? 0) === 0;
  }

  park(group: ConcurrencyGroup, call: ParkedCall): void {
    let calls = this.#calls.get(group);
    if (calls === undefined) this.#calls.set(group, (calls = new Deque()));
    calls.push(call);
    this.#count++;
  }

  /** The group whose first call has a place now; null when there is none. */
  groupWithPlace(): ConcurrencyGroup | null {
    for (const [group, calls] of this.#calls) {
      if (group.running >= group.limit) continue;
      const call = calls.peek();
      if (call !== undefined && call.link.starting === 0) return group;
    }
    return null;
  }

  take(group: ConcurrencyGroup): ParkedCall | undefined {
    const call = this.#calls.get(group)?.shift();
    if (call !== undefined) this.#count--;
    return call;
  }
}
