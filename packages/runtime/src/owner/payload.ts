/**
 * A payload: one value as it travels and as a settled ref keeps it: its bytes, or the place of its bytes in the store,
 * and the refs and handles inside it. See core/protocol/payload.ts for the layout.
 */
import { IonoError, payloadForms, type ActorMethod, type ActorSpec, type StoreLocation } from "@iono/core";
import { Packr } from "msgpackr";

/** A ref or handle inside a value, as it travels. */
export type WireReference = ObjectReference | ActorReference | FunctionReference | ClassReference;

export interface ObjectReference {
  readonly kind: "object";
  readonly owner: number;
  readonly sequence: number;
  /** Present unless the ref was pending when it was sent (I1). */
  readonly payload?: Payload;
  /** The payload is an error. */
  readonly failed?: boolean;
}

export interface ActorReference {
  readonly kind: "actor";
  readonly actor: ActorDescriptor;
}

export interface FunctionReference {
  readonly kind: "function";
  /** `<owner>:<number>`: the same definition has the same key everywhere. */
  readonly key: string;
  readonly options: object;
  readonly name: string;
  readonly generator: boolean;
  /** Absent when the definition is being sent already, further out in the same message. */
  readonly payload?: Payload;
  /** Definitions that it names and does not bring. */
  readonly companions?: ReadonlyArray<readonly [key: string, payload: Payload]>;
}

/** A remote class: as a remote function, with what its handles need. */
export interface ClassReference {
  readonly kind: "class";
  readonly key: string;
  readonly options: object;
  readonly name: string;
  readonly methods: Record<string, ActorMethod>;
  readonly payload?: Payload;
  readonly companions?: ReadonlyArray<readonly [key: string, payload: Payload]>;
}

/** What a handle elsewhere needs to know: the spec without what the actor was made from. */
export type ActorDescriptor = Omit<ActorSpec, "payload">;

export type Payload =
  | { readonly form: 0; readonly bytes: Uint8Array }
  | {
      readonly form: 1;
      readonly bytes: Uint8Array;
      readonly parts: readonly Uint8Array[];
      readonly references: readonly WireReference[];
    }
  | { readonly form: 2; readonly location: StoreLocation; readonly references: readonly WireReference[] };

const packr = new Packr({ useRecords: false, int64AsType: "number" });

/** Packs forms 1 and 2 (form 0 is its bytes). */
export function packPayload(payload: Payload): Uint8Array {
  return payload.form === payloadForms.plain ? payload.bytes : packr.pack(payload);
}

/** Reads a payload of `form`. Bytes are copied out of `chunk`, which may be a large network buffer. */
export function unpackPayload(form: number, chunk: Uint8Array, start: number, end: number): Payload {
  if (form === payloadForms.plain)
    return { form: 0, bytes: Uint8Array.prototype.slice.call(chunk, start, end) };
  const payload = packr.unpack(Uint8Array.prototype.slice.call(chunk, start, end)) as Payload;
  if (
    payload === null ||
    typeof payload !== "object" ||
    payload.form !== form ||
    payload.form === 0 ||
    !Array.isArray(payload.references)
  ) {
    throw new IonoError("ObjectLost", "a malformed value arrived");
  }
  return payload;
}

export function packMessage(message: unknown): Uint8Array {
  return packr.pack(message);
}

export function unpackMessage(chunk: Uint8Array, start: number, end: number): unknown {
  return packr.unpack(Uint8Array.prototype.slice.call(chunk, start, end));
}

export function payloadBytes(payload: Payload): number {
  if (payload.form === payloadForms.stored) return payload.location.size;
  let total = payload.bytes.length;
  if (payload.form === payloadForms.full) for (const part of payload.parts) total += part.length;
  return total;
}
