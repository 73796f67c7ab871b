/** `get`, `put`, `wait`, `cancel`, `free`: refs and their values. */
import {
  compileGetOptions,
  compileWaitOptions,
  formatNumberedId,
  IonoError,
  nodeOf,
  payloadForms,
  type GetOptions,
  type WaitOptions,
} from "@iono/core";
import { cancelRef } from "../owner/cancel.ts";
import { getMany, getOne, unlimited, type GetOptions as CompiledGet } from "../owner/get.ts";
import { Ref, refState } from "../owner/object-ref.ts";
import type { Owner } from "../owner/owner.ts";
import { payloadBytes } from "../owner/payload.ts";
import { RefStream } from "../owner/stream.ts";
import { waitFor, type Waitable as AnyWaitable } from "../owner/wait.ts";
import { currentMember } from "./runtime.ts";
import type { Cancel, CancelOptions, Get, ObjectRef, Wait } from "./types.ts";

/** The values of refs, always asynchronously, each a fresh copy. */
export const get = ((refs: unknown, options?: GetOptions<AbortSignal>): Promise<unknown> => {
  try {
    const { owner } = currentMember();
    const compiled: CompiledGet =
      options === undefined ? unlimited : (compileGetOptions(options) as CompiledGet);
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
  for (const ref of refs)
    if (!(ref instanceof Ref) && !(ref instanceof RefStream)) throw notARef("wait", ref);
  const compiled = compileWaitOptions(options, refs.length);
  return waitFor(
    currentMember().owner,
    refs as AnyWaitable[],
    compiled as { count: number; timeoutMs: number; signal: AbortSignal | undefined },
  );
}) as Wait;

export const cancel = ((ref: unknown, options: CancelOptions = {}): void => {
  const { owner } = currentMember();
  const compiled = { force: options.force === true, recursive: options.recursive !== false };
  if (ref instanceof RefStream) cancelRef(owner, ref.completed, compiled);
  else if (ref instanceof Ref) cancelRef(owner, ref, compiled);
  else throw notARef("cancel", ref);
}) as Cancel;

/** Deletes objects, whoever has refs of them; getting these later fails with ObjectFreed. A pending one is deleted when it comes. */
export function free(refs: ObjectRef<unknown> | readonly ObjectRef<unknown>[]): void {
  const { owner } = currentMember();
  owner.free(listOfRefs("free", refs));
}

/** Where the value of a ref is, as this process knows it. */
export interface ObjectLocation {
  /** pending: not there yet. inline: in this process's memory. store, spilled: in the object store, on its disk. */
  readonly state: "pending" | "inline" | "store" | "spilled" | "error" | "freed";
  /** Bytes of the encoded value; undefined while there is none. */
  readonly size: number | undefined;
  /** Ids of the nodes that have it. */
  readonly nodes: readonly string[];
}

/** Where the values of refs are, in their order. Waits for nothing. */
export async function objectLocations(refs: readonly ObjectRef<unknown>[]): Promise<ObjectLocation[]> {
  const { owner } = currentMember();
  return listOfRefs("objectLocations", refs).map((ref) => locationOf(owner, ref));
}

function locationOf(owner: Owner, ref: Ref): ObjectLocation {
  if (ref.state === refState.pending) return { state: "pending", size: undefined, nodes: [] };
  if (ref.state === refState.freed) return { state: "freed", size: undefined, nodes: [] };
  const payload = owner.payloadOf(ref);
  const size = payloadBytes(payload);
  const here = [nodeName(nodeOf(owner.identity.processNumber))];
  if (ref.state === refState.error) return { state: "error", size, nodes: here };
  if (payload.form !== payloadForms.stored) return { state: "inline", size, nodes: here };
  const place = owner.store.whereIs(payload.location);
  if (place === "nowhere") return { state: "freed", size: undefined, nodes: [] };
  // Of another node's store it is not known whether the value is on its disk.
  return { state: place === "disk" ? "spilled" : "store", size, nodes: [nodeName(payload.location.node)] };
}

function nodeName(node: number): string {
  return node === 0 ? "local" : formatNumberedId("node", node);
}

function listOfRefs(where: string, given: unknown): readonly Ref[] {
  const refs: unknown[] = Array.isArray(given) ? given : [given];
  for (const ref of refs) if (!(ref instanceof Ref)) throw notARef(where, ref);
  return refs as Ref[];
}

function notARef(where: string, value: unknown, wanted = "an ObjectRef or a list of them"): IonoError {
  const what = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  return new IonoError("BadOption", `${where}() takes ${wanted}, not ${what}`);
}
