/** The value of a `put`, which its ref has at once. */
import { CannotTravelError } from "@iono/core";
import { Ref, refState } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { Received } from "./references.ts";

/** Gives a new ref its value. Blocks while the store is full. Throws CannotTravelError, ObjectStoreFull, OutOfDisk. */
export function fillPut(owner: Owner, ref: Ref, value: unknown): void {
  if (
    value === null ||
    (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol")
  ) {
    ref.state = refState.immediate;
    ref.value = value;
    return;
  }
  if (value instanceof Ref)
    throw new CannotTravelError([], "a ref is put already: pass it on as it is, or put [ref]");
  const { payload, holds } = owner.codec.encode(value, []);
  if (payload.form === 0) {
    if (owner.inline.exceededBy(payload.bytes.length) && owner.hasStore) {
      owner.settleInStore(ref, payload.bytes);
      return;
    }
    ref.state = refState.bytes;
    ref.value = payload.bytes;
    return;
  }
  ref.state = refState.payload;
  ref.value = new Received(payload, payload.references.length === 0 ? none : holds, null);
  ref.keep = holds;
}

/** As `fillPut`; waits without blocking while the store is full. */
export async function fillPutAsync(owner: Owner, ref: Ref, value: unknown): Promise<void> {
  const large = await owner.codec.encodeLarge(value);
  if (large === null) fillPut(owner, ref, value);
  else {
    ref.state = refState.payload;
    ref.value = new Received(large.payload, large.payload.form === 0 ? [] : large.objects, null);
    ref.keep = large.holds;
  }
}

const none: readonly object[] = [];
