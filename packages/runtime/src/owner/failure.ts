/** Why a ref has no value: an encoded error that came from an executor, or an error made in this process. */
import { describeValue, IonoError, type RemoteOrigin } from "@iono/core";
import type { Codec } from "./codec.ts";
import type { Payload } from "./payload.ts";
import type { Received } from "./references.ts";
import { thisNodeId } from "../member/this-node.ts";

/** An encoded failure is the pair [error, origin]. */
export type FailurePair = [error: unknown, origin: RemoteOrigin];

export class Failure {
  readonly received: Received | null;
  readonly local: Error | null;
  /** Names of the tasks that failed because this one did, nearest first. */
  readonly dependents: readonly string[];

  constructor(received: Received | null, local: Error | null, dependents: readonly string[] = []) {
    this.received = received;
    this.local = local;
    this.dependents = dependents;
  }

  /** The same failure as seen by a task that needed the value. */
  through(dependent: string): Failure {
    return new Failure(this.received, this.local, [...this.dependents, dependent]);
  }

  /** A fresh error for one `get`: an instance of the user's class where it is known, with `remote` saying where it comes from. */
  async toError(codec: Codec): Promise<Error> {
    if (this.received === null)
      return this.#attach(this.#copyLocal(), this.local instanceof IonoError ? this.local.remote : undefined);
    const [thrown, origin] = (await codec.decode(this.received)) as FailurePair;
    const error = thrown instanceof Error ? thrown : new ThrownValue(thrown, origin);
    // The user's part of the stack is enough; what the executor did around it is left out.
    if (
      typeof error.stack === "string" &&
      error.stack.length > origin.stack.length &&
      error.stack.startsWith(origin.stack)
    ) {
      setStack(error, origin.stack);
    }
    return this.#attach(error, origin);
  }

  payload(codec: Codec): Payload {
    if (this.received !== null) return this.received.payload;
    const error = this.#copyLocal();
    const remote = error instanceof IonoError ? error.remote : undefined;
    const origin: RemoteOrigin = remote ?? {
      task: "",
      node: thisNodeId(),
      pid: process.pid,
      attempt: 0,
      stack: error.stack ?? "",
    };
    return codec.encode([error, origin] satisfies FailurePair, []).payload;
  }

  #attach(error: Error, origin: RemoteOrigin | undefined): Error {
    if (origin === undefined) return error;
    const { dependents } = this;
    const remote = dependents.length === 0 ? origin : { ...origin, dependents };
    Reflect.defineProperty(error, "remote", {
      value: remote,
      enumerable: false,
      configurable: true,
      writable: true,
    });
    if (dependents.length > 0) {
      const chain = dependents.map((name) => `    needed by ${name}`).join("\n");
      setStack(error, `${error.stack}\n${chain}`);
    }
    return error;
  }

  #copyLocal(): Error {
    const { local } = this;
    if (!(local instanceof IonoError)) return local ?? new Error("unknown failure");
    const copy = new IonoError(local.code, local.message, { cause: local.cause });
    Object.defineProperty(copy, "stack", { value: local.stack, configurable: true, writable: true });
    if (local.remote !== undefined) copy.remote = local.remote;
    return copy;
  }
}

/** An error that is frozen keeps what it has. */
function setStack(error: Error, stack: string): void {
  Reflect.defineProperty(error, "stack", {
    value: stack,
    configurable: true,
    writable: true,
    enumerable: false,
  });
}

/** A task threw something that is not an Error; `value` is what it threw. */
export class ThrownValue extends IonoError {
  readonly value: unknown;

  constructor(value: unknown, origin: RemoteOrigin) {
    super("TaskFailed", `${origin.task} threw ${describeValue(value)}, which is not an Error`);
    this.value = value;
  }
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
