/** Makes this worker the process of one actor. */
import { creatorOf, formatOwnedId, IonoError, type ActorSpec } from "@iono/core";
import type { Executor } from "../executor/executor.ts";
import type { ActorInstance } from "../executor/user-code.ts";
import { originOf, stableError } from "../executor/failures.ts";
import type { ConcurrencyGroup } from "../executor/task-context.ts";
import type { Member } from "../member/member.ts";
import type { Companion } from "../owner/companions.ts";
import { packMessage, type Payload } from "../owner/payload.ts";
import { toError } from "../owner/failure.ts";

/** What makes an actor, encoded. */
export interface ActorPayload {
  /** By which the class is known when it names itself. */
  readonly key: string;
  readonly actorClass: Payload;
  /** Definitions that the class names and does not bring. */
  readonly companions: readonly Companion[];
  readonly args: readonly Payload[];
}

/** Told when the constructor has run: with its packed failure and what to say of it, or with null. */
export type ConstructionReport = (error: Uint8Array | null, message: string) => void;

export function hostActor(
  member: Member,
  executor: Executor,
  spec: ActorSpec,
  report: ConstructionReport,
): void {
  const defaultGroup: ConcurrencyGroup = { name: "default", limit: spec.maxConcurrency, running: 0 };
  const named = new Map<string, ConcurrencyGroup>();
  const byMethod = new Map<string, ConcurrencyGroup>();
  for (const { name, limit, methods } of spec.groups) {
    const group: ConcurrencyGroup = { name, limit, running: 0 };
    named.set(name, group);
    for (const method of methods) byMethod.set(method, group);
  }
  const hosted = {
    id: actorIdOf(spec.actor),
    target: {} as object,
    className: spec.className,
    ended: null as IonoError | null,
    groups: [defaultGroup, ...named.values()],
    groupOf: (method: string, group: string): ConcurrencyGroup =>
      (group !== "" ? named.get(group) : byMethod.get(method)) ?? defaultGroup,
  } satisfies ActorInstance;
  const constructed = construct(member, spec).then(
    (target) => {
      hosted.target = target;
      report(null, "");
    },
    (error: unknown) => {
      const message = `its constructor threw ${toError(error).name}: ${toError(error).message}`;
      hosted.ended = new IonoError("ActorDied", `actor ${spec.className} is dead: ${message}`);
      report(packFailure(member, error, spec.className), message);
    },
  );
  executor.become(hosted, constructed);
}

/** The id that people see of an actor. */
export function actorIdOf(actor: number): string {
  const { process, count } = creatorOf(actor);
  return formatOwnedId("actor", process, count);
}

async function construct(member: Member, spec: ActorSpec): Promise<object> {
  const { key, actorClass, companions, args } = spec.payload as ActorPayload;
  for (const [each, payload] of [[key, actorClass] as const, ...companions])
    member.learnDefinition(each, payload);
  const { owner } = member;
  const received = [actorClass, ...args].map((payload) => owner.references.receive(payload, false));
  await owner.borrows.confirmed();
  const [target, ...values] = await Promise.all(received.map((each) => owner.codec.decode(each)));
  const Class = target as new (...args: unknown[]) => object;
  return new Class(...values);
}

function packFailure(member: Member, error: unknown, className: string): Uint8Array {
  const origin = originOf(error, `new ${className}`, 0);
  try {
    return packMessage(member.owner.codec.encode([error, origin], ["error"]).payload);
  } catch (reason) {
    return packMessage(
      member.owner.codec.encode([stableError(error, toError(reason)), origin], ["error"]).payload,
    );
  }
}
