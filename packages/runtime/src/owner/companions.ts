/**
 * Remote functions and classes that name one another: each is encoded inside the other, so one of them must be left out. What was
 * left out travels beside, by key.
 */
import type { Payload, WireReference } from "./payload.ts";

export type Companion = readonly [key: string, payload: Payload];

/** The definitions that `payload`, the code of `key`, names without bringing them along. */
export function companionsOf(
  payload: Payload,
  key: string,
  known: (key: string) => Payload | null,
): Companion[] {
  const brought = new Set([key]);
  const missing = new Set<string>();
  walk(payload, brought, missing);
  const companions: Companion[] = [];
  for (const each of missing) {
    if (brought.has(each)) continue;
    const found = known(each);
    if (found === null) continue;
    brought.add(each);
    companions.push([each, found]);
    // A Set may grow while it is iterated: what the companion names comes in its turn.
    walk(found, brought, missing);
  }
  return companions;
}

function walk(payload: Payload, brought: Set<string>, missing: Set<string>): void {
  if (payload.form === 0) return;
  for (const reference of payload.references) note(reference, brought, missing);
}

function note(reference: WireReference, brought: Set<string>, missing: Set<string>): void {
  if (reference.kind === "object") {
    if (reference.payload !== undefined) walk(reference.payload, brought, missing);
  } else if (reference.kind !== "actor") {
    if (reference.payload === undefined) missing.add(reference.key);
    else {
      brought.add(reference.key);
      walk(reference.payload, brought, missing);
    }
    for (const [key] of reference.companions ?? []) brought.add(key);
  }
}
