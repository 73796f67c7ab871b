/** Checked by tsc alone: what must compile does, and what must not does not. Nothing here runs. */
/* oxlint-disable unicorn/no-thenable -- handles hide it */
import type {
  ActorHandle,
  GetActor,
  Get,
  ObjectRef,
  ObjectRefStream,
  Remote,
  RemoteClass,
  RemoteFunction,
  Resolved,
  Wait,
} from "./types.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type IsAny<T> = 0 extends 1 & T ? true : false;
declare function expectTrue<T extends true>(): T;
declare function typeOf<T>(value: T): {
  is<U>(..._: Equal<T, U> extends true ? [] : ["differs", T, U]): void;
  notAny(..._: IsAny<T> extends true ? ["is any"] : []): void;
};

declare const remote: Remote;
declare const get: Get;
declare const wait: Wait;
declare const getActor: GetActor;
declare function put<T>(value: T): ObjectRef<T>;

export function tasks(numberRef: ObjectRef<number>, textRef: ObjectRef<string>): void {
  const square = remote((x: number) => x * x);
  typeOf(square.remote(4)).is<ObjectRef<number>>();
  typeOf(square.remote(numberRef)).is<ObjectRef<number>>();
  typeOf(square.remote(square.remote(2))).notAny();
  typeOf(square.local).is<(x: number) => number>();
  typeOf(square.options({ numCpus: 0.1, name: "sq" }).remote(3)).is<ObjectRef<number>>();
  // @ts-expect-error a text is not a number
  square.remote("4");
  // @ts-expect-error nor is a ref of a text
  square.remote(textRef);
  // @ts-expect-error an argument is missing
  square.remote();
  // @ts-expect-error there is one parameter
  square.remote(1, 2);
  // @ts-expect-error a remote function is not called directly
  square(4);
  // @ts-expect-error misspelt option
  remote((x: number) => x, { numCpu: 2 });
  // @ts-expect-error misspelt option in options()
  square.options({ retry: 2 });
  // @ts-expect-error maxCalls belongs to remote()
  square.options({ maxCalls: 2 });
  // @ts-expect-error not a duration
  square.options({ timeout: "5 seconds" });

  typeOf(remote(async (x: number) => `${x}`).remote(1)).is<ObjectRef<string>>();
  typeOf(remote(() => {}).remote()).is<ObjectRef<void>>();
  typeOf(remote((..._: unknown[]) => JSON.parse("1")).remote(1, "x", numberRef)).is<ObjectRef<unknown>>();
}

export function parameters(flag: ObjectRef<true>, half: ObjectRef<number>): void {
  const optional = remote((a: number, b?: string, c = true) => ({ a, b, c }));
  typeOf(optional.remote(1)).is<ObjectRef<{ a: number; b: string | undefined; c: boolean }>>();
  optional.remote(1, "b", flag);
  optional.remote(half, undefined, false);
  const variadic = remote((first: string, ...rest: number[]) => rest.length + first.length);
  variadic.remote("a", 1, half, 2);
  // @ts-expect-error rest parameters are numbers
  variadic.remote("a", 1, "b");
  const wide = remote((x: number | string) => x);
  wide.remote(half);
  const nested = remote((x: { refs: ObjectRef<number>[] }) => x.refs.length);
  nested.remote({ refs: [half] });
  // @ts-expect-error a top-level parameter cannot be a ref
  remote((ref: ObjectRef<number>) => ref.id);
  // @ts-expect-error nor a union with one
  remote((a: number, ref?: ObjectRef<number>) => [a, ref]);
  // @ts-expect-error nor a rest of them
  remote((...refs: ObjectRef<number>[]) => refs.length);
}

export function genericAndOverloaded(numberRef: ObjectRef<number>): void {
  function wrap<T>(value: T): T[] {
    return [value];
  }
  typeOf(remote(wrap<number>).remote(numberRef)).is<ObjectRef<number[]>>();
  function over(x: number): "number";
  function over(x: string): "text";
  function over(x: number | string): string {
    return typeof x;
  }
  typeOf(remote(over).remote("a")).is<ObjectRef<"text">>();
  function twice<T>(f: RemoteFunction<(x: T) => T>, x: T): void {
    f.remote(x);
  }
  twice(
    remote((x: number) => x + 1),
    1,
  );
  const list: RemoteFunction<(...args: never[]) => unknown>[] = [remote((x: number) => x), remote(() => "a")];
  typeOf(list[0].remote()).is<ObjectRef<unknown>>();
}

