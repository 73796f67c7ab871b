/** The call of the user's function or method. */
import { IonoError } from "@iono/core";
import type { ExecutorDefinition } from "./executor-link.ts";
import type { ConcurrencyGroup } from "./task-context.ts";

/** The object an actor's calls go to. */
export interface ActorInstance {
  /** `actor-1-2`. */
  readonly id: string;
  readonly target: object;
  readonly className: string;
  groupOf(method: string, group: string): ConcurrencyGroup;
  /** Some group has a limit above 1: entries of one caller may overlap. */
  readonly groups: readonly ConcurrencyGroup[];
  /** Set once it ended by `exitActor` or a failed constructor. */
  ended: IonoError | null;
}

export function cancelled(name: string): IonoError {
  return new IonoError("TaskCancelled", `${name} was cancelled`);
}

/** Calls the function, or the method of the actor. The name is where stacks are cut (failures.ts). */
export function runUserCode(
  definition: ExecutorDefinition,
  actor: ActorInstance | null,
  args: unknown[],
): unknown {
  const { fn, method } = definition;
  if (fn instanceof Error) throw fn;
  if (method === null) return (fn as Function)(...args);
  if (actor === null) throw new IonoError("ActorDied", "this process hosts no actor");
  if (actor.ended !== null) throw actor.ended;
  const target = actor.target as Record<string, unknown>;
  const member = target[method];
  if (typeof member !== "function") throw new TypeError(`${actor.className} has no method "${method}"`);
  return member.apply(target, args);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null && typeof value === "object" && typeof (value as { then?: unknown }).then === "function"
  );
}
