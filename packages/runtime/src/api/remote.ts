/** `remote(fn)` and `remote(Class)`. */
import {
  compileTaskOptions,
  IonoError,
  leaseKey,
  type CompiledTaskOptions,
  type TaskOptions,
} from "@iono/core";
import { isImporting, isVolatile } from "../capture/index.ts";
import type { Member } from "../member/member.ts";
import { companionsOf } from "../owner/companions.ts";
import { Definition } from "../owner/definition.ts";
import type { LeasePool } from "../owner/lease-pool.ts";
import type { FunctionReference, Payload } from "../owner/payload.ts";
import type { Received } from "../owner/references.ts";
import { travelsByReference } from "../values/seam.ts";
import { CodeSize } from "./code-size.ts";
import { createRemoteClass, isClass } from "./remote-class.ts";
import { currentMember, onNewMember } from "./runtime.ts";
import type { Remote } from "./types.ts";

const generatorKinds = new Set(["GeneratorFunction", "AsyncGeneratorFunction"]);

/** What a remote function is made from: the function itself, or its definition as it came from elsewhere. */
type Source =
  | { readonly fn: Function }
  | { readonly reference: FunctionReference; readonly received: Received | null };

export class RemoteFunctionObject {
  readonly #source: Source;
  readonly #options: TaskOptions | undefined;
  readonly #overrides: TaskOptions | undefined;
  readonly #compiled: CompiledTaskOptions;
  readonly #name: string;
  readonly #generator: boolean;
  readonly #codeSize = new CodeSize();
  /** Bindings that are assigned elsewhere are captured anew at each call. */
  #volatile = false;
  #member: Member | null = null;
  #definition: Definition | null = null;
  #pool: LeasePool | null = null;
  #variants: Map<string, RemoteFunctionObject> | null = null;

  constructor(source: Source, options: TaskOptions | undefined, overrides: TaskOptions | undefined) {
    this.#source = source;
    this.#options = options;
    this.#overrides = overrides;
    this.#compiled = compileTaskOptions(options, overrides);
    if ("fn" in source) {
      this.#name =
        this.#compiled.name !== ""
          ? this.#compiled.name
          : source.fn.name !== ""
            ? source.fn.name
            : "anonymous";
      this.#generator = generatorKinds.has(source.fn.constructor.name);
    } else {
      this.#name = this.#compiled.name !== "" ? this.#compiled.name : source.reference.name;
      this.#generator = source.reference.generator;
    }
  }

