/** `wait`: which of some refs are ready, as soon as enough of them are. */
import { IonoError } from "@iono/core";
import { nextTurn, turnIsDue } from "./get.ts";
import { addWaiter, Ref, refState, removeWaiter, type Waiter } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import type { RefStream } from "./stream.ts";

export type Waitable = Ref | RefStream;

export interface WaitOptions {
  readonly count: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface WaitResult<T> {
  ready: T[];
  pending: T[];
}

/** Resolves when `count` are ready or the time is over. Both lists keep the order of the input; at most `count` are ready. */
export async function waitFor<T extends Waitable>(
  owner: Owner,
  items: readonly T[],
  options: WaitOptions,
): Promise<WaitResult<T>> {
  refuseDuplicates(items);
  if (options.count > items.length) {
    throw new IonoError("BadOption", `wait: count is ${options.count}, but there are ${items.length} refs`);
  }
  owner.flush();
  let missing = options.count;
  for (let i = 0; i < items.length && missing > 0; i++) if (isReady(items[i])) missing--;
  if (missing > 0 && options.timeoutMs > 0) {
    options.signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const resumed = owner.waiting(items, (reason) => finish(reason));
      const nextSettled = (): void => {
        if (--missing === 0) finish();
      };
      const waiter: Waiter = { settled: nextSettled };
      const finish = (error?: unknown): void => {
        if (timer !== null) clearTimeout(timer);
        resumed?.();
        options.signal?.removeEventListener("abort", aborted);
        for (const item of items) {
          if (!(item instanceof Ref)) item.state.offNext(nextSettled);
          else if (item.state === refState.pending) removeWaiter(item, waiter);
        }
        if (error === undefined) resolve();
        else reject(error);
      };
      const aborted = (): void => finish(options.signal?.reason ?? new Error("aborted"));
      const timer = options.timeoutMs === Infinity ? null : setTimeout(() => finish(), options.timeoutMs);
      options.signal?.addEventListener("abort", aborted, { once: true });
      for (const item of items) {
        if (isReady(item)) continue; // counted above: fewer than `count` are
        if (item instanceof Ref) addWaiter(item, waiter);
        else item.state.onNext(nextSettled);
      }
    });
  } else if (items.length > 0 && turnIsDue()) await nextTurn();
  return part(items, options.count);
}

/** Ready and pending, in the order given; what follows the last ready one is copied as a whole. */
function part<T extends Waitable>(items: readonly T[], count: number): WaitResult<T> {
  const ready: T[] = [];
  let pending: T[] = [];
  let at = 0;
  for (; at < items.length && ready.length < count; at++) {
    const item = items[at];
    (isReady(item) ? ready : pending).push(item);
  }
  if (at < items.length) pending = pending.length === 0 ? items.slice(at) : pending.concat(items.slice(at));
  return { ready, pending };
}

let waits = 0;

/** Each ref carries the number of the last wait that saw it: cheaper than a set of them all. */
function refuseDuplicates(items: readonly Waitable[]): void {
  const wait = ++waits;
  for (const item of items) {
    const ref = item instanceof Ref ? item : item.completed;
    if (ref.seenByWait === wait)
      throw new IonoError("BadOption", "wait: the same ref stands twice in the list; pass each once");
    ref.seenByWait = wait;
  }
}

function isReady(item: Waitable): boolean {
  return item instanceof Ref ? item.state !== refState.pending : item.state.nextIsReady;
}
