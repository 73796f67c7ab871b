/** Handles: `handle.method.remote(...)`. One handle object a process and actor, so that handles compare equal. */
import { closestName, formatDuration, IonoError, type GetOptions } from "@iono/core";
import { inspect } from "node:util";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import { travelsByReference } from "../values/seam.ts";
import { actorIdOf } from "../worker/host-actor.ts";
import { Deadline } from "./deadline.ts";
import { MethodCaller } from "./method-caller.ts";
import { onNewMember } from "./runtime.ts";

const clients = new WeakMap<object, ActorClient>();

export function clientOf(handle: unknown): ActorClient | undefined {
  return typeof handle === "object" && handle !== null ? clients.get(handle) : undefined;
}

/** Whoever awaits, prints or compares a handle asks for these; a method of that name cannot be called from outside. */
const neverMethods = new Set(["then", "toJSON", "constructor"]);
/** Names that test runners and printers look for in any object. */
const probes = new Set([
  "asymmetricMatch",
  "nodeType",
  "tagName",
  "$$typeof",
  "@@__IMMUTABLE_ITERABLE__@@",
  "@@__IMMUTABLE_RECORD__@@",
]);

class ActorHandleObject {
  [inspect.custom](): string {
    const client = clients.get(this);
    return client === undefined
      ? "ActorHandle"
      : `ActorHandle(${client.descriptor.className}, ${actorIdOf(client.id)})`;
  }
}
Object.defineProperty(ActorHandleObject, "name", { value: "ActorHandle" });
Object.defineProperty(ActorHandleObject.prototype, travelsByReference, { value: true });

/** The handle of this process for a client's actor. */
export function makeHandle(client: ActorClient, member: Member): object {
  const known = client.handle?.deref();
  if (known !== undefined) return known;
  const callers = new Map<string, MethodCaller>();
  const target = new ActorHandleObject();
  const ready = (options?: GetOptions<AbortSignal>): Promise<void> => whenReady(client, member, options);
  const handle: object = new Proxy(target, {
    get(_target, property) {
      if (typeof property === "symbol") return Reflect.get(target, property);
      const caller = callers.get(property);
      if (caller !== undefined) return caller;
      if (neverMethods.has(property)) return undefined;
      const { methods, className } = client.descriptor;
      if (Object.hasOwn(methods, property)) {
        const made = new MethodCaller(handle, client, member, property, undefined);
        callers.set(property, made);
        return made;
      }
      if (property === "ready") return ready;
      if (probes.has(property)) return undefined;
      throw new TypeError(noSuchMethod(className, property, Object.keys(methods)));
    },
    has: (_target, property) =>
      typeof property === "symbol"
        ? Reflect.has(target, property)
        : Object.hasOwn(client.descriptor.methods, property),
    set: (_target, property) => refuseChange(client, property),
    defineProperty: (_target, property) => refuseChange(client, property),
    deleteProperty: (_target, property) => refuseChange(client, property),
    setPrototypeOf: () => refuseChange(client, "its prototype"),
    preventExtensions: () => refuseChange(client, "a frozen handle"),
    ownKeys: () => [],
  });
  clients.set(handle, client);
  member.watchHandle(client, handle);
  return handle;
}

function noSuchMethod(className: string, property: string, names: readonly string[]): string {
  const near = closestName(property, names);
  const hint = near === undefined ? `it has ${names.join(", ") || "none"}` : `did you mean ${near}?`;
  return `${className} has no method "${property}"; ${hint} (data, accessors and static members are not reachable through a handle)`;
}

function refuseChange(client: ActorClient, property: string | symbol): never {
  throw new TypeError(
    `cannot set ${String(property)}: the state of ${client.descriptor.className} is in its own process; call a method to change it`,
  );
}

async function whenReady(
  client: ActorClient,
  member: Member,
  options: GetOptions<AbortSignal> | undefined,
): Promise<void> {
  const { className } = client.descriptor;
  const deadline = new Deadline(
    options,
    (timeoutMs) =>
      new IonoError("GetTimeout", `actor ${className} is not ready after ${formatDuration(timeoutMs)}`),
  );
  // A task that waits gives up its place: the actor may need it in order to start.
  const interrupted = Promise.withResolvers<never>();
  const resumed = member.owner.surroundings.waiting(interrupted.reject);
  try {
    await deadline.within(Promise.race([client.whenReady(), interrupted.promise]));
  } finally {
    resumed?.();
  }
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
      return makeHandle(member.actorClient(wire.actor, true), member);
    },
  });
});
