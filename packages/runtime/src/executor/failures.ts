/** Errors of user code on their way to the caller. Nothing here throws, whatever was thrown. */
import { describeValue, IonoError, type RemoteOrigin } from "@iono/core";

export function originOf(error: unknown, task: string, attempt: number): RemoteOrigin {
  return { task, node: "local", pid: process.pid, attempt, stack: stackOf(error) };
}

/** An error that cannot travel as it is: TaskFailed, with its name, message and stack, and what was lost. */
export function stableError(error: unknown, reason: Error): Error {
  const why = `it could not travel as it was: ${textOf(() => reason.message)}`;
  if (!(error instanceof Error)) {
    return new IonoError("TaskFailed", `the task threw ${textOf(() => describeValue(error))}; ${why}`);
  }
  const name = textOf(() => error.name);
  const message = textOf(() => error.message);
  const cause = new Error(message);
  const stack = stackOf(error);
  Object.defineProperty(cause, "name", { value: name, configurable: true, writable: true });
  Object.defineProperty(cause, "stack", { value: stack, configurable: true, writable: true });
  const stable = new IonoError("TaskFailed", `${name}: ${message} (${why})`, { cause });
  Object.defineProperty(stable, "stack", { value: stack, configurable: true, writable: true });
  return stable;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return textOf(() => describeValue(error));
  const stack = textOf(() => error.stack ?? "");
  return stack === "" ? `${textOf(() => error.name)}: ${textOf(() => error.message)}` : stack;
}

/** A getter or `toString` of the user's may throw, or answer something else. */
function textOf(read: () => unknown): string {
  try {
    const text = read();
    return typeof text === "string" ? text : typeof text === "symbol" ? text.toString() : `${text}`;
  } catch {
    return "(unreadable)";
  }
}
