/** `map`: a function, or a method of actors, over everything an iterable yields. */
import { badOption, compileMapOptions, hasCode, IonoError, type MapOptions } from "@iono/core";
import { MapRun, type MapProgress, type MapTarget, type Source, type StartedCall } from "./map-run.ts";
import { ProgressLine, type ProgressOutput } from "./progress.ts";
import type {
  ActorInstance,
  AnyClass,
  AnyFunction,
  MethodNames,
  ObjectRef,
  RefOr,
  RemoteClass,
  RemoteFunction,
  RemoteParameters,
} from "./types.ts";

/** What `map` needs of the runtime. `cancel` and `kill` do nothing for what has ended already. */
export interface MapRuntime {
  remote(target: AnyFunction | AnyClass): object;
  get(ref: ObjectRef<unknown>): Promise<unknown>;
  cancel(ref: ObjectRef<unknown>): void;
  kill(actor: object): void;
  /** CPUs of the cluster. */
  cpus(): number;
  /** Where progress goes: stderr. */
  readonly progressOutput: ProgressOutput;
  /** Milliseconds that only grow. */
  now(): number;
}

/** A class, the arguments of its constructor, and the method to call with each item. */
export interface ActorTarget<C extends AnyClass, M extends MethodNames<InstanceType<C>>> {
  readonly actor: C | RemoteClass<C>;
  readonly args?: RemoteParameters<ConstructorParameters<C>>;
  readonly method: M;
}

type MethodOf<C extends AnyClass, M extends MethodNames<InstanceType<C>>> = Extract<
  ActorInstance<C>[M & keyof ActorInstance<C>],
  AnyFunction
>;
type MethodResult<C extends AnyClass, M extends MethodNames<InstanceType<C>>> = Awaited<
  ReturnType<MethodOf<C, M>>
>;
type MethodItem<C extends AnyClass, M extends MethodNames<InstanceType<C>>> = Parameters<MethodOf<C, M>>[0];

type Unbatched<Item, Out> = Omit<MapOptions<Item, Out, AbortSignal>, "batch"> & { batch?: undefined };
type Batched<Item, Out> = MapOptions<Item, Out, AbortSignal> & { batch: number };
type Element<A> = A extends readonly (infer E)[] ? E : never;

/**
 * `map(items, fn, options?)`, `map(items, { actor, args, method }, options?)`.
 *
 * Without `batch` the function gets one item and what it returns is yielded; with it, it gets an array of up to `batch`
 * items and returns an array of the same length, yielded one by one. A ref among the items arrives as its value (inside
 * a batch it stays a ref). Nothing runs before the result is read; it can be read once.
 *
 * At most `concurrency` calls lie between submitted and read. With an actor it is the number of actors, each with one
 * call at a time; the default is then one per CPU. They start when they are needed and end with the map.
 *
 * @throws IonoError BadOption at once; while reading, what `onError` does not handle, an error of the source after the
 * results of the items before it, and WrongResultCount when a batch returns another number of results.
 */
export interface MapFunction {
  <Item, Out>(
    items: Source<Item>,
    fn:
      | ((items: Item[]) => readonly Out[] | Promise<readonly Out[]>)
      | RemoteFunction<(items: Item[]) => readonly Out[]>,
    options: Batched<Item, Out>,
  ): MapRun<Item, Out>;
  <Item, Out>(
    items: Source<RefOr<Item>>,
    fn: ((item: Item) => Out) | RemoteFunction<(item: Item) => Out>,
    options?: Unbatched<RefOr<Item>, Awaited<Out>>,
  ): MapRun<RefOr<Item>, Awaited<Out>>;
  <C extends AnyClass, M extends MethodNames<InstanceType<C>>>(
    items: Source<Element<MethodItem<C, M>>>,
    target: ActorTarget<C, M>,
    options: Batched<Element<MethodItem<C, M>>, Element<MethodResult<C, M>>>,
  ): MapRun<Element<MethodItem<C, M>>, Element<MethodResult<C, M>>>;
  <C extends AnyClass, M extends MethodNames<InstanceType<C>>>(
    items: Source<RefOr<MethodItem<C, M>>>,
    target: ActorTarget<C, M>,
    options?: Unbatched<RefOr<MethodItem<C, M>>, MethodResult<C, M>>,
  ): MapRun<RefOr<MethodItem<C, M>>, MethodResult<C, M>>;
}

/** `map` over a given runtime. */
export function createMap(runtime: MapRuntime): MapFunction {
  const map = (
    items: Source<unknown>,
    target: unknown,
    options?: MapOptions<unknown, unknown, AbortSignal>,
  ) => {
    checkSource(items);
    const openTarget = targetOf(runtime, target);
    const cpus = runtime.cpus();
    const compiled = compileMapOptions(options, isActorTarget(target) ? cpus / 2 : cpus);
    const total = compiled.progressTotal >= 0 ? compiled.progressTotal : knownLength(items);
    const progress = compiled.progress ? lazyProgress(runtime, compiled.progressLabel, total) : undefined;
    return new MapRun(items, openTarget, compiled, progress);
  };
  // The overloads say more than one implementation can.
  return map as MapFunction;
}

function checkSource(items: unknown): void {
  const iterable =
    typeof items === "string" ||
    (typeof items === "object" &&
      items !== null &&
      (Symbol.iterator in items || Symbol.asyncIterator in items));
  if (!iterable) throw badOption("map: items", items, "an iterable, an async iterable or a stream");
}

