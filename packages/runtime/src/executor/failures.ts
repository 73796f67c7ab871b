/** Errors of user code on their way to the caller. Nothing here throws, whatever was thrown. */
import { describeValue, IonoError, type RemoteOrigin } from "@iono/core";
import { thisNodeId } from "../member/this-node.ts";

export function originOf(error: unknown, task: string, attempt: number): RemoteOrigin {
  return { task, node: thisNodeId(), pid: process.pid, attempt, stack: stackOf(error) };
}

/** An error that cannot travel as it is: TaskFailed, with its name, message and stack, and what was lost. */
export function stableError(error: unknown, reason: Error): Error {
  const why = `it could not travel as it was: ${textOf(() => reason.message)}`;
  if (!isError(error)) {
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
  if (!isError(error)) return textOf(() => describeValue(error));
  const stack = textOf(() => error.stack ?? "");
  return stack === "" ? `${textOf(() => error.name)}: ${textOf(() => error.message)}` : usersPart(stack);
}

/** Without the frames of the executor that called the user's code. */
function usersPart(stack: string): string {
  const at = stack.search(entryFrame);
  return at < 0 ? stack : stack.slice(0, at);
}

/** `runUserCode` is the last of our own frames; bundled or not, it keeps its name. */
const entryFrame = /\n +at runUserCode [^]*$/;

function isError(error: unknown): error is Error {
  try {
    return error instanceof Error;
  } catch {
    // A proxy may refuse to say.
    return false;
  }
}

/** A getter or `toString` of the user's may throw, or answer something else. */
function textOf(read: () => unknown): string {
  try {
    const text = read();
    return typeof text === "string" ? text : typeof text === "symbol" ? text.toString() : String(text);
  } catch {
    return "(unreadable)";
  }
}
