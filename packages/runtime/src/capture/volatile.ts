import { CannotTravelError } from "@iono/core";
import { programEntryUrl } from "./entry.ts";
import type { QuietContext } from "./image.ts";
import { imageOf } from "./image.ts";
import { capturesChange } from "./origins.ts";
import { processCode } from "./process-code.ts";

/** Captured data beyond this many parts is not searched for functions; it then counts as changing. */
const maxParts = 10_000;

/**
 * True when a captured binding of the function, or of a function it captures (also inside captured arrays, objects, Maps
 * and Sets), is assigned after its declaration: it has to be captured anew at each call. Otherwise one capture will do.
 * While something captured has no value yet, or cannot travel, the answer is true: ask again at the next call.
 */
export function isVolatile(fn: Function): boolean {
  const code = processCode();
  let answer = code.volatile.get(fn);
  if (answer !== undefined) return answer;
  try {
    answer = search(fn, { entryUrl: code.entryGuard?.entryUrl ?? programEntryUrl() });
  } catch (error) {
    if (error instanceof CannotTravelError) return true;
    throw error;
  }
  code.volatile.set(fn, answer);
  return answer;
}

function search(root: Function, context: QuietContext): boolean {
  const seen = new Set<unknown>([root]);
  for (const item of seen) {
    if (seen.size > maxParts) return true;
    if (typeof item === "function") {
      const image = imageOf(item, [], context);
      if (image.kind === "import") continue;
      if (image.origin !== undefined && capturesChange(image.origin)) return true;
      add(seen, image.bindings);
      if (image.properties !== undefined) add(seen, Object.values(image.properties));
    } else if (Array.isArray(item)) add(seen, item);
    else if (item instanceof Map) add(seen, [...item.keys(), ...item.values()]);
    else if (item instanceof Set) add(seen, item);
    else add(seen, dataOf(item as object));
  }
  return false;
}

function add(seen: Set<unknown>, values: Iterable<unknown>): void {
  for (const value of values) {
    if (
      typeof value === "function" ||
      (typeof value === "object" && value !== null && !ArrayBuffer.isView(value))
    )
      seen.add(value);
  }
}

/** What plain properties hold; accessors are not run. */
function dataOf(object: object): unknown[] {
  return Object.values(Object.getOwnPropertyDescriptors(object)).flatMap((descriptor) =>
    "value" in descriptor ? [descriptor.value as unknown] : [],
  );
}
