/** `remote(Class)`: what makes actors. */
import { compileActorOptions, IonoError, type ActorOptions, type CompiledActorOptions } from "@iono/core";
import { isImporting } from "../capture/index.ts";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import type { Outgoing } from "../owner/codec.ts";
import { ActorDeath } from "../owner/actor-death.ts";
import { Failure, toError } from "../owner/failure.ts";
import { addWaiter, Ref, refState } from "../owner/object-ref.ts";
import { packMessage, type ActorDescriptor, type ClassReference } from "../owner/payload.ts";
import { travelsByReference } from "../values/seam.ts";
import type { ActorPayload } from "../worker/host-actor.ts";
import { makeHandle } from "./actor-handle.ts";
import { ClassCode, type EncodedClass } from "./class-code.ts";
import type { HandleOptions } from "./method-caller.ts";
import { currentMember, onNewMember } from "./runtime.ts";

export function isClass(target: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(target));
}

export class RemoteClassObject {
  readonly #code: ClassCode;
  readonly #options: ActorOptions | undefined;
  readonly #overrides: ActorOptions | undefined;
  readonly #compiled: CompiledActorOptions;

  /** @throws IonoError BadOption naming the option. */
  constructor(code: ClassCode, options: ActorOptions | undefined, overrides: ActorOptions | undefined) {
    this.#code = code;
    this.#options = options;
    this.#overrides = overrides;
    this.#compiled = compileActorOptions(options, overrides, {
      methodNames: Object.keys(code.methods),
      hasAsyncMethods: Object.values(code.methods).some((method) => method.async),
    });
  }

  /** The plain class, for unit tests. */
  get local(): Function {
    return this.#code.local;
  }

  options(overrides: ActorOptions): RemoteClassObject {
    return new RemoteClassObject(this.#code, this.#options, { ...this.#overrides, ...overrides });
  }

  /** @internal How it travels inside a value. */
  leave(member: Member): ClassReference {
    return this.#code.leave(member, { base: this.#options ?? {}, overrides: this.#overrides ?? {} });
  }

  remote(...args: unknown[]): object {
    const { name: className, methods } = this.#code;
    if (isImporting()) {
      throw new IonoError(
        "SubmittedWhileImporting",
        `${className}.remote() was called while a worker imports a module`,
      );
    }
    const member = currentMember();
    const options = this.#compiled;
    const { codec } = member.owner;
    const actorClass = this.#code.encode(member);
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
      strategy: options.strategyKey,
      maxConcurrency: options.maxConcurrency,
      groups: options.concurrencyGroups,
      methods,
      options: this.#handleOptions(),
    };
    if (options.detached) warnOfOwnNamespace(descriptor);
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
Object.defineProperty(RemoteClassObject.prototype, travelsByReference, { value: true });

/** The namespace of a program that named none (driver.ts) is found by nobody afterwards. */
function warnOfOwnNamespace({ className, name, namespace }: ActorDescriptor): void {
  if (!namespace.startsWith("job-")) return;
  const text = `the detached actor ${name || className} lives on after this program, in a namespace that no other finds; name one with init({ namespace })`;
  process.emitWarning(text, "IonoWarning");
}

/** Declares the actor at once, so that its handle may go anywhere; its arguments follow when they are there. */
function create(
  member: Member,
  client: ActorClient,
  actorClass: EncodedClass,
  given: readonly (Outgoing | Ref)[],
): void {
  const { descriptor } = client;
  const isReady = given.every((each) => !(each instanceof Ref) || isValue(each));
  const payload = isReady ? payloadOf(member, actorClass, given) : null;
  const holding = [actorClass, ...given].some((each) => each instanceof Ref || each.payload.form !== 0);
  const request = member.agent.request<ActorDescriptor | null>({
    t: "create actor",
    actor: { ...descriptor, payload },
  });
  const supply = (): void => {
    const failure = failureOf(given);
    if (failure === null) {
      member.agent.notify({
        t: "supply actor",
        actor: descriptor.actor,
        payload: payloadOf(member, actorClass, given),
      });
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
        if (client.dead)
          member.agent.notify({ t: "kill actor", actor: existing.actor, reason: "it was killed by kill()" });
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

function payloadOf(
  member: Member,
  actorClass: EncodedClass,
  given: readonly (Outgoing | Ref)[],
): ActorPayload {
  return {
    key: actorClass.key,
    actorClass: actorClass.payload,
    companions: actorClass.companions,
    args: given.map((each) => {
      if (!(each instanceof Ref)) return each.payload;
      member.owner.references.contained(each);
      return member.owner.payloadOf(each);
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

export function createRemoteClass(target: Function, options: object | undefined): RemoteClassObject {
  return new RemoteClassObject(new ClassCode({ target }), options, undefined);
}

onNewMember((member) => {
  member.owner.references.register({
    kind: "class",
    leave: (object) => (object instanceof RemoteClassObject ? object.leave(member) : undefined),
    arrive: (wire) => {
      if (wire.kind !== "class") throw new Error("unreachable");
      if (wire.payload !== undefined) member.learnDefinition(wire.key, wire.payload);
      for (const [key, payload] of wire.companions ?? []) member.learnDefinition(key, payload);
      const received =
        wire.payload === undefined ? null : member.owner.references.receive(wire.payload, false);
      const { base, overrides } = wire.options as { base: ActorOptions; overrides: ActorOptions };
      return new RemoteClassObject(new ClassCode({ reference: wire, received }), base, overrides);
    },
  });
});