  remote(...args: unknown[]): unknown {
    if (isImporting()) {
      throw new IonoError(
        "SubmittedWhileImporting",
        `${this.#name}.remote() was called while a worker imports a module`,
      );
    }
    const member = currentMember();
    const definition = this.#define(member);
    return member.owner.submit(definition, this.#pool as LeasePool, args);
  }

  options(overrides: TaskOptions): RemoteFunctionObject {
    const merged = { ...this.#overrides, ...overrides };
    let key: string | null;
    try {
      key = JSON.stringify(merged, (_name, value: unknown) => {
        if (typeof value === "function") throw new TypeError("functions have no key");
        return value;
      });
    } catch {
      key = null;
    }
    const known = key === null ? undefined : this.#variants?.get(key);
    if (known !== undefined) return known;
    const variant = new RemoteFunctionObject(this.#source, this.#options, merged);
    if (key !== null && (this.#variants?.size ?? 0) < maxVariants)
      (this.#variants ??= new Map()).set(key, variant);
    return variant;
  }

  /** The plain function, for unit tests. */
  get local(): Function {
    if ("fn" in this.#source) return this.#source.fn;
    throw new IonoError(
      "NotInitialized",
      `${this.#name} came from another process: its plain function is not here; call .remote()`,
    );
  }

  /** @internal How it travels inside a value. */
  leave(member: Member): FunctionReference {
    if (!("fn" in this.#source) && this.#definition === null) return this.#source.reference;
    const inProgress = encoding.has(this);
    if (inProgress) this.#wasLeftOut = true;
    const definition = inProgress ? null : this.#define(member);
    const companions = definition?.companions() ?? [];
    return {
      kind: "function",
      key: this.#key(member),
      options: { base: this.#options ?? {}, overrides: this.#overrides ?? {} },
      name: this.#name,
      generator: this.#generator,
      ...(definition?.payload === null || definition === null
        ? {}
        : { payload: member.owner.references.currentPayload(definition.payload, definition.holds) }),
      ...(companions.length === 0 ? {} : { companions }),
    };
  }

  /** Some payload names it without bringing it: who sends that one looks here for this one's. */
  #wasLeftOut = false;
  #numbers = new WeakMap<Member, number>();

  #number(member: Member): number {
    let number = this.#numbers.get(member);
    if (number === undefined) this.#numbers.set(member, (number = member.nextFunctionNumber()));
    return number;
  }

  #key(member: Member): string {
    return "fn" in this.#source ? `${member.number}:${this.#number(member)}` : this.#source.reference.key;
  }

  #define(member: Member): Definition {
    if (this.#member === member && this.#definition !== null && !this.#volatile) return this.#definition;
    const known = this.#member === member ? this.#definition : null;
    // Asked again while it is: what a function captures may have had no value yet.
    if ("fn" in this.#source && (known === null || this.#volatile))
      this.#volatile = isVolatile(this.#source.fn);
    const { payload, holds } = this.#encode(member);
    if (known !== null && samePayload(known.payload, payload)) return known;
    if (known !== null) this.#numbers.delete(member);
    const key = this.#key(member);
    if (this.#wasLeftOut) member.learnDefinition(key, payload);
    const { resources, strategyKey } = this.#compiled;
    const definition = new Definition({
      owner: member.owner,
      number: this.#number(member),
      key,
      options: {
        ...this.#compiled,
        name: this.#name,
        backpressure: this.#compiled.backpressure || defaultBackpressure,
      },
      generator: this.#generator,
      payload,
      method: null,
      holds,
      companions: () => companionsOf(payload, key, (each) => member.definitionPayload(each)),
    });
    member.watchDefinition(definition);
    this.#member = member;
    this.#pool = member.pool(leaseKey(resources, strategyKey), resources, strategyKey);
    return (this.#definition = definition);
  }

  #encode(member: Member): { payload: Payload; holds: readonly object[] } {
    if (!("fn" in this.#source)) {
      const { received, reference } = this.#source;
      const payload = received?.payload ?? member.definitionPayload(reference.key);
      if (payload === null) throw new IonoError("ObjectLost", `the code of ${this.#name} did not arrive`);
      return { payload, holds: received === null ? [] : [received] };
    }
    encoding.add(this);
    try {
      const encoded = member.owner.codec.encode(this.#source.fn, [this.#name]);
      this.#codeSize.check(member, this.#name, encoded.payload);
      return encoded;
    } finally {
      encoding.delete(this);
    }
  }
}
Object.defineProperty(RemoteFunctionObject, "name", { value: "RemoteFunction" });
Object.defineProperty(RemoteFunctionObject.prototype, travelsByReference, { value: true });

/** Remote functions whose code is being encoded further out: a function that submits itself. */
const encoding = new Set<RemoteFunctionObject>();
const maxVariants = 1000;
const defaultBackpressure = 1024;

function samePayload(a: Payload | null, b: Payload): boolean {
  return a !== null && a.form === 0 && b.form === 0 && Buffer.compare(a.bytes, b.bytes) === 0;
}

onNewMember((member) => {
  member.owner.references.register({
    kind: "function",
    leave: (object) => (object instanceof RemoteFunctionObject ? object.leave(member) : undefined),
    arrive: (wire) => {
      if (wire.kind !== "function") throw new Error("unreachable");
      if (wire.payload !== undefined) member.learnDefinition(wire.key, wire.payload);
      for (const [key, payload] of wire.companions ?? []) member.learnDefinition(key, payload);
      const received =
        wire.payload === undefined ? null : member.owner.references.receive(wire.payload, false);
      const { base, overrides } = wire.options as { base: TaskOptions; overrides: TaskOptions };
      return new RemoteFunctionObject({ reference: wire, received }, base, overrides);
    },
  });
});

/** Makes a function or class remote. Its options are checked here; it is captured at its first `.remote()`. */
export const remote: Remote = ((target: Function, options?: object): unknown => {
  if (typeof target !== "function") {
    throw new IonoError(
      "BadOption",
      `remote() takes a function or a class, not ${target === null ? "null" : typeof target}`,
    );
  }
  if (isClass(target)) return createRemoteClass(target, options);
  return new RemoteFunctionObject({ fn: target }, options, undefined);
}) as Remote;
