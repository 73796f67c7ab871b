/** Why the calls of an actor fail: ActorDied, caused by the user's error where the constructor threw or had no arguments. */
import { IonoError } from "@iono/core";
import type { Codec } from "./codec.ts";
import { Failure } from "./failure.ts";
import type { Owner } from "./owner.ts";
import { unpackMessage, type Payload } from "./payload.ts";

export class ActorDeath extends Failure {
  readonly #reason: string;
  readonly #className: string;
  /** Decoded afresh for each `get`. */
  readonly #cause: Failure | null;

  constructor(className: string, reason: string, cause: Failure | null, dependents: readonly string[] = []) {
    super(null, new IonoError("ActorDied", `actor ${className} is dead: ${reason}`), dependents);
    this.#className = className;
    this.#reason = reason;
    this.#cause = cause;
  }

  override through(dependent: string): Failure {
    return new ActorDeath(this.#className, this.#reason, this.#cause, [...this.dependents, dependent]);
  }

  override async toError(codec: Codec): Promise<Error> {
    const error = await super.toError(codec);
    if (this.#cause !== null) error.cause = await this.#cause.toError(codec);
    return error;
  }
}

/** What the agent says of a dead actor. `error`: the packed pair that the constructor's failure is. */
export function actorDeath(
  owner: Owner,
  className: string,
  reason: string,
  error: Uint8Array | null,
): ActorDeath {
  if (error === null) return new ActorDeath(className, reason, null);
  const payload = unpackMessage(error, 0, error.length) as Payload;
  return new ActorDeath(className, reason, new Failure(owner.references.receive(payload, false), null));
}
