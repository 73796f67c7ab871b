/** What travels as a name for something the receiver has or gets from elsewhere. */

import type { Encoder } from "./encode.ts";
import { travelsByReference } from "./seam.ts";
import { TAG_INTRINSIC, TAG_REFERENCE } from "./tags.ts";

/** Writes a Proxy: it cannot be looked into, so only one that stands for a reference travels. */
export function writeProxy(encoder: Encoder, value: object): void {
  let byReference = false;
  try {
    byReference = travelsByReference in value;
  } catch {
    // A revoked proxy, or a trap that throws: not a reference of ours.
  }
  if (!byReference)
    encoder.refuse("a Proxy cannot travel: what its traps do would be lost; pass the object behind it");
  writeReference(encoder, value);
}

export function writeReference(encoder: Encoder, value: object): void {
  encoder.writer.byte(TAG_REFERENCE);
  encoder.writer.count(encoder.host.reference(value));
}

/** Writes something every realm has, by name. */
export function writeIntrinsic(encoder: Encoder, name: string): void {
  encoder.writer.byte(TAG_INTRINSIC);
  encoder.writer.string(name);
}