function targetOf(runtime: MapRuntime, target: unknown): () => MapTarget {
  if (typeof target === "function" || hasRemote(target)) {
    return () => new TaskTarget(runtime, hasRemote(target) ? target : runtime.remote(target as AnyFunction));
  }
  if (!isActorTarget(target)) {
    throw badOption(
      "map: the second argument",
      target,
      "a function, a remote function or { actor, args, method }",
    );
  }
  const { actor, args = [], method } = target;
  if (typeof actor !== "function" && !hasRemote(actor))
    throw badOption("map: actor", actor, "a class or a remote class");
  if (!Array.isArray(args)) throw badOption("map: args", args, "an array of the constructor's arguments");
  if (typeof method !== "string" || method === "")
    throw badOption("map: method", method, "the name of a method");
  return () =>
    new ActorsTarget(runtime, hasRemote(actor) ? actor : runtime.remote(actor as AnyClass), args, method);
}

interface LooseActorTarget {
  readonly actor: unknown;
  readonly args?: unknown;
  readonly method?: unknown;
}

function isActorTarget(target: unknown): target is LooseActorTarget {
  return typeof target === "object" && target !== null && "actor" in target;
}

interface HasRemote {
  remote(...args: unknown[]): unknown;
}

function hasRemote(value: unknown): value is HasRemote {
  const holder = (typeof value === "object" && value !== null) || typeof value === "function";
  return holder && "remote" in value && typeof value.remote === "function";
}

function submit(method: unknown, args: readonly unknown[], what: string): ObjectRef<unknown> {
  if (!hasRemote(method)) throw new IonoError("InvalidCall", `map: ${what} cannot be called remotely`);
  const ref = method.remote(...args);
  const isRef = typeof ref === "object" && ref !== null && "id" in ref && !(Symbol.asyncIterator in ref);
  if (!isRef) {
    throw new IonoError(
      "InvalidCall",
      `map: ${what} must return one result; generators and numReturns cannot be mapped`,
    );
  }
  return ref as ObjectRef<unknown>;
}

class TaskTarget implements MapTarget {
  readonly #runtime: MapRuntime;
  readonly #function: unknown;

  constructor(runtime: MapRuntime, fn: unknown) {
    this.#runtime = runtime;
    this.#function = fn;
  }

  start(argument: unknown): StartedCall {
    const ref = submit(this.#function, [argument], "the function");
    return {
      ref,
      value: this.#runtime.get(ref),
      cancel: () => this.#runtime.cancel(ref),
      ended: () => Promise.resolve(undefined),
    };
  }

  end(): void {}
}

/** An actor of a run, and what its constructor came to. */
interface PooledActor {
  readonly handle: object;
  started: boolean;
}

class ActorsTarget implements MapTarget {
  readonly #runtime: MapRuntime;
  readonly #class: unknown;
  readonly #args: readonly unknown[];
  readonly #method: string;
  readonly #idle: PooledActor[] = [];
  readonly #all = new Set<PooledActor>();

  constructor(runtime: MapRuntime, remoteClass: unknown, args: readonly unknown[], method: string) {
    this.#runtime = runtime;
    this.#class = remoteClass;
    this.#args = args;
    this.#method = method;
  }

  start(argument: unknown): StartedCall {
    const actor = this.#idle.pop() ?? this.#create();
    const ref = this.#call(actor, argument);
    return {
      ref,
      value: this.#runtime.get(ref),
      cancel: () => this.#runtime.cancel(ref),
      ended: async (error) => {
        if (!hasCode(error, "ActorDied")) {
          if (error === undefined) actor.started = true;
          this.#idle.push(actor);
          return undefined;
        }
        this.#all.delete(actor);
        // One whose constructor fails would fail again for every item; one that died of an item is replaced.
        return actor.started ? undefined : error;
      },
    };
  }

  end(): void {
    for (const { handle } of this.#all) this.#runtime.kill(handle);
    this.#all.clear();
  }

  #create(): PooledActor {
    if (!hasRemote(this.#class)) throw new IonoError("InvalidCall", "map: actor is not a remote class");
    const handle = this.#class.remote(...this.#args);
    if (typeof handle !== "object" && typeof handle !== "function") {
      throw new IonoError("InvalidCall", "map: actor is not a remote class");
    }
    const actor: PooledActor = { handle: handle as object, started: false };
    this.#all.add(actor);
    const { ready } = handle as { ready?: () => Promise<void> };
    if (typeof ready === "function") {
      ready.call(handle).then(
        () => (actor.started = true),
        () => {
          // The first call fails with the same error, and is where it is handled.
        },
      );
    }
    return actor;
  }

  #call(actor: PooledActor, argument: unknown): ObjectRef<unknown> {
    try {
      return submit(this.#methodOf(actor.handle), [argument], `the method ${this.#method}`);
    } catch (error) {
      this.#idle.push(actor);
      throw error;
    }
  }

  #methodOf(handle: object): unknown {
    try {
      return Reflect.get(handle, this.#method);
    } catch (error) {
      // A handle throws for a method that its class does not have; that is no fault of the item.
      throw new IonoError("InvalidCall", `map: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}

/** -1 when the source does not say. */
function knownLength(items: Source<unknown>): number {
  if (Array.isArray(items) || ArrayBuffer.isView(items)) return Reflect.get(items, "length");
  if (items instanceof Set || items instanceof Map) return items.size;
  return -1;
}

/** The clock starts with the first result that is asked for, not when `map` is called. */
function lazyProgress(runtime: MapRuntime, label: string, total: number): MapProgress {
  let line: ProgressLine | undefined;
  const open = () =>
    (line ??= new ProgressLine({ label, total, output: runtime.progressOutput, now: () => runtime.now() }));
  return {
    start: open,
    add: (done, failed) => open().add(done, failed),
    finish: (outcome) => open().finish(outcome),
  };
}
