/** `kill`, `exitActor`, `getActor`, `listNamedActors`. */
import { IonoError } from "@iono/core";
import { ActorExit } from "../executor/actor-exit.ts";
import { taskStorage } from "../executor/task-context.ts";
import { Failure } from "../owner/failure.ts";
import type { ActorDescriptor } from "../owner/payload.ts";
import { clientOf, makeHandle } from "./actor-handle.ts";
import { currentMember } from "./runtime.ts";
import type { GetActor } from "./types.ts";

/** Ends an actor at once; its pending calls fail with ActorDied. */
export function kill(handle: object): void {
  const client = clientOf(handle);
  if (client === undefined) throw new IonoError("BadOption", "kill() takes an actor handle");
  const reason = "it was killed by kill()";
  currentMember().agent.notify({ t: "kill actor", actor: client.id, reason });
  client.die(new Failure(null, new IonoError("ActorDied", `actor ${client.descriptor.className} is dead: ${reason}`)));
}

/** Inside an actor's method: ends the actor. The call and those queued behind it fail with ActorDied. Does not return. */
export function exitActor(): never {
  const running = taskStorage.getStore();
  if (running === undefined || running.executor.actor === null) {
    throw new TypeError("exitActor() can only be called inside a method of an actor");
  }
  running.executor.exitActor();
  throw new ActorExit();
}

export const getActor = (async (first: unknown, second?: unknown, third?: { namespace?: string }): Promise<object> => {
  const name = typeof first === "string" ? first : second;
  const options = (typeof first === "string" ? second : third) as { namespace?: string } | undefined;
  if (typeof name !== "string" || name === "") {
    throw new IonoError("BadOption", `getActor: the name must be a non-empty string, not ${JSON.stringify(name) ?? String(name)}`);
  }
  const member = currentMember();
  const namespace = options?.namespace ?? member.options.namespace;
  const descriptor = await member.agent.request<ActorDescriptor>({ t: "get actor", name, namespace });
  return makeHandle(member.actorClient(descriptor, false, true), member);
}) as GetActor;

/** Living named actors of this program's namespace, or of all. */
export async function listNamedActors(options: { allNamespaces?: boolean } = {}): Promise<{ name: string; namespace: string }[]> {
  const member = currentMember();
  return member.agent.request({ t: "list actors", namespace: options.allNamespaces === true ? null : member.options.namespace });
}
