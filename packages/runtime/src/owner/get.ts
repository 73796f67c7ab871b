/**
 * `get`: the values of refs, decoded afresh. Always asynchronous. A latch counts what is still pending, so that a get of
 * ten thousand refs makes one promise.
 */
import { IonoError } from "@iono/core";
import type { BriefPolling } from "./brief-polling.ts";
import type { Failure } from "./failure.ts";
import { addWaiter, refState, removeWaiter, type Ref, type Waiter } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { requiredModules } from "../values/index.ts";
import { Received } from "./references.ts";

export interface GetOptions {
  /** 0 or more; Infinity without one. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export const unlimited: GetOptions = { timeoutMs: Infinity, signal: undefined };

/** After this long without a macrotask turn, a ready `get` takes one: a loop of microtasks would never run a finalizer. */
const turnMs = 5;
let lastTurnMs = 0;
let readyGets = 0;
let turnArmed = false;

/** A `get` that waits. Once done it holds no refs. */
export interface WaitingGet {
  readonly done: boolean;
  readonly refs: readonly Ref[];
}

const none: readonly Ref[] = [];

/** Counts what is still pending. Settles once: when nothing is, when one ref has failed, or when it is stopped. */
class Latch implements Waiter, WaitingGet {
  remaining = 0;
  refs: readonly Ref[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  done = false;
  /** Undone at the end: a timer, a listener, the running task's waiting. */
  leave: (() => void) | null = null;

  readonly #polling: BriefPolling;
  readonly #beganMs: number;

  constructor(
    polling: BriefPolling,
    refs: readonly Ref[],
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#polling = polling;
    this.#beganMs = polling.begin();
    this.refs = refs;
    this.resolve = resolve;
    this.reject = reject;
  }

  settled(ref: Ref): void {
    if (this.done) return;
    this.remaining--;
    if (ref.state === refState.error) this.#end();
    else if (this.remaining > 0) return;
    this.done = true;
    this.#polling.ended(this.#beganMs);
    this.refs = none;
    this.leave?.();
    this.resolve();
  }

  /** Waits no longer. */
  stop(error: unknown): void {
    if (this.done) return;
    this.#end();
    this.leave?.();
    this.reject(error);
  }

  #end(): void {
    this.done = true;
    if (this.remaining > 0)
      for (const ref of this.refs) if (ref.state === refState.pending) removeWaiter(ref, this);
    this.refs = none;
  }
}

/** The value of one ref. */
export function getOne(owner: Owner, ref: Ref, options: GetOptions): Promise<unknown> {
  if (options !== unlimited) return getLimited(owner, ref, options);
  if (ref.state === refState.pending) return waitFor(owner, [ref], options).then(() => valueOf(owner, ref));
  // Large values are what finalizers are for: there the turn is worth looking for each time.
  if ((ref.state === refState.payload || (++readyGets & 63) === 0) && turnIsDue())
    return nextTurn().then(() => valueOf(owner, ref));
  if (ref.state === refState.immediate) return Promise.resolve(ref.value);
  try {
    return Promise.resolve(valueOf(owner, ref));
  } catch (error) {
    return Promise.reject(error);
  }
}

async function getLimited(owner: Owner, ref: Ref, options: GetOptions): Promise<unknown> {
  const began = performance.now();
  if (ref.state === refState.pending) await waitFor(owner, [ref], options);
  else if (turnIsDue()) await nextTurn();
  return isElsewhere(owner, ref)
    ? within(Promise.resolve(valueOf(owner, ref)), [ref], options, began)
    : valueOf(owner, ref);
}

/** The values of many refs, in their order. Fails as soon as one has failed. */
export async function getMany(owner: Owner, refs: readonly Ref[], options: GetOptions): Promise<unknown[]> {
  const began = options === unlimited ? 0 : performance.now();
  if (refs.some((ref) => ref.state === refState.pending)) await waitFor(owner, refs, options);
  const failed = refs.find((ref) => ref.state === refState.error);
  if (failed !== undefined) await valueOf(owner, failed);
  const values = new Array<unknown>(refs.length);
  let pending: Array<Promise<void>> | null = null;
  for (let i = 0; i < refs.length; i++) {
    let value: unknown;
    try {
      value = valueOf(owner, refs[i]);
    } catch (error) {
      // Through Promise.all, so that those under way are never rejections that nobody handles.
      value = Promise.reject(error);
    }
    if (value instanceof Promise) {
      (pending ??= []).push(
        value.then((resolved) => {
          values[i] = resolved;
        }),
      );
    } else values[i] = value;
  }
  if (pending === null) return values;
  const all = Promise.all(pending);
  const isLimited = options !== unlimited && refs.some((ref) => isElsewhere(owner, ref));
  await (isLimited ? within(all, refs, options, began) : all);
  return values;
}

/** Its value comes from another node when it is read. */
function isElsewhere(owner: Owner, ref: Ref): boolean {
  return ref.state === refState.payload && owner.codec.isElsewhere(ref.value as Received);
}

/** The limits of a `get` hold while values come from other nodes, too. */
function within<T>(
  values: Promise<T>,
  refs: readonly Ref[],
  { timeoutMs, signal }: GetOptions,
  beganMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const leftMs = timeoutMs - (performance.now() - beganMs);
    const late = (): void =>
      reject(
        new IonoError(
          "GetTimeout",
          `after ${timeoutMs} ms values are still on their way from other nodes (first: ${refs[0].id})`,
        ),
      );
    const timer = timeoutMs === Infinity ? undefined : setTimeout(late, Math.max(0, leftMs));
    const aborted = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    values.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    });
  });
}

