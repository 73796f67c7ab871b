/** Handles: `handle.method.remote(...)`. One handle object a process and actor, so that handles compare equal. */
import {
  compileGetOptions,
  compileMethodOptions,
  IonoError,
  type CompiledMethodOptions,
  type GetOptions,
  type MethodOptions,
} from "@iono/core";
import { inspect } from "node:util";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import type { ActorDescriptor } from "../owner/payload.ts";
import { Definition } from "../owner/definition.ts";
import { travelsByReference } from "../values/seam.ts";
import { onNewMember } from "./runtime.ts";

const clients = new WeakMap<object, ActorClient>();
const handles = new WeakMap<ActorClient, WeakRef<object>>();

export function clientOf(handle: unknown): ActorClient | undefined {
  return typeof handle === "object" && handle !== null ? clients.get(handle) : undefined;
}

interface HandleOptions {
  readonly methods?: Readonly<Record<string, CompiledMethodOptions>>;
  readonly maxPendingCalls?: number;
}

/** One method of one actor. */
class MethodCaller {
  readonly #client: ActorClient;
  readonly #member: Member;
  readonly #method: string;
  readonly #options: CompiledMethodOptions;
  readonly #key: string;
  #definition: Definition | null = null;

  constructor(client: ActorClient, member: Member, method: string, options: CompiledMethodOptions) {
    this.#client = client;
    this.#member = member;
    this.#method = method;
    this.#options = options;
    this.#key = `${method} ${JSON.stringify(options)}`;
  }

  remote(...args: unknown[]): unknown {
    const client = this.#client;
    const { maxPendingCalls = -1 } = client.descriptor.options as HandleOptions;
    if (maxPendingCalls >= 0) client.admit(maxPendingCalls);
    return this.#member.owner.submit((this.#definition ??= this.#define()), client, args);
  }

  options(overrides: MethodOptions): MethodCaller {
    const present = this.#options as unknown as MethodOptions;
    const compiled = compileMethodOptions(overrides);
    const given = Object.keys(overrides);
    const merged = {
      ...present,
      ...Object.fromEntries(
        Object.entries(compiled).filter(([name]) => given.some((each) => name.startsWith(each))),
      ),
    };
    return new MethodCaller(
      this.#client,
      this.#member,
      this.#method,
      merged as unknown as CompiledMethodOptions,
    );
  }

  #define(): Definition {
    const { descriptor, definitions } = this.#client;
    const known = definitions.get(this.#key);
    if (known !== undefined) return known;
    const options = this.#options;
    const name = options.name === "" ? `${descriptor.className}.${this.#method}` : options.name;
    const definition = new Definition({
      owner: this.#member.owner,
      number: this.#member.nextFunctionNumber(),
      key: `${descriptor.actor} ${this.#key}`,
      options: {
        name,
        numReturns: options.numReturns,
        retries: 0,
        retryOn: null,
        retryDelayMs: 0,
        timeoutMs: options.timeoutMs,
        cancelGraceMs: options.cancelGraceMs,
        backpressure: options.backpressure || defaultBackpressure,
        maxCalls: 0,
      },
      generator: descriptor.methods[this.#method]?.generator === true,
      payload: null,
      method: this.#method,
      group: options.concurrencyGroup,
      holds: [],
    });
    definitions.set(this.#key, definition);
    return definition;
  }
}

const defaultBackpressure = 1024;
const defaultMethodOptions = compileMethodOptions();
/** Names that test runners and printers look for in any object. */
const probes = new Set([
  "then",
  "toJSON",
  "constructor",
  "asymmetricMatch",
  "nodeType",
  "tagName",
  "$$typeof",
  "@@__IMMUTABLE_ITERABLE__@@",
  "@@__IMMUTABLE_RECORD__@@",
]);

class ActorHandleObject {}
Object.defineProperty(ActorHandleObject, "name", { value: "ActorHandle" });
Object.defineProperty(ActorHandleObject.prototype, travelsByReference, { value: true });

export function makeHandle(client: ActorClient, member: Member): object {
  const known = handles.get(client)?.deref();
  if (known !== undefined) return known;
  const callers = new Map<string, MethodCaller>();
  const ready = (options?: GetOptions): Promise<void> =>
    withTimeout(client.whenReady(), compileGetOptions(options).timeoutMs, client);
  const describe = (): string => `ActorHandle(${client.descriptor.className}, ${client.id.toString(36)})`;
  const handle = new Proxy(new ActorHandleObject(), {
    get(target, property) {
      if (typeof property === "symbol")
        return property === inspect.custom ? describe : Reflect.get(target, property);
      if (property === "ready" && !("ready" in client.descriptor.methods)) return ready;
      let caller = callers.get(property);
      if (caller !== undefined) return caller;
      const { methods, className, options } = client.descriptor;
      if (!Object.hasOwn(methods, property)) {
        if (probes.has(property)) return undefined;
        throw new TypeError(
          `${className} has no method "${property}"; it has ${Object.keys(methods).join(", ") || "none"}`,
        );
      }
      caller = new MethodCaller(
        client,
        member,
        property,
        (options as HandleOptions).methods?.[property] ?? defaultMethodOptions,
      );
      callers.set(property, caller);
      return caller;
    },
    has: (target, property) =>
      typeof property === "symbol"
        ? Reflect.has(target, property)
        : Object.hasOwn(client.descriptor.methods, property),
    set() {
      throw new TypeError(
        `the state of ${client.descriptor.className} is in its own process; call a method to change it`,
      );
    },
    ownKeys: () => [],
  });
  clients.set(handle, client);
  handles.set(client, new WeakRef(handle));
  return handle;
}

function withTimeout(promise: Promise<void>, timeoutMs: number, client: ActorClient): Promise<void> {
  if (timeoutMs === Infinity) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new IonoError(
            "GetTimeout",
            `actor ${client.descriptor.className} is not ready after ${timeoutMs} ms`,
          ),
        ),
      timeoutMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

onNewMember((member) => {
  member.owner.references.register({
    kind: "actor",
    leave(object) {
      const client = clients.get(object);
      return client === undefined ? undefined : { kind: "actor", actor: client.descriptor };
    },
    arrive(wire) {
      if (wire.kind !== "actor") throw new Error("unreachable");
      return makeHandle(member.actorClient(wire.actor as ActorDescriptor, true), member);
    },
  });
});
