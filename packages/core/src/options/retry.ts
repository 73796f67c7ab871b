/** When a task that threw is run again. (A worker that died is another matter: `retries` alone counts that.) */
import { badOption } from "../errors.ts";

/** Error classes, a predicate on the error, or `true` for every error. */
export type RetryOn = boolean | readonly ErrorClass[] | ((error: unknown) => boolean);

/** A class whose instances are thrown; abstract ones too. */
export type ErrorClass = abstract new (...args: never[]) => unknown;

/** `null`: errors of the task itself are not retried. */
export function readRetryOn(value: RetryOn | undefined, field: string): RetryOn | null {
  if (value === undefined || value === false) return null;
  if (value === true) return true;
  const right = "true, a list of error classes, or a function (error) => boolean";
  if (typeof value === "function") {
    if (isErrorClass(value))
      throw badOption(field, value, `${right}: put a class into a list, [${value.name}]`);
    return value;
  }
  if (!Array.isArray(value)) throw badOption(field, value, right);
  for (const [at, each] of value.entries()) {
    if (!isErrorClass(each)) throw badOption(`${field}[${at}]`, each, "an error class");
  }
  return value.length === 0 ? null : Object.freeze([...value]);
}

function isErrorClass(value: unknown): boolean {
  return typeof value === "function" && (value === Error || value.prototype instanceof Error);
}

/** Whether an error is one of those that `retryOn` names; a predicate that throws answers no. */
export function shouldRetry(retryOn: RetryOn | null, error: unknown): boolean {
  if (retryOn === null || retryOn === false) return false;
  if (retryOn === true) return true;
  if (typeof retryOn === "function") {
    try {
      return retryOn(error) === true;
    } catch {
      // The task's own error is what the caller needs to see, not that of the predicate.
      return false;
    }
  }
  return retryOn.some((each) => error instanceof each);
}
