import { CannotTravelError } from "@iono/core";
import type { FunctionImage, ImportedBinding } from "../values/seam.ts";
import { describeFunction } from "./describe.ts";
import { makePlan, ownName, refusalOf, unitFor } from "./plan.ts";
import type { CodePlan, Slot } from "./plan.ts";
import { processCode } from "./process-code.ts";
import type { ProcessCode } from "./process-code.ts";
import type { FunctionScopes } from "./scopes.ts";
import { locate } from "./source.ts";

/** What capture needs to know about the program. */
export interface CaptureContext {
  /** URL of the program's entry, whose functions travel by value (`process.argv[1]`). */
  readonly entryUrl: string | undefined;
  /** Told once about each thing that works otherwise than its author may think. */
  warn(message: string): void;
}

const maxPlans = 20_000;

/**
 * Takes a function or class apart into its code and the values of the names it captures, by reference.
 * @param path where it stands, outermost first, for messages.
 * @throws CannotTravelError when it cannot leave this process.
 */
export function imageOf(fn: Function, path: readonly string[], context: CaptureContext): FunctionImage | ImportedBinding {
  const code = processCode();
  const known = code.images.get(fn);
  if (known !== undefined) return known;
  const decoded = code.decoded.get(fn);
  if (decoded !== undefined) {
    return { kind: "code", unit: decoded.unit, bindings: decoded.bindings(), ...propertiesOf(fn, path) };
  }
  const place = code.scopeReader.read(fn);
  if (place === undefined) throw new CannotTravelError(path, nativeRefusal(fn));
  const plan = planFor(fn, place, code, path, context);
  const image: FunctionImage = {
    kind: "code",
    unit: unitFor(plan, ownName(fn)),
    bindings: plan.slots.map((slot) => slotValue(slot, place, fn, path)),
    ...propertiesOf(fn, path),
  };
  if (!plan.isVolatile && image.properties === undefined) code.images.set(fn, image);
  return image;
}

function planFor(fn: Function, place: FunctionScopes, code: ProcessCode, path: readonly string[], context: CaptureContext): CodePlan {
  const key = `${place.scriptId}:${place.line}:${place.column}`;
  const known = code.plans.get(key);
  if (known !== undefined) return known;
  const located = locate(fn, place, code, path);
  const refusal = refusalOf(located.record);
  if (refusal !== undefined) throw new CannotTravelError(path, `${describeFunction(fn)} cannot be sent: ${refusal}`);
  const plan = makePlan(fn, located, place.scopes, context.entryUrl);
  if (code.plans.size >= maxPlans) code.plans.clear();
  code.plans.set(key, plan);
  for (const name of plan.assigns) {
    context.warn(
      `${describeFunction(fn)} (${located.url}:${located.line + 1}) assigns \`${name}\`, which it captures: the assignment stays in the worker. Return the new value instead, or keep it in an actor.`,
    );
  }
  return plan;
}

function slotValue(slot: Slot, place: FunctionScopes, fn: Function, path: readonly string[]): unknown {
  if (slot.kind === "constant") return slot.value;
  if (slot.kind === "superclass") return Object.getPrototypeOf(fn);
  try {
    return place.scopes[slot.scope]?.variables[slot.name];
  } catch (cause) {
    throw new CannotTravelError(
      path,
      `${describeFunction(fn)} captures \`${slot.name}\`, which has no value yet: submit it after the line that declares \`${slot.name}\``,
      { cause },
    );
  }
}

function nativeRefusal(fn: Function): string {
  if (fn.name.startsWith("bound ")) return `${describeFunction(fn)} is bound: send an arrow function that calls it instead`;
  return `${describeFunction(fn)} is native code: send a function that calls it instead`;
}

function propertiesOf(fn: Function, path: readonly string[]): { properties?: Record<string, unknown> } {
  const keys = Object.keys(fn);
  if (keys.length === 0) return {};
  const properties: Record<string, unknown> = {};
  for (const key of keys) {
    const descriptor = Object.getOwnPropertyDescriptor(fn, key);
    if (descriptor === undefined || !("value" in descriptor)) {
      throw new CannotTravelError([...path, key], `${describeFunction(fn)} has a getter \`${key}\`, which cannot be sent`);
    }
    properties[key] = descriptor.value;
  }
  return { properties };
}
