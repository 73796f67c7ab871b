/**
 * A ref and the cell of its value are one object: the table of the owner holds it only while it is pending, and plain
 * garbage collection does the rest. Its value is kept encoded; every `get` decodes afresh (I3).
 */
import { inspect } from "node:util";
import { travelsByReference } from "../values/seam.ts";
import type { Payload } from "./payload.ts";

export const refState = { pending: 0, immediate: 1, bytes: 2, payload: 3, error: 4, freed: 5 } as const;

/** Who waits for a ref. Called once, after the ref has its value or error. */
export interface Waiter {
  settled(ref: Ref): void;
}

/** The process number this process has in its cluster; ids are written with it. */
export interface Identity {
  processNumber: number;
}

export class Ref {
  /** Identity of the owning process; shared by all its refs. */
  readonly home: Identity;
  readonly sequence: number;
  state: number = refState.pending;
  /**
   * immediate: the value itself (a primitive); bytes: plain value bytes (Uint8Array); payload: a Payload with parts,
   * references or a store location; error: the Payload of an encoded error, or an Error made here.
   */
  value: unknown = undefined;
  waiter: Waiter | Waiter[] | null = null;
  /** Number of the last `wait` that looked at this ref. */
  seenByWait = 0;
  /** What lives as long as this ref: a store handle, or a registration with the owner. */
  keep: unknown = null;

  constructor(home: Identity, sequence: number) {
    this.home = home;
    this.sequence = sequence;
  }

  get id(): string {
    return `${this.home.processNumber.toString(36)}-${this.sequence.toString(36)}`;
  }

  /** Lets go of the value at once; a later `get` of this ref fails with ObjectFreed. */
  [Symbol.dispose](): void {
    release(this);
  }

  [inspect.custom](): string {
    const names = ["pending", "ready", "ready", "ready", "failed", "freed"];
    return `ObjectRef(${this.id}, ${names[this.state]})`;
  }

  toJSON(): string {
    return `ObjectRef(${this.id})`;
  }

  /** Most often a forgotten `get`: the text says what it is. */
  toString(): string {
    return this.toJSON();
  }
}
Object.defineProperty(Ref, "name", { value: "ObjectRef" });
Object.defineProperty(Ref.prototype, travelsByReference, { value: true });

/** Set by the owner: what releasing a ref early does beyond forgetting its value. */
let onRelease: (ref: Ref) => void = () => {};
export function setReleaseHook(hook: (ref: Ref) => void): void {
  onRelease = hook;
}

function release(ref: Ref): void {
  if (ref.state === refState.freed) return;
  onRelease(ref);
}

/** It has its value or its error. A ref that was let go while pending has neither, and its task goes on. */
export function isSettled(ref: Ref): boolean {
  return ref.state !== refState.pending && ref.state !== refState.freed;
}

export function addWaiter(ref: Ref, waiter: Waiter): void {
  const present = ref.waiter;
  if (present === null) ref.waiter = waiter;
  else if (Array.isArray(present)) present.push(waiter);
  else ref.waiter = [present, waiter];
}

export function removeWaiter(ref: Ref, waiter: Waiter): void {
  const present = ref.waiter;
  if (present === waiter) ref.waiter = null;
  else if (Array.isArray(present)) {
    const at = present.indexOf(waiter);
    if (at >= 0) present.splice(at, 1);
  }
}

/** Gives a pending ref its outcome and tells who waits. */
export function settle(ref: Ref, state: number, value: unknown): void {
  if (ref.state !== refState.pending) return;
  ref.state = state;
  ref.value = value;
  const waiter = ref.waiter;
  if (waiter === null) return;
  ref.waiter = null;
  if (Array.isArray(waiter)) for (const each of waiter) each.settled(ref);
  else waiter.settled(ref);
}

export function isRef(value: unknown): value is Ref {
  return value instanceof Ref;
}

export type { Payload };
