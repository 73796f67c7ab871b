/** `get`, `put`, `wait`, `cancel`, `free`: refs and their values. */
import { compileGetOptions, compileWaitOptions, IonoError, type GetOptions, type WaitOptions } from "@iono/core";
import { cancelRef } from "../owner/cancel.ts";
import { getMany, getOne, unlimited, type GetOptions as CompiledGet } from "../owner/get.ts";
import { Ref } from "../owner/object-ref.ts";
import { RefStream } from "../owner/stream.ts";
import { waitFor, type Waitable as AnyWaitable } from "../owner/wait.ts";
import { currentMember } from "./runtime.ts";
import type { Cancel, CancelOptions, Get, ObjectRef, Wait } from "./types.ts";

/** The values of refs, always asynchronously, each a fresh copy. */
export const get = ((refs: unknown, options?: GetOptions<AbortSignal>): Promise<unknown> => {
  try {
    const { owner } = currentMember();
    const compiled: CompiledGet = options === undefined ? unlimited : (compileGetOptions(options) as CompiledGet);
    if (refs instanceof Ref) return getOne(owner, refs, compiled);
    if (!Array.isArray(refs)) throw notARef("get", refs);
    for (const ref of refs) if (!(ref instanceof Ref)) throw notARef("get", ref);
    return getMany(owner, refs as Ref[], compiled);
  } catch (error) {
    return Promise.reject(error);
  }
}) as Get;

/** Puts a value where tasks can read it; a snapshot. Blocks while the store is full; `putAsync` waits instead. */
export function put<T>(value: T): ObjectRef<T> {
  return currentMember().owner.put(value) as unknown as ObjectRef<T>;
}

/** As `put`, without blocking this thread while the store makes room. */
export async function putAsync<T>(value: T): Promise<ObjectRef<T>> {
  return (await currentMember().owner.putAsync(value)) as unknown as ObjectRef<T>;
}

export const wait = (async (refs: unknown, options?: WaitOptions<AbortSignal>): Promise<unknown> => {
  if (!Array.isArray(refs)) throw notARef("wait", refs, "a list of refs");
  for (const ref of refs) if (!(ref instanceof Ref) && !(ref instanceof RefStream)) throw notARef("wait", ref);
  const compiled = compileWaitOptions(options, refs.length);
  return waitFor(currentMember().owner, refs as AnyWaitable[], compiled as { count: number; timeoutMs: number; signal: AbortSignal | undefined });
}) as Wait;

export const cancel = ((ref: unknown, options: CancelOptions = {}): void => {
  const { owner } = currentMember();
  const compiled = { force: options.force === true, recursive: options.recursive !== false };
  if (ref instanceof RefStream) cancelRef(owner, ref.completed, compiled);
  else if (ref instanceof Ref) cancelRef(owner, ref, compiled);
  else throw notARef("cancel", ref);
}) as Cancel;

/** Lets go of values at once; getting the refs later fails with ObjectFreed. */
export function free(refs: ObjectRef<unknown> | readonly ObjectRef<unknown>[]): void {
  for (const ref of Array.isArray(refs) ? (refs as readonly ObjectRef<unknown>[]) : [refs as ObjectRef<unknown>]) ref[Symbol.dispose]();
}

function notARef(where: string, value: unknown, wanted = "an ObjectRef or a list of them"): IonoError {
  const what = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  return new IonoError("BadOption", `${where}() takes ${wanted}, not ${what}`);
}