/** The value of a settled ref, or a promise of it when it must be read or imported first. */
export function valueOf(owner: Owner, ref: Ref): unknown {
  switch (ref.state) {
    case refState.immediate:
      return ref.value;
    case refState.bytes: {
      const bytes = ref.value as Uint8Array;
      if (requiredModules(bytes).length === 0) return owner.codec.decodePlain(bytes, 0, bytes.length);
      return owner.codec.decode(new Received({ form: 0, bytes }, [], null));
    }
    case refState.payload:
      return owner.codec.decode(ref.value as Received);
    case refState.error:
      return (ref.value as Failure).toError(owner.codec).then((error) => {
        throw error;
      });
    default:
      throw new IonoError("ObjectFreed", `${ref.id} was released`);
  }
}

/** Resolves when all are settled or one has failed. */
function waitFor(owner: Owner, refs: readonly Ref[], options: GetOptions): Promise<void> {
  owner.flush();
  const { timeoutMs, signal } = options;
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  if (refs.some((ref) => ref.state === refState.error)) return Promise.resolve();
  return new Promise<void>((resolve, reject) => {
    const latch = new Latch(owner.polling, refs, resolve, reject);
    for (const ref of refs) {
      if (ref.state !== refState.pending) continue;
      latch.remaining++;
      addWaiter(ref, latch);
    }
    const resumed = owner.waiting(refs, (reason) => latch.stop(reason));
    if (timeoutMs !== Infinity || signal !== undefined) watchLimits(latch, options, resumed);
    else {
      latch.leave = resumed;
      owner.overdue?.watch(latch);
    }
  });
}

function watchLimits(latch: Latch, { timeoutMs, signal }: GetOptions, resumed: (() => void) | null): void {
  const timer =
    timeoutMs === Infinity ? null : setTimeout(() => latch.stop(timedOut(latch.refs, timeoutMs)), timeoutMs);
  const aborted = (): void => latch.stop(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  latch.leave = () => {
    if (timer !== null) clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
    resumed?.();
  };
}

function timedOut(refs: readonly Ref[], timeoutMs: number): IonoError {
  const pending = refs.filter((ref) => ref.state === refState.pending);
  return new IonoError(
    "GetTimeout",
    `${pending.length} of ${refs.length} ref${refs.length === 1 ? "" : "s"} still pending after ${timeoutMs} ms (first: ${pending[0]?.id})`,
  );
}

export function turnIsDue(): boolean {
  if (!turnArmed) {
    turnArmed = true;
    setImmediate(() => {
      turnArmed = false;
      lastTurnMs = performance.now();
    });
  }
  // Nobody looked for a while: then there may have been turns, and one more does no harm.
  return performance.now() - lastTurnMs > turnMs;
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
