/** What travels as a name for something the receiver has or gets from elsewhere. */

import { CannotTravelError } from "@iono/core";
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
  encoder.writer.count(indexOf(encoder, value));
}

/** The host does not know where the reference stands: what it refuses gets its path here. */
function indexOf(encoder: Encoder, value: object): number {
  try {
    return encoder.host.reference(value);
  } catch (error) {
    if (error instanceof CannotTravelError && error.path.length === 0) {
      encoder.refuse(error.message, { cause: error });
    }
    throw error;
  }
}

/** Writes something every realm has, by name. */
export function writeIntrinsic(encoder: Encoder, name: string): void {
  encoder.writer.byte(TAG_INTRINSIC);
  encoder.writer.string(name);
}
