/** A first-in-first-out queue that tasks and actors share: a thin client of one actor. */
import {
  badOption,
  closestName,
  formatDuration,
  hasCode,
  IonoError,
  limits,
  type ActorOptions,
  type Duration,
} from "@iono/core";
import { Deadline } from "./deadline.ts";
import { Gate } from "./gate.ts";
import type { QueueActor } from "./queue-actor.ts";
import type { ActorHandle, ObjectRef } from "./types.ts";

export interface QueueOptions {
  /** Most items it holds; left out or 0, a million. */
  maxSize?: number;
  /** Options of its actor: `name`, `lifetime`, resources. */
  actor?: Omit<ActorOptions, "maxConcurrency" | "concurrencyGroups" | "methods">;
}

export interface QueueWaitOptions {
  /** How long to wait; 0 does not wait. Default without limit. */
  timeout?: Duration;
  /** Ends the wait. An item that had been handed over by then is still answered: none is lost. */
  signal?: AbortSignal;
}

export type QueueHandle = ActorHandle<typeof QueueActor>;

/** What a Queue needs of the runtime. */
export interface QueueRuntime {
  create(maxSize: number, options: QueueOptions["actor"]): QueueHandle;
  get<T>(ref: ObjectRef<T>): Promise<T>;
  kill(actor: object): void;
}

/**
 * The client. A cancelled task that waits in `get` leaves the line when its cancellation has reached the queue's actor;
 * an item that was handed to it just before goes the way of its result. Its whole state is plain fields, so
 * that it travels; `Queue` joins it to the process's runtime.
 */
export abstract class QueueClient<T> {
  /** 0: the system's limit. */
  readonly maxSize: number;
  readonly actor: QueueHandle;

  /** @throws IonoError BadOption naming the field. */
  constructor(options: QueueOptions = {}) {
    this.maxSize = readOptions(options);
    this.actor = this.runtime().create(this.maxSize, options.actor);
  }

  protected abstract runtime(): QueueRuntime;

  /** @throws IonoError QueueFull when there was no room in time; QueueShutDown; the signal's reason. */
  put(item: T, options?: QueueWaitOptions): Promise<void> {
    return this.putBatch([item], options);
  }

  /** The next item. @throws IonoError QueueEmpty when none came in time; QueueShutDown; the signal's reason. */
  async get(options?: QueueWaitOptions): Promise<T> {
    const [item] = await this.getBatch(1, options);
    return item;
  }

  /** @throws IonoError QueueFull when there is no room. */
  putNowait(item: T): Promise<void> {
    return this.put(item, { timeout: 0 });
  }

  /** @throws IonoError QueueEmpty when there is no item. */
  getNowait(): Promise<T> {
    return this.get({ timeout: 0 });
  }

  /** Adds all items, together and in order, once all fit. @throws as `put`. */
  async putBatch(items: readonly T[], options?: QueueWaitOptions): Promise<void> {
    if (!Array.isArray(items)) throw badOption("putBatch: items", items, "an array");
    // Inside an array a ref stays a ref.
    await waitFor(this.runtime(), this.actor, "put", options, (timeoutMs, key) =>
      this.actor.putBatch.remote(items, timeoutMs, key),
    );
  }

  /** Takes `count` items, together and in order, once there are as many. @throws as `get`. */
  async getBatch(count: number, options?: QueueWaitOptions): Promise<T[]> {
    if (!Number.isSafeInteger(count) || count < 0)
      throw badOption("getBatch: count", count, "a whole number ≥ 0");
    const items = await waitFor(this.runtime(), this.actor, "get", options, (timeoutMs, key) =>
      this.actor.getBatch.remote(count, timeoutMs, key),
    );
    return items as T[];
  }

  size(): Promise<number> {
    return answer(this.runtime(), this.actor.size.remote());
  }

  empty(): Promise<boolean> {
    return answer(this.runtime(), this.actor.empty.remote());
  }

