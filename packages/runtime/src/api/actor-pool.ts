/** A pool of actors that share out calls: each actor has one at a time, the rest wait for the next that is free. */
import { hasCode, formatDuration, IonoError, type CompiledMapOptions, type GetOptions } from "@iono/core";
import { Deadline } from "./deadline.ts";
import { MapRun, type MapTarget, type Source, type StartedCall } from "./map-run.ts";
import type { ObjectRef } from "./types.ts";

/** What a pool needs of the runtime. `cancel` does nothing for what has ended already. */
export interface PoolRuntime {
  get<T>(ref: ObjectRef<T>): Promise<T>;
  cancel(ref: ObjectRef<unknown>): void;
}

/** One submitted call whose result has not been taken. */
interface Job<A extends object, R> {
  readonly submit: (actor: A) => ObjectRef<R>;
  /** While it is with an actor. */
  actor: A | undefined;
  outcome: { readonly value: R } | { readonly error: unknown } | undefined;
  /** A reader of `getNext` waits for it. */
  claimed: boolean;
}

/** The pool; `ActorPool` joins it to the process's runtime. */
export abstract class ActorPoolBase<A extends object, R = unknown> {
  /** Idle or busy. */
  readonly #members = new Set<A>();
  readonly #idle: A[] = [];
  /** Not given to an actor yet. */
  readonly #queue: Job<A, R>[] = [];
  /** In the order of submission. */
  readonly #jobs = new Set<Job<A, R>>();
  /** Those of `#jobs` that have an outcome, in the order they came. */
  readonly #settled = new Set<Job<A, R>>();
  /** Readers of `getNextUnordered`: each will take one of the jobs that nobody has claimed. */
  #unordered = 0;
  #claimed = 0;
  /** Settles when the next job does. */
  #next = Promise.withResolvers<void>();

  constructor(actors: Iterable<A>) {
    for (const actor of actors) this.push(actor);
  }

  protected abstract runtime(): PoolRuntime;

  /**
   * Gives `value` to the next free actor: `pool.submit((actor, x) => actor.double.remote(x), 4)`. The actor is free
   * again when the result has been taken by `getNext` or `getNextUnordered`.
   * @throws what `fn` throws when an actor is free; later it surfaces where the result is taken.
   */
  submit<V>(fn: (actor: A, value: V) => ObjectRef<R>, value: V): void {
    const job: Job<A, R> = {
      submit: (actor) => fn(actor, value),
      actor: undefined,
      outcome: undefined,
      claimed: false,
    };
    const actor = this.#queue.length === 0 ? this.#idle.pop() : undefined;
    if (actor === undefined) this.#queue.push(job);
    else this.#give(job, actor);
    this.#jobs.add(job);
  }

  /** Whether results are left that nobody waits for. */
  hasNext(): boolean {
    return this.#jobs.size - this.#claimed > this.#unordered;
  }

  /** Whether an actor is free at once. */
  hasFree(): boolean {
    return this.#idle.length > 0 && this.#queue.length === 0;
  }

