import type { CaptureContext } from "./image.ts";
import { imageOf } from "./image.ts";
import { capturesChange } from "./origins.ts";
import { processCode } from "./process-code.ts";

/** Captured data beyond this many parts is not searched for functions; it then counts as changing. */
const maxParts = 10_000;

/**
 * True when a captured binding of the function, or of a function it captures (also inside captured arrays, objects, Maps
 * and Sets), is assigned after its declaration: it has to be captured anew at each call. Otherwise one capture will do.
 * @throws CannotTravelError as `imageOf`
 */
export function isVolatile(fn: Function, context: CaptureContext): boolean {
  const { volatile } = processCode();
  let answer = volatile.get(fn);
  if (answer === undefined) {
    answer = search(fn, context);
    volatile.set(fn, answer);
  }
  return answer;
}

function search(root: Function, context: CaptureContext): boolean {
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
    if (typeof value === "function" || (typeof value === "object" && value !== null && !ArrayBuffer.isView(value))) seen.add(value);
  }
}

/** What plain properties hold; accessors are not run. */
function dataOf(object: object): unknown[] {
  return Object.values(Object.getOwnPropertyDescriptors(object)).flatMap((descriptor) =>
    "value" in descriptor ? [descriptor.value as unknown] : [],
  );
}
