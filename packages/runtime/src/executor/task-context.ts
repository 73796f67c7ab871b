/** What runs now, as `AsyncLocalStorage` carries it through the user's code. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { TaskContext } from "../owner/owner.ts";
import type { Task } from "../owner/task.ts";
import type { Executor } from "./executor.ts";
import type { ExecutorLink, ExecutorDefinition } from "./executor-link.ts";

export class RunningTask implements TaskContext {
  readonly executor: Executor;
  readonly link: ExecutorLink;
  readonly definition: ExecutorDefinition;
  readonly wire: number;
  readonly attempt: number;
  /** Slot of the claim word. */
  readonly slot: number;
  readonly group: ConcurrencyGroup;
  startedMs: number;
  children: Set<Task> | null = null;
  /** How many `get`s of this task wait at the moment. */
  waits = 0;
  cancelled = false;
  ended = false;
  #controller: AbortController | null = null;
  /** Streams: how many items the consumer has taken, and who waits for that to rise. */
  consumed = 0;
  onConsumed: (() => void) | null = null;

  constructor(
    executor: Executor,
    link: ExecutorLink,
    definition: ExecutorDefinition,
    wire: number,
    attempt: number,
    slot: number,
    group: ConcurrencyGroup,
    startedMs: number,
  ) {
    this.executor = executor;
    this.link = link;
    this.definition = definition;
    this.wire = wire;
    this.attempt = attempt;
    this.slot = slot;
    this.group = group;
    this.startedMs = startedMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.cancelled && !this.#controller.signal.aborted) this.#controller.abort();
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.cancelled = true;
    this.#controller?.abort(reason);
    this.onConsumed?.();
  }
}

/** A set of calls with one limit on how many run at once. Tasks have one group with limit 1. */
export interface ConcurrencyGroup {
  readonly name: string;
  readonly limit: number;
  /** Calls that run and do not wait in `get` (for tasks), or that run (for actors). */
  running: number;
}

export const taskStorage = new AsyncLocalStorage<RunningTask>();
