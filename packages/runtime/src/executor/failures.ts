/** Errors of user code on their way to the caller. */
import { CannotTravelError, type RemoteOrigin } from "@iono/core";

export function originOf(error: unknown, task: string, attempt: number): RemoteOrigin {
  return {
    task,
    node: "local",
    pid: process.pid,
    attempt,
    stack: error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error),
  };
}

/** An error that cannot travel as it is keeps its name, message and stack, and says what was lost. */
export function stableError(error: unknown, reason: Error): Error {
  if (!(error instanceof Error)) {
    return new CannotTravelError(["error"], `the task threw a value that cannot travel (${reason.message})`);
  }
  const plain = new Error(error.message);
  plain.name = error.name;
  if (error.stack !== undefined) Object.defineProperty(plain, "stack", { value: error.stack, configurable: true, writable: true });
  Object.defineProperty(plain, "cause", { value: plainText(reason), configurable: true, writable: true, enumerable: false });
  return plain;
}

function plainText(reason: Error): string {
  return `parts of this error could not travel: ${reason.message}`;
}
