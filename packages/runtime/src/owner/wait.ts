/** `wait`: which of some refs are ready, as soon as enough of them are. */
import { IonoError } from "@iono/core";
import { addWaiter, Ref, refState, removeWaiter, type Waiter } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { RefStream } from "./stream.ts";

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
export async function waitFor<T extends Waitable>(owner: Owner, items: readonly T[], options: WaitOptions): Promise<WaitResult<T>> {
  if (new Set(items).size !== items.length) {
    throw new IonoError("BadOption", "wait: the same ref stands twice in the list; pass each once");
  }
  if (options.count > items.length) {
    throw new IonoError("BadOption", `wait: count is ${options.count}, but there are ${items.length} refs`);
  }
  owner.flush();
  let missing = options.count;
  for (const item of items) if (isReady(item)) missing--;
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
        if (isReady(item)) continue;
        if (item instanceof Ref) addWaiter(item, waiter);
        else item.state.onNext(nextSettled);
      }
    });
  } else await new Promise<void>((resolve) => (items.length === 0 ? resolve() : setImmediate(resolve)));
  const ready: T[] = [];
  const pending: T[] = [];
  for (const item of items) (ready.length < options.count && isReady(item) ? ready : pending).push(item);
  return { ready, pending };
}

function isReady(item: Waitable): boolean {
  return item instanceof Ref ? item.state !== refState.pending : item.state.nextIsReady;
}
