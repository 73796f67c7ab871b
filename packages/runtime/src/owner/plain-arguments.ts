/** Arguments that are plain values: written back to back into the slab, the hot path of a call. */
import { CannotTravelError, limits } from "@iono/core";
import { requiredModules, writeValue } from "../values/index.ts";
import { Ref, refState } from "./object-ref.ts";
import type { Owner } from "./owner.ts";

/** Arguments without refs, handles, imports or large data: straight into the slab. False when they are not like that. */
export function encodePlain(owner: Owner, args: readonly unknown[]): boolean {
  const { slab, host } = owner.codec;
  const at = slab.position;
  let i = 0;
  try {
    for (; i < args.length; i++) {
      const value = args[i];
      if (!(value instanceof Ref)) writeValue(slab, value, host);
      // A settled ref of a small value is as good as the value; others take the longer way.
      else if (value.state === refState.immediate) writeValue(slab, value.value, host);
      else if (value.state !== refState.bytes || requiredModules(value.value as Uint8Array).length > 0) break;
      else slab.raw(value.value as Uint8Array);
    }
  } catch (error) {
    slab.position = at;
    slab.parts.length = 0;
    slab.modules.length = 0;
    host.objects.length = 0;
    if (error instanceof CannotTravelError) throw atArgument(error, i);
    throw error;
  }
  const simple =
    i === args.length &&
    slab.parts.length === 0 &&
    slab.modules.length === 0 &&
    host.objects.length === 0 &&
    slab.position - at <= limits.inlineValue.value &&
    !(owner.inline.exceededBy(slab.position - at) && owner.hasStore);
  if (!simple) {
    slab.position = at;
    slab.parts.length = 0;
    slab.modules.length = 0;
    host.objects.length = 0;
  }
  return simple;
}

function atArgument(error: CannotTravelError, index: number): CannotTravelError {
  const first = error.path[0];
  if (first !== undefined && first.startsWith("argument ")) return error;
  const reason = error.message.slice(error.message.indexOf(": ") + 2);
  return new CannotTravelError(
    [`argument ${index}`, ...error.path],
    error.path.length > 0 ? reason : error.message,
    { cause: error },
  );
}
