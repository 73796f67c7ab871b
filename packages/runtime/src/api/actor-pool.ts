/** A pool of actors that share out calls: each actor has one at a time, the rest wait for the next that is free. */
import {
  compileGetOptions,
  hasCode,
  formatDuration,
  IonoError,
  type CompiledMapOptions,
  type GetOptions,
} from "@iono/core";
import { MapRun, type MapTarget, type Source, type StartedCall } from "./map-run.ts";
import type { ObjectRef, WaitResult } from "./types.ts";

/** What a pool needs of the runtime. `cancel` does nothing for what has ended already. */
export interface PoolRuntime {
  get<T>(ref: ObjectRef<T>): Promise<T>;
  wait<R extends ObjectRef<unknown>>(
    refs: readonly R[],
    options: GetOptions<AbortSignal>,
  ): Promise<WaitResult<R>>;
  cancel(ref: ObjectRef<unknown>): void;
}

/** One submitted call whose result has not been taken. */
interface Job<A extends object, R> {
  readonly submit: (actor: A) => ObjectRef<R>;
  /** Settles when it has been given to an actor, or has failed before that. */
  readonly begun: PromiseWithResolvers<void>;
  actor: A | undefined;
  ref: ObjectRef<R> | undefined;
  failure: { readonly error: unknown } | undefined;
  /** Somebody waits for its result. */
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
      begun: Promise.withResolvers(),
      actor: undefined,
      ref: undefined,
      failure: undefined,
      claimed: false,
    };
    const actor = this.#queue.length === 0 ? this.#idle.pop() : undefined;
    if (actor === undefined) {
      this.#queue.push(job);
      this.#jobs.add(job);
      return;
    }
    this.#begin(job, actor);
    if (job.failure !== undefined) throw job.failure.error;
    this.#jobs.add(job);
  }

  /** Whether results are left that nobody waits for. */
  hasNext(): boolean {
    return this.#unclaimed().next().done !== true;
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
    const clock = new Deadline(options);
    const [job] = this.#unclaimed();
    if (job === undefined) throw nothingLeft();
    job.claimed = true;
    try {
      await clock.within(job.begun.promise);
      if (job.ref !== undefined) await this.#anyReady([job.ref], clock);
    } catch (error) {
      job.claimed = false;
      throw error;
    }
    return this.#take(job);
  }

  /** The next result of any call, as they come. @throws as `getNext`. */
  async getNextUnordered(options?: GetOptions<AbortSignal>): Promise<R> {
    const clock = new Deadline(options);
    for (;;) {
      const jobs = [...this.#unclaimed()];
      if (jobs.length === 0) throw nothingLeft();
      const failed = jobs.find((job) => job.failure !== undefined);
      if (failed !== undefined) return this.#take(failed);
      const refs = jobs.flatMap((job) => job.ref ?? []);
      if (refs.length === 0) {
        await clock.within(Promise.race(jobs.map((job) => job.begun.promise)));
        continue;
      }
      const ready = await this.#anyReady(refs, clock);
      // Another reader may have taken it meanwhile.
      const job = jobs.find((each) => each.ref === ready);
      if (job !== undefined && !job.claimed && this.#jobs.has(job)) return this.#take(job);
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

  *#unclaimed(): Generator<Job<A, R>, void> {
    for (const job of this.#jobs) if (!job.claimed) yield job;
  }

  #begin(job: Job<A, R>, actor: A): void {
    job.actor = actor;
    try {
      job.ref = job.submit(actor);
    } catch (error) {
      job.failure = { error };
      this.#release(job);
    }
    job.begun.resolve();
  }

  async #anyReady(refs: readonly ObjectRef<R>[], clock: Deadline): Promise<ObjectRef<R>> {
    const { ready } = await this.runtime().wait(refs, clock.options());
    if (ready.length === 0) throw clock.late();
    return ready[0];
  }

  /** Takes a result that is there, and frees its actor. */
  async #take(job: Job<A, R>): Promise<R> {
    this.#jobs.delete(job);
    if (job.failure !== undefined) throw job.failure.error;
    if (job.ref === undefined) throw new IonoError("Internal", "a call of a pool was taken before it began");
    try {
      return await this.runtime().get(job.ref);
    } catch (error) {
      if (hasCode(error, "ActorDied") && job.actor !== undefined) {
        const { actor } = job;
        job.actor = undefined;
        this.#drop(actor, error);
      }
      throw error;
    } finally {
      this.#release(job);
    }
  }

  #release(job: Job<A, R>): void {
    const { actor } = job;
    job.actor = undefined;
    if (actor !== undefined) this.#free(actor);
  }

  /** Gives the actor the next call that waits, else it is idle. */
  #free(actor: A): void {
    const job = this.#queue.shift();
    if (job === undefined) this.#idle.push(actor);
    else this.#begin(job, actor);
  }

  /** Forgets an actor that died; with the last one, calls that wait for an actor fail as it did. */
  #drop(actor: A, error: unknown): void {
    this.#members.delete(actor);
    if (this.#members.size > 0) return;
    for (const job of this.#queue.splice(0)) {
      job.failure = { error };
      job.begun.resolve();
    }
  }
}

/** The time that a call of the pool may still take. */
class Deadline {
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt = performance.now();

  constructor(options: GetOptions<AbortSignal> | undefined) {
    const { timeoutMs, signal } = compileGetOptions(options);
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    signal?.throwIfAborted();
  }

  options(): GetOptions<AbortSignal> {
    const left = Math.max(0, this.#timeoutMs - (performance.now() - this.#startedAt));
    return { timeout: left, signal: this.#signal };
  }

  late(): IonoError {
    return new IonoError("GetTimeout", `no result of the pool after ${formatDuration(this.#timeoutMs)}`);
  }

  /** @throws IonoError GetTimeout, or the signal's reason, when the promise does not settle in time. */
  async within(promise: Promise<void>): Promise<void> {
    const { timeout, signal } = this.options();
    if (timeout === Infinity && signal === undefined) return promise;
    let timer: NodeJS.Timeout | undefined;
    let abort: (() => void) | undefined;
    const end = new Promise<never>((_resolve, reject) => {
      if (timeout !== Infinity) timer = setTimeout(() => reject(this.late()), Number(timeout));
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort);
    });
    try {
      await Promise.race([promise, end]);
    } finally {
      clearTimeout(timer);
      if (abort !== undefined) signal?.removeEventListener("abort", abort);
    }
  }
}

function nothingLeft(): IonoError {
  return new IonoError(
    "InvalidCall",
    "no results are left: everything submitted has been taken (see hasNext())",
  );
}