export async function streams(): Promise<void> {
  const count = remote(function* (n: number) {
    for (let i = 0; i < n; i += 1) yield i;
    return "done";
  });
  const stream = count.remote(9);
  typeOf(stream).is<ObjectRefStream<number>>();
  for await (const part of stream) typeOf(part).is<ObjectRef<number>>();
  typeOf(await get(stream.completed)).is<void>();
  typeOf(
    remote(async function* () {
      yield "a";
    }).remote(),
  ).is<ObjectRefStream<string>>();
  const annotated = remote(function* (): IterableIterator<Date> {});
  typeOf(annotated.options({ backpressure: 2 }).remote()).is<ObjectRefStream<Date>>();
}

export function severalResults(n: number): void {
  const pair = remote((x: number): [number, string] => [x, `${x}`], { numReturns: 2 });
  typeOf(pair.remote(1)).is<[ObjectRef<number>, ObjectRef<string>]>();
  typeOf(pair.options({ name: "p" }).remote(1)).is<[ObjectRef<number>, ObjectRef<string>]>();
  typeOf(pair.options({ numReturns: 1 }).remote(1)).is<ObjectRef<[number, string]>>();
  const later = remote(async (): Promise<readonly [Date, URL]> => [new Date(0), new URL("a:")], {
    numReturns: 2,
  });
  typeOf(later.remote()).is<[ObjectRef<Date>, ObjectRef<URL>]>();
  const listed = remote((): number[] => [1, 2, 3]);
  typeOf(listed.options({ numReturns: 3 }).remote()).is<
    [ObjectRef<number>, ObjectRef<number>, ObjectRef<number>]
  >();
  typeOf(listed.options({ numReturns: n }).remote()).is<ObjectRef<number>[]>();
  typeOf(remote(() => {}, { numReturns: 0 }).remote()).is<void>();
  const wrong = remote((): [number, number] => [1, 2], { numReturns: 3 }).remote();
  typeOf(wrong).is<"numReturns must equal the length of the returned tuple">();
  typeOf(
    remote(() => 1, { numReturns: 2 }).remote(),
  ).is<"with numReturns the function must return an array">();
}

class Base {
  inherited(): string {
    return "";
  }
}

class Counter extends Base {
  n = 0;
  readonly #hidden = 1;
  constructor(start: number, label?: string) {
    super();
    this.n = start + this.#hidden + (label ?? "").length;
  }
  static made(): number {
    return 1;
  }
  add(k: number): number {
    return (this.n += k);
  }
  async later(): Promise<string> {
    return this.secret() + this.kept();
  }
  *count(to: number): Generator<number> {
    yield to;
  }
  pair(): [number, string] {
    return [1, ""];
  }
  get value(): number {
    return this.n;
  }
  then(): void {}
  toJSON(): string {
    return "";
  }
  private secret(): string {
    return "";
  }
  protected kept(): string {
    return "";
  }
}

export async function actors(numberRef: ObjectRef<number>): Promise<void> {
  const Remote = remote(Counter, { methods: { add: { timeout: "1m" } }, maxConcurrency: 8 });
  typeOf(Remote.local).is<typeof Counter>();
  const c = Remote.remote(1);
  Remote.remote(numberRef, "x");
  typeOf(c.add.remote(numberRef)).is<ObjectRef<number>>();
  typeOf(c.later.remote()).is<ObjectRef<string>>();
  typeOf(c.count.remote(3)).is<ObjectRefStream<number>>();
  typeOf(c.inherited.remote()).is<ObjectRef<string>>();
  typeOf(c.pair.options({ numReturns: 2 }).remote()).is<[ObjectRef<number>, ObjectRef<string>]>();
  typeOf(c.add.options({ timeout: "1s" }).remote(1)).is<ObjectRef<number>>();
  typeOf(await c.ready()).is<void>();
  // @ts-expect-error a text is not a number
  c.add.remote("1");
  // @ts-expect-error methods are called through .remote
  c.add(1);
  // @ts-expect-error data is absent
  void c.n;
  // @ts-expect-error accessors are data
  void c.value;
  // @ts-expect-error private members are absent
  void c.secret;
  // @ts-expect-error protected members are absent
  void c.kept;
  // @ts-expect-error static members are absent
  void c.made;
  // @ts-expect-error a handle is not thenable
  void c.then;
  // @ts-expect-error nor does it pretend to be JSON
  void c.toJSON;
  // @ts-expect-error the constructor takes a number
  Remote.remote("x");
  // @ts-expect-error no such method
  remote(Counter, { methods: { ad: { timeout: "1m" } } });
  // @ts-expect-error groups belong to remote()
  Remote.options({ concurrencyGroups: { io: { limit: 1 } } });
  // @ts-expect-error misspelt option
  Remote.options({ lifetme: "detached" });
  class WithRef {
    add(ref: ObjectRef<number>): string {
      return ref.id;
    }
  }
  // @ts-expect-error a method's top-level parameter cannot be a ref
  remote(WithRef);
  class BuiltWithRef {
    readonly id: string;
    constructor(ref: ObjectRef<number>) {
      this.id = ref.id;
    }
  }
  // @ts-expect-error nor a constructor's
  remote(BuiltWithRef);
}

