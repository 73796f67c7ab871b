/**
 * The types users write against. What TypeScript can infer is inferred: arguments, results, generators, several
 * results, actor methods. No `any` comes out of them that the user did not put in.
 */
import type { ActorOptions, GetOptions, MethodOptions, TaskOptions, WaitOptions } from "@iono/core";

declare const refBrand: unique symbol;
declare const streamBrand: unique symbol;
declare const handleBrand: unique symbol;

/** Any function, as a bound. */
export type AnyFunction = (...args: never[]) => unknown;
/** Any class, as a bound. */
export type AnyClass = new (...args: never[]) => object;

/** A value that is, or will be, somewhere in the cluster. Not thenable: `await get(ref)`. */
export interface ObjectRef<out T> {
  readonly [refBrand]: () => T;
  /** Unique in the cluster; the same id is the same object within a process. */
  readonly id: string;
  /** Lets go of the value at once; getting it later fails with ObjectFreed. */
  [Symbol.dispose](): void;
}

/** The results of a generator, each a ref, as they come. Reading is what lets a producer with `backpressure` go on. */
export interface ObjectRefStream<out T> {
  readonly [streamBrand]: () => T;
  /** Settles when the generator has ended: `await get(stream.completed)`. */
  readonly completed: ObjectRef<void>;
  next(): Promise<IteratorResult<ObjectRef<T>, undefined>>;
  /** Ends the generator. */
  return(): Promise<IteratorResult<ObjectRef<T>, undefined>>;
  [Symbol.asyncIterator](): ObjectRefStream<T>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What may be given where a parameter is a `T`. */
export type RefOr<T> = T | ObjectRef<T>;

/** What `get` gives: the value of a ref, the values of a tuple or array of refs. */
export type Resolved<R> =
  R extends ObjectRef<infer T>
    ? T
    : R extends readonly unknown[]
      ? { -readonly [K in keyof R]: R[K] extends ObjectRef<infer T> ? T : never }
      : never;

/** Parameters, each of which may be given as a ref. Optional, defaulted and rest parameters stay what they are. */
export type RemoteParameters<A extends readonly unknown[]> = { [K in keyof A]: RefOr<A[K]> };

/** What `.remote()` of a function that returns `R` gives, with `numReturns` N. */
export type RemoteResult<R, N extends number = 1> =
  IsAny<R> extends true
    ? ObjectRef<unknown>
    : [R] extends [never]
      ? ObjectRef<never>
      : [R] extends [AnyIterator<infer Y>]
        ? ObjectRefStream<Awaited<Y>>
        : [N] extends [1]
          ? ObjectRef<Awaited<R>>
          : [N] extends [0]
            ? void
            : SeveralRefs<Awaited<R>, N>;

type AnyIterator<Y> = Iterator<Y, unknown, never> | AsyncIterator<Y, unknown, never>;

type SeveralRefs<R, N extends number> = R extends readonly unknown[]
  ? number extends N
    ? ObjectRef<R[number]>[]
    : number extends R["length"]
      ? Repeated<ObjectRef<R[number]>, N>
      : R["length"] extends N
        ? { -readonly [K in keyof R]: ObjectRef<R[K]> }
        : "numReturns must equal the length of the returned tuple"
  : "with numReturns the function must return an array";

type Repeated<T, N extends number, Result extends T[] = []> = Result["length"] extends N
  ? Result
  : Result["length"] extends 64
    ? T[]
    : Repeated<T, N, [...Result, T]>;

type IsAny<T> = 0 extends 1 & T ? true : false;

/** A function that runs elsewhere. */
export interface RemoteFunction<F extends AnyFunction, N extends number = 1> {
  /** Submits a task; returns at once. */
  remote(...args: RemoteParameters<Parameters<F>>): RemoteResult<ReturnType<F>, N>;
  /** The same function with other options; this one stays as it is. */
  options<M extends number = N>(
    options: Omit<TaskOptions, "maxCalls" | "numReturns"> & { numReturns?: M },
  ): RemoteFunction<F, M>;
  /** The plain function, for unit tests. */
  readonly local: F;
}

/** A method of an actor, seen from outside. */
export interface RemoteMethod<F extends AnyFunction, N extends number = 1> {
  /** Submits a call; calls of one caller run in order. */
  remote(...args: RemoteParameters<Parameters<F>>): RemoteResult<ReturnType<F>, N>;
  options<M extends number = N>(
    options: Omit<MethodOptions, "numReturns"> & { numReturns?: M },
  ): RemoteMethod<F, M>;
}

/** Names of what a handle offers: public methods. Data, private and protected members and symbols are absent. */
export type MethodNames<I> = {
  [K in keyof I]: K extends "then" | "toJSON" | "constructor"
    ? never
    : K extends string
      ? IsAny<I[K]> extends true
        ? never
        : I[K] extends AnyFunction
          ? K
          : never
      : never;
}[keyof I];

/** The instance type of a class, of a remote class, or the instance type itself. */
export type ActorInstance<C> = C extends abstract new (...args: never[]) => infer I
  ? I
  : C extends { readonly local: abstract new (...args: never[]) => infer I }
    ? I
    : C;

/** What every handle has besides the methods. */
export interface ActorHandleBase<out I> {
  readonly [handleBrand]: () => I;
  /** Settles when the constructor has run; fails with ActorDied, caused by what it threw. */
  ready(options?: GetOptions<AbortSignal>): Promise<void>;
}

/** A living actor: `ActorHandle<typeof Counter>`, where Counter is the class or `remote(class)`. */
export type ActorHandle<C> = ActorMethods<ActorInstance<C>> & ActorHandleBase<ActorInstance<C>>;

export type ActorMethods<I> = {
  readonly [K in MethodNames<I>]: RemoteMethod<Extract<I[K], AnyFunction>>;
};

/** Options of an actor whose instances are `I`: `methods` takes the names of its methods. */
export type ActorOptionsOf<I> = Omit<ActorOptions, "methods"> & {
  /** Names that every object has (`toString`) cannot be told from those that are left out. */
  methods?: {
    readonly [K in Exclude<MethodNames<I>, keyof (typeof Object)["prototype"]>]?: Omit<
      MethodOptions,
      "numReturns"
    >;
  };
};

/** A class whose instances live elsewhere. */
export interface RemoteClass<C extends AnyClass> {
  /** Creates an actor; returns at once. */
  remote(...args: RemoteParameters<ConstructorParameters<C>>): ActorHandle<C>;
  /** The same class with other options; this one stays as it is. */
  options(options: Omit<ActorOptionsOf<InstanceType<C>>, "concurrencyGroups">): RemoteClass<C>;
  /** The plain class, for unit tests. */
  readonly local: C;
}

type IsRef<P> = IsAny<P> extends true ? false : true extends IsEachRef<P> ? true : false;
type IsEachRef<P> = P extends ObjectRef<unknown> | ObjectRefStream<unknown> ? true : never;
type HasRef<A extends readonly unknown[]> = true extends { [K in keyof A]: IsRef<A[K]> }[number]
  ? true
  : false;

type RefParameter =
  "a parameter cannot be an ObjectRef: at the top level a ref arrives as its value; take it inside an object or array";

/** `unknown` when no top-level parameter is a ref, else a text that says why not. */
export type NoRefParameters<F extends AnyFunction> =
  HasRef<Parameters<F>> extends true ? RefParameter : unknown;

/** As NoRefParameters, for the constructor and every method. */
export type NoRefMethods<C extends AnyClass> =
  HasRef<ConstructorParameters<C>> extends true
    ? RefParameter
    : true extends MethodsWithRefs<InstanceType<C>>
      ? RefParameter
      : unknown;

type MethodsWithRefs<I> = {
  [K in MethodNames<I>]: HasRef<Parameters<Extract<I[K], AnyFunction>>>;
}[MethodNames<I>];

/** `remote(fn, options?)`, `remote(Class, options?)`. Generic functions: `remote(f<number>)`; of overloads the last counts. */
export interface Remote {
  <F extends AnyFunction, N extends number = 1>(
    fn: F & NoRefParameters<F>,
    options?: Omit<TaskOptions, "numReturns"> & { numReturns?: N },
  ): RemoteFunction<F, N>;
  <C extends AnyClass>(actor: C & NoRefMethods<C>, options?: ActorOptionsOf<InstanceType<C>>): RemoteClass<C>;
}

/** `get(ref)`, `get([a, b])`: fresh values, in the order of the refs. */
export interface Get {
  <T>(ref: ObjectRef<T>, options?: GetOptions<AbortSignal>): Promise<T>;
  <R extends readonly ObjectRef<unknown>[] | []>(
    refs: R,
    options?: GetOptions<AbortSignal>,
  ): Promise<Resolved<R>>;
}

/** A ref, or a stream, which is ready when its next item or its end is there. */
export type Waitable = ObjectRef<unknown> | ObjectRefStream<unknown>;

export interface WaitResult<R> {
  /** In the order given; `count` at most. */
  ready: R[];
  pending: R[];
}

export interface Wait {
  <R extends Waitable>(refs: readonly R[], options?: WaitOptions<AbortSignal>): Promise<WaitResult<R>>;
}

export interface CancelOptions {
  /** Replace the worker at once instead of after `cancelGrace`. Default false. */
  force?: boolean;
  /** Cancel what the task submitted, too. Default true. */
  recursive?: boolean;
}

export interface Cancel {
  (ref: Waitable, options?: CancelOptions): void;
}

export interface GetActor {
  <C extends AnyClass>(
    actor: C | RemoteClass<C>,
    name: string,
    options?: { namespace?: string },
  ): Promise<ActorHandle<C>>;
  <H extends ActorHandleBase<unknown>>(name: string, options?: { namespace?: string }): Promise<H>;
}

/** What the code that runs knows about itself. */
export interface RuntimeContext {
  /** `job-` and a UUID of version 7: the same in all processes of a program. */
  readonly jobId: string;
  readonly nodeId: string;
  /** undefined outside a task or call. */
  readonly taskId: string | undefined;
  /** undefined outside an actor. */
  readonly actorId: string | undefined;
  /** 0 for the first run. */
  readonly attempt: number;
  /** As users count: `{ CPU: 1, GPU: 0.5, memory: bytes }`. */
  readonly resources: Readonly<Record<string, number>>;
  readonly gpuIds: readonly number[];
  /** Aborts when the task is cancelled. */
  readonly signal: AbortSignal;
  readonly namespace: string;
}
