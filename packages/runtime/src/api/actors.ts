/** `kill`, `exitActor`, `getActor`, `listNamedActors`. */
import {
  compileGetActor,
  compileListNamedActors,
  IonoError,
  type GetActorOptions,
  type ListNamedActorsOptions,
} from "@iono/core";
import { ActorExit } from "../executor/actor-exit.ts";
import { taskStorage } from "../executor/task-context.ts";
import type { ActorDescriptor } from "../owner/payload.ts";
import { clientOf, makeHandle } from "./actor-handle.ts";
import { RemoteClassObject } from "./remote-class.ts";
import { currentMember } from "./runtime.ts";
import type { GetActor } from "./types.ts";

/** Ends an actor at once; its pending calls fail with ActorDied. */
export function kill(handle: object): void {
  const client = clientOf(handle);
  if (client === undefined) throw new IonoError("BadOption", "kill() takes an actor handle");
  client.kill("it was killed by kill()");
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

/** @throws IonoError NoSuchActor; BadOption naming the field, the value and what would be right. */
export const getActor = (async (
  first: unknown,
  second?: unknown,
  third?: GetActorOptions,
): Promise<object> => {
  const byClass = typeof first === "function" || first instanceof RemoteClassObject;
  const options = (byClass ? third : second) as GetActorOptions | undefined;
  const { name, namespace } = compileGetActor(byClass ? second : first, options);
  const member = currentMember();
  const request = member.agent.request<ActorDescriptor>({
    t: "get actor",
    name,
    namespace: namespace || member.options.namespace,
  });
  let handle: object = {};
  await member.acquireActor(request, (descriptor) => {
    handle = makeHandle(member.actorClient(descriptor, false, true), member);
  });
  return handle;
}) as GetActor;

/**
 * Living named actors: of this program's namespace, of another, or of all.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export async function listNamedActors(
  options?: ListNamedActorsOptions,
): Promise<{ name: string; namespace: string }[]> {
  const namespace = compileListNamedActors(options);
  const member = currentMember();
  return member.agent.request({
    t: "list actors",
    namespace: namespace === "" ? member.options.namespace : namespace,
  });
}