export async function named(): Promise<void> {
  const Remote = remote(
    class {
      n = 0;
      add(k: number) {
        return (this.n += k);
      }
    },
  );
  const viaClass = await getActor(Remote, "hits");
  typeOf(viaClass.add.remote(1)).is<ObjectRef<number>>();
  const viaType = await getActor<ActorHandle<typeof Remote>>("hits");
  typeOf(viaType.add.remote(1)).is<ObjectRef<number>>();
  const plain = await getActor(Counter, "c", { namespace: "n" });
  typeOf(plain.add.remote(1)).is<ObjectRef<number>>();
  const asClass: ActorHandle<typeof Counter> = plain;
  const asInstance: ActorHandle<Counter> = plain;
  const asRemote: ActorHandle<RemoteClass<typeof Counter>> = plain;
  const inTask = remote(async (handle: ActorHandle<typeof Counter>) => get(handle.add.remote(1)));
  typeOf(inTask.remote(asClass)).is<ObjectRef<number>>();
  inTask.remote(asInstance);
  inTask.remote(asRemote);
  class Box<T> {
    private readonly value: T;
    constructor(value: T) {
      this.value = value;
    }
    open(): T {
      return this.value;
    }
  }
  typeOf(
    remote(Box<string>)
      .remote("a")
      .open.remote(),
  ).is<ObjectRef<string>>();
}

export async function gets(
  a: ObjectRef<number>,
  b: ObjectRef<string>,
  list: ObjectRef<Date>[],
): Promise<void> {
  typeOf(await get(a)).is<number>();
  typeOf(await get(a, { timeout: "5s", signal: new AbortController().signal })).is<number>();
  typeOf(await get([a, b])).is<[number, string]>();
  typeOf(await get([a, b] as const)).is<[number, string]>();
  typeOf(await get(list, { timeout: 100 })).is<Date[]>();
  typeOf(await get([])).is<[]>();
  const refs = [1, 2].map((x) => remote((y: number) => y).remote(x));
  typeOf(await get(refs)).is<number[]>();
  typeOf(await get(put(new Float32Array(1)))).is<Float32Array<ArrayBuffer>>();
  typeOf(put(4)).is<ObjectRef<number>>();
  // @ts-expect-error a number is not a ref
  await get(4);
  // @ts-expect-error nor is one of these
  await get([a, 4]);
  // @ts-expect-error a promise of a ref is not a ref
  await get(Promise.resolve(a));
  expectTrue<Equal<Resolved<ObjectRef<number>>, number>>();
  expectTrue<Equal<Resolved<[ObjectRef<number>, ObjectRef<string>]>, [number, string]>>();
  expectTrue<Equal<Resolved<readonly ObjectRef<Date>[]>, Date[]>>();
  const wider: ObjectRef<number | string> = a;
  typeOf(await get(wider)).is<number | string>();
  // @ts-expect-error a ref cannot be narrowed
  const narrower: ObjectRef<1> = a;
  void narrower;
  // @ts-expect-error a look-alike is not a ref
  const fake: ObjectRef<number> = { id: "1-1", [Symbol.dispose]() {} };
  void fake;
}

export async function waits(a: ObjectRef<number>, stream: ObjectRefStream<string>): Promise<void> {
  const { ready, pending } = await wait([a], { count: 1, timeout: "1s" });
  typeOf(ready).is<ObjectRef<number>[]>();
  typeOf(pending).is<ObjectRef<number>[]>();
  const mixed = await wait([a, stream]);
  typeOf(mixed.ready).is<(ObjectRef<number> | ObjectRefStream<string>)[]>();
  // @ts-expect-error wait takes a list
  await wait(a);
}
