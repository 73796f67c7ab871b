/** `remote(Class)`: what makes actors. */
import {
  compileActorOptions,
  IonoError,
  type ActorMethod,
  type ActorOptions,
  type ActorSpec,
  type CompiledActorOptions,
} from "@iono/core";
import { isImporting } from "../capture/index.ts";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import type { Outgoing } from "../owner/codec.ts";
import { Failure } from "../owner/failure.ts";
import { addWaiter, Ref, refState } from "../owner/object-ref.ts";
import { toError } from "../owner/owner.ts";
import { makeHandle } from "./actor-handle.ts";
import { currentMember } from "./runtime.ts";

export function isClass(target: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(target));
}

export class RemoteClassObject {
  readonly local: Function;
  readonly #options: ActorOptions | undefined;
  readonly #overrides: ActorOptions | undefined;
  readonly #compiled: CompiledActorOptions;
  readonly #methods: Record<string, ActorMethod>;

  constructor(target: Function, options: ActorOptions | undefined, overrides: ActorOptions | undefined) {
    this.local = target;
    this.#options = options;
    this.#overrides = overrides;
    this.#methods = methodsOf(target);
    this.#compiled = compileActorOptions(options, overrides, {
      methodNames: Object.keys(this.#methods),
      hasAsyncMethods: Object.values(this.#methods).some((method) => method.async),
    });
  }

  options(overrides: ActorOptions): RemoteClassObject {
    return new RemoteClassObject(this.local, this.#options, { ...this.#overrides, ...overrides });
  }

  remote(...args: unknown[]): object {
    const className = this.local.name === "" ? "anonymous" : this.local.name;
    if (isImporting()) {
      throw new IonoError(
        "SubmittedWhileImporting",
        `${className}.remote() was called while a worker imports a module`,
      );
    }
    const member = currentMember();
    const options = this.#compiled;
    const { codec } = member.owner;
    const actorClass = codec.encode(this.local, [className]);
    // Snapshots now (I3); refs wait for their values.
    const given = args.map((value, i) =>
      value instanceof Ref ? value : codec.encode(value, [`argument ${i} of new ${className}`]),
    );
    const descriptor = {
      actor: member.nextActorId(),
      className,
      name: options.name,
      namespace: options.namespace === "" ? member.options.namespace : options.namespace,
      getIfExists: options.getIfExists,
      detached: options.detached,
      placement: options.placementResources,
      running: options.resources,
      maxConcurrency: options.maxConcurrency,
      groups: options.concurrencyGroups,
      methods: this.#methods,
      options: { methods: options.methods, maxPendingCalls: options.maxPendingCalls },
    };
    const client = member.actorClient(descriptor, false);
    client.holds = [actorClass, ...given];
    whenSettled(given, () =>
      create(member, client, { ...descriptor, payload: payloadOf(member, actorClass, given) }),
    );
    return makeHandle(client, member);
  }
}
Object.defineProperty(RemoteClassObject, "name", { value: "RemoteClass" });

function create(member: Member, client: ActorClient, spec: ActorSpec): void {
  const failed = (client.holds as Array<Outgoing | Ref>).find(
    (each): each is Ref => each instanceof Ref && each.state === refState.error,
  );
  if (failed !== undefined) {
    client.die((failed.value as Failure).through(`new ${spec.className}`));
    return;
  }
  member.agent.request<ActorSpec | null>({ t: "create actor", actor: spec }).then(
    (existing) => {
      if (existing !== null) member.redirect(client, existing);
      client.created();
    },
    (error: unknown) => client.die(new Failure(null, toError(error))),
  );
}

function payloadOf(member: Member, actorClass: Outgoing, given: readonly (Outgoing | Ref)[]): unknown {
  return {
    actorClass: actorClass.payload,
    args: given.map((each) => {
      if (!(each instanceof Ref)) return each.payload;
      return each.state === refState.error ? null : member.owner.payloadOf(each);
    }),
  };
}

/** Runs `then` once every ref is settled: at once, when none is pending. */
function whenSettled(items: readonly unknown[], then: () => void): void {
  const pending = new Set(
    items.filter((each): each is Ref => each instanceof Ref && each.state === refState.pending),
  );
  let left = pending.size;
  if (left === 0) then();
  for (const ref of pending) {
    addWaiter(ref, {
      settled() {
        if (--left === 0) then();
      },
    });
  }
}

/** Public methods along the prototype chain, with how their calls travel. */
function methodsOf(target: Function): Record<string, ActorMethod> {
  const methods: Record<string, ActorMethod> = {};
  for (
    let prototype: object | null = target.prototype as object | null;
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name === "constructor" || name in methods) continue;
      const member = Object.getOwnPropertyDescriptor(prototype, name)?.value as unknown;
      if (typeof member !== "function") continue;
      const kind = member.constructor.name;
      methods[name] = { generator: kind.endsWith("GeneratorFunction"), async: kind.startsWith("Async") };
    }
  }
  return methods;
}

export function createRemoteClass(target: Function, options: object | undefined): RemoteClassObject {
  return new RemoteClassObject(target, options as ActorOptions | undefined, undefined);
}
