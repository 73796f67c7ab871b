/** `remote(Class)`: what makes actors. */
import {
  compileActorOptions,
  IonoError,
  type ActorMethod,
  type ActorOptions,
  type CompiledActorOptions,
} from "@iono/core";
import { isImporting } from "../capture/index.ts";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import type { Outgoing } from "../owner/codec.ts";
import { ActorDeath } from "../owner/actor-death.ts";
import { Failure } from "../owner/failure.ts";
import { addWaiter, Ref, refState } from "../owner/object-ref.ts";
import { toError } from "../owner/owner.ts";
import { packMessage, type ActorDescriptor } from "../owner/payload.ts";
import type { ActorPayload } from "../worker/host-actor.ts";
import { makeHandle } from "./actor-handle.ts";
import type { HandleOptions } from "./method-caller.ts";
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
    const descriptor: ActorDescriptor = {
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
      options: this.#handleOptions(),
    };
    const client = member.actorClient(descriptor, false);
    client.holds = [actorClass, ...given];
    create(member, client, actorClass, given);
    return makeHandle(client, member);
  }

  #handleOptions(): HandleOptions {
    const methods = this.#overrides?.methods ?? this.#options?.methods ?? {};
    return { methods, maxPendingCalls: this.#compiled.maxPendingCalls };
  }
}
Object.defineProperty(RemoteClassObject, "name", { value: "RemoteClass" });

/** Declares the actor at once, so that its handle may go anywhere; its arguments follow when they are there. */
function create(member: Member, client: ActorClient, actorClass: Outgoing, given: readonly (Outgoing | Ref)[]): void {
  const { descriptor } = client;
  const isReady = given.every((each) => !(each instanceof Ref) || isValue(each));
  const payload = isReady ? payloadOf(member, actorClass, given) : null;
  const holding = [actorClass, ...given].some((each) => each instanceof Ref || each.payload.form !== 0);
  const request = member.agent.request<ActorDescriptor | null>({ t: "create actor", actor: { ...descriptor, payload } });
  const supply = (): void => {
    const failure = failureOf(given);
    if (failure === null) {
      member.agent.notify({ t: "supply actor", actor: descriptor.actor, payload: payloadOf(member, actorClass, given) });
      client.created(holding);
      return;
    }
    const reason = `an argument of its constructor failed${failure.text}`;
    const error = failure.failure === null ? null : packMessage(failure.failure.payload(member.owner.codec));
    member.agent.notify({ t: "abandon actor", actor: descriptor.actor, reason, error });
    client.die(new ActorDeath(descriptor.className, reason, failure.failure));
  };
  void member
    .acquireActor(request, (existing) => {
      if (existing !== null) {
        // Killed before it was known whom that meant.
        if (client.dead) member.agent.notify({ t: "kill actor", actor: existing.actor, reason: "it was killed by kill()" });
        const known = member.redirect(client, existing);
        if (known === null) client.created(false);
        else client.standFor(known, makeHandle(known, member));
      } else if (payload !== null) client.created(holding);
      else {
        client.created(false);
        whenSettled(given, supply);
      }
    })
    .catch((error: unknown) => client.die(new Failure(null, toError(error))));
}

function isValue({ state }: Ref): boolean {
  return state !== refState.pending && state !== refState.error && state !== refState.freed;
}

/** The first argument without a value, when all are settled. */
function failureOf(given: readonly (Outgoing | Ref)[]): { failure: Failure | null; text: string } | null {
  for (const [i, each] of given.entries()) {
    if (!(each instanceof Ref) || isValue(each)) continue;
    if (each.value instanceof Failure) return { failure: each.value, text: ` (argument ${i}, ${each.id})` };
    return { failure: null, text: `: argument ${i}, ${each.id}, was released` };
  }
  return null;
}

function payloadOf(member: Member, actorClass: Outgoing, given: readonly (Outgoing | Ref)[]): ActorPayload {
  return {
    actorClass: actorClass.payload,
    args: given.map((each) => (each instanceof Ref ? member.owner.payloadOf(each) : each.payload)),
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
      if (name === "constructor" || Object.hasOwn(methods, name)) continue;
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
