/** What runs now, as `AsyncLocalStorage` carries it through the user's code. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { TaskContext } from "../owner/owner.ts";
import type { Task } from "../owner/task.ts";
import type { Executor } from "./executor.ts";
import type { ExecutorLink, ExecutorDefinition } from "./executor-link.ts";
import type { RunningStream } from "./generators.ts";

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
  cancelsChildren = false;
  ended = false;
  #controller: AbortController | null = null;
  /** Why it was cancelled. */
  #reason: Error | null = null;
  /** Set while it runs a generator. */
  stream: RunningStream | null = null;
  /** Ends the `get`s that wait at the moment, when the task is cancelled. */
  #interrupts: Set<(reason: Error) => void> | null = null;

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
    if (this.cancelled && !this.#controller.signal.aborted) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.cancelled = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.stream?.cancel();
    const interrupts = [...(this.#interrupts ?? [])];
    for (const interrupt of interrupts) interrupt(reason);
  }

  onAbort(interrupt: (reason: Error) => void): void {
    (this.#interrupts ??= new Set()).add(interrupt);
  }

  offAbort(interrupt: (reason: Error) => void): void {
    this.#interrupts?.delete(interrupt);
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