  full(): Promise<boolean> {
    return answer(this.runtime(), this.actor.full.remote());
  }

  /** Drops all items and ends the actor. Calls that wait, and later ones, fail with QueueShutDown. */
  async shutdown(): Promise<void> {
    try {
      await answer(this.runtime(), this.actor.shutdown.remote());
    } catch (error) {
      // Shut down twice is shut down.
      if (!hasCode(error, "QueueShutDown")) throw error;
      return;
    }
    this.runtime().kill(this.actor);
  }
}

/** Places for waiting calls of this process, by queue: a call that waits in the actor holds a slot of the link to it. */
const gates = new WeakMap<QueueHandle, Record<Line, Gate>>();
type Line = "put" | "get";

/** The outcome of a call that may wait in the actor; `signal` takes it out of its line. */
async function waitFor<R>(
  runtime: QueueRuntime,
  actor: QueueHandle,
  line: Line,
  options: QueueWaitOptions | undefined,
  submit: (timeoutMs: number, key: string) => ObjectRef<R>,
): Promise<R> {
  const deadline = new Deadline(options, (timeoutMs) => outOfTime(line, timeoutMs));
  // What does not wait needs no place to wait.
  if (deadline.timeoutMs === 0) return answer(runtime, submit(0, ""));
  const gate = gateOf(actor, line);
  let { timeoutMs } = deadline;
  if (!gate.tryEnter()) {
    await gate.enter(deadline);
    timeoutMs = deadline.leftMs;
  }
  try {
    const { signal } = deadline;
    if (signal === undefined) return await answer(runtime, submit(timeoutMs, ""));
    const key = crypto.randomUUID();
    return await withdrawOnAbort(actor, key, signal, answer(runtime, submit(timeoutMs, key)));
  } finally {
    gate.leave();
  }
}

async function withdrawOnAbort<R>(
  actor: QueueHandle,
  key: string,
  signal: AbortSignal,
  outcome: Promise<R>,
): Promise<R> {
  const withdraw = () => void actor.withdraw.remote(key);
  signal.addEventListener("abort", withdraw, { once: true });
  try {
    return await outcome;
  } catch (error) {
    if (signal.aborted && hasCode(error, "TaskCancelled")) throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener("abort", withdraw);
  }
}

function gateOf(actor: QueueHandle, line: Line): Gate {
  let both = gates.get(actor);
  if (both === undefined) {
    both = { put: new Gate(limits.queueWaits.value), get: new Gate(limits.queueWaits.value) };
    gates.set(actor, both);
  }
  return both[line];
}

function outOfTime(line: Line, timeoutMs: number): IonoError {
  const waits = `${limits.queueWaits.value} calls of this process wait before it; its ${formatDuration(timeoutMs)} are over`;
  return new IonoError(line === "put" ? "QueueFull" : "QueueEmpty", waits);
}

async function answer<R>(runtime: QueueRuntime, ref: ObjectRef<R>): Promise<R> {
  try {
    return await runtime.get(ref);
  } catch (error) {
    if (!hasCode(error, "ActorDied")) throw error;
    throw new IonoError("QueueShutDown", "the queue was shut down, or its actor died", { cause: error });
  }
}

function readOptions(options: QueueOptions): number {
  const keys = ["maxSize", "actor"];
  if (typeof options !== "object" || options === null) throw badOption("Queue options", options, "an object");
  for (const key of Object.keys(options)) {
    if (keys.includes(key)) continue;
    const hint = closestName(key, keys);
    const text = hint === undefined ? `known: ${keys.join(", ")}` : `did you mean ${hint}?`;
    throw new IonoError("BadOption", `Queue option ${key} is unknown; ${text}`);
  }
  const { maxSize = 0 } = options;
  if (!Number.isSafeInteger(maxSize) || maxSize < 0) {
    throw badOption("Queue option maxSize", maxSize, "a whole number ≥ 0 (0: as many as the system allows)");
  }
  return maxSize;
}