  /**
   * The result of the earliest call that has not been taken.
   * @throws the error of the call; IonoError GetTimeout, after which the pool is as before; InvalidCall without a call.
   */
  async getNext(options?: GetOptions<AbortSignal>): Promise<R> {
    const clock = new Deadline(options, late);
    if (!this.hasNext()) throw nothingLeft();
    const job = find(this.#jobs, (each) => !each.claimed)!;
    this.#claim(job, true);
    try {
      while (job.outcome === undefined) await clock.within(this.#next.promise);
    } finally {
      this.#claim(job, false);
    }
    return this.#take(job);
  }

  /** The next result of any call, as they come. @throws as `getNext`. */
  async getNextUnordered(options?: GetOptions<AbortSignal>): Promise<R> {
    const clock = new Deadline(options, late);
    if (!this.hasNext()) throw nothingLeft();
    this.#unordered += 1;
    try {
      for (;;) {
        const job = find(this.#settled, (each) => !each.claimed);
        if (job !== undefined) return this.#take(job);
        await clock.within(this.#next.promise);
      }
    } finally {
      this.#unordered -= 1;
    }
  }

  /** Adds an actor. @throws IonoError InvalidCall when it is in the pool already. */
  push(actor: A): void {
    if (this.#members.has(actor)) {
      throw new IonoError("InvalidCall", "the actor is in the pool already (idle or busy); push another one");
    }
    this.#members.add(actor);
    this.#free(actor);
  }

  /** Takes an idle actor out of the pool; undefined when none is free. */
  popIdle(): A | undefined {
    if (!this.hasFree()) return undefined;
    const actor = this.#idle.pop();
    if (actor !== undefined) this.#members.delete(actor);
    return actor;
  }

  /**
   * `fn` over all values, results in their order: `for await (const y of pool.map((actor, x) => actor.f.remote(x), xs))`.
   * Values are pulled as actors become free and results are read; leaving the loop cancels what is outstanding.
   * @throws IonoError InvalidCall when results of `submit` are still to be taken, or the pool is empty.
   */
  map<V, Out>(fn: (actor: A, value: V) => ObjectRef<Out>, values: Source<V>): MapRun<V, Out> {
    return this.#run(fn, values, true);
  }

  /** As `map`, results as they come. */
  mapUnordered<V, Out>(fn: (actor: A, value: V) => ObjectRef<Out>, values: Source<V>): MapRun<V, Out> {
    return this.#run(fn, values, false);
  }

  #run<V, Out>(
    fn: (actor: A, value: V) => ObjectRef<Out>,
    values: Source<V>,
    ordered: boolean,
  ): MapRun<V, Out> {
    const options: CompiledMapOptions<V, Out, AbortSignal> = {
      batch: 0,
      concurrency: Infinity,
      ordered,
      onError: "throw",
      signal: undefined,
      progress: false,
      progressLabel: "",
      progressTotal: -1,
    };
    return new MapRun(values, () => this.#lend(fn), options, undefined);
  }

  /** Lends all actors to a run of `map`; calls that are submitted meanwhile wait for its end. */
  #lend<V, Out>(fn: (actor: A, value: V) => ObjectRef<Out>): MapTarget {
    if (this.#jobs.size > 0) {
      throw new IonoError("InvalidCall", "results of submit() are still to be taken; take them before map()");
    }
    if (this.#members.size === 0)
      throw new IonoError("InvalidCall", "the pool has no actors; push one first");
    if (this.#idle.length === 0)
      throw new IonoError("InvalidCall", "another map of this pool is still being read");
    const lent = this.#idle.splice(0);
    const away = new Set(lent);
    const runtime = this.runtime();
    let ended = false;
    const back = (actor: A): void => {
      if (ended) return;
      lent.push(actor);
    };
    return {
      places: lent.length,
      start: (value): StartedCall => {
        const actor = lent.pop();
        if (actor === undefined) throw new IonoError("Internal", "a pool lent more actors than it has");
        let ref: ObjectRef<Out>;
        try {
          ref = fn(actor, value as V);
        } catch (error) {
          back(actor);
          throw error;
        }
        return {
          ref,
          value: runtime.get(ref),
          cancel: () => runtime.cancel(ref),
          ended: async (error) => {
            if (!hasCode(error, "ActorDied")) back(actor);
            else if (away.delete(actor)) this.#drop(actor, error);
            return undefined;
          },
        };
      },
      end: () => {
        ended = true;
        for (const actor of away) this.#free(actor);
        away.clear();
      },
    };
  }

  #claim(job: Job<A, R>, claimed: boolean): void {
    job.claimed = claimed;
    this.#claimed += claimed ? 1 : -1;
  }

  /** Takes a result that is there, and frees its actor. */
  #take(job: Job<A, R>): R {
    this.#jobs.delete(job);
    this.#settled.delete(job);
    const { actor, outcome } = job;
    job.actor = undefined;
    if (outcome === undefined)
      throw new IonoError("Internal", "a call of a pool was taken before its result came");
    const failed = "error" in outcome;
    if (actor !== undefined) {
      if (failed && hasCode(outcome.error, "ActorDied")) this.#drop(actor, outcome.error);
      else this.#free(actor);
    }
    if (failed) throw outcome.error;
    return outcome.value;
  }

  /** @throws what `fn` throws; the actor is free then. */
  #give(job: Job<A, R>, actor: A): void {
    let ref: ObjectRef<R>;
    try {
      ref = job.submit(actor);
    } catch (error) {
      this.#free(actor);
      throw error;
    }
    job.actor = actor;
    this.runtime()
      .get(ref)
      .then(
        (value) => this.#settle(job, { value }),
        (error: unknown) => this.#settle(job, { error }),
      );
  }

  #settle(job: Job<A, R>, outcome: NonNullable<Job<A, R>["outcome"]>): void {
    job.outcome = outcome;
    this.#settled.add(job);
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve();
  }

  /** Gives the actor the next call that waits, else it is idle. */
  #free(actor: A): void {
    const job = this.#queue.shift();
    if (job === undefined) {
      this.#idle.push(actor);
      return;
    }
    try {
      this.#give(job, actor);
    } catch (error) {
      this.#settle(job, { error });
    }
  }

  /** Forgets an actor that died; with the last one, calls that wait for an actor fail as it did. */
  #drop(actor: A, error: unknown): void {
    this.#members.delete(actor);
    if (this.#members.size > 0) return;
    for (const job of this.#queue.splice(0)) this.#settle(job, { error });
  }
}

function find<T>(all: Iterable<T>, wanted: (each: T) => boolean): T | undefined {
  for (const each of all) if (wanted(each)) return each;
  return undefined;
}

function late(timeoutMs: number): IonoError {
  return new IonoError("GetTimeout", `no result of the pool after ${formatDuration(timeoutMs)}`);
}

function nothingLeft(): IonoError {
  return new IonoError(
    "InvalidCall",
    "no results are left: everything submitted has been taken (see hasNext())",
  );
}
