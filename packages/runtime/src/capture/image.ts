import { types } from "node:util";
import { CannotTravelError } from "@iono/core";
import type { FunctionImage, ImportedBinding } from "../values/seam.ts";
import { changedMember, keyOfComputedMember, staticFieldNames } from "./class-shape.ts";
import { describeFunction } from "./describe.ts";
import { importOf } from "./imports.ts";
import type { CodePlan, Slot } from "./plan.ts";
import { makePlan, ownName, refusalOf, unitFor } from "./plan.ts";
import type { ProcessCode } from "./process-code.ts";
import { processCode } from "./process-code.ts";
import type { FunctionScopes, VariableScope } from "./scopes.ts";
import type { LocatedFunction } from "./source.ts";
import { locate } from "./source.ts";

/** A capture that is only looked at: nobody is warned. */
export interface QuietContext {
  /** URL of the program's entry, whose functions travel by value; see `programEntryUrl`. */
  readonly entryUrl: string | undefined;
  readonly warn?: undefined;
}

/** What capture needs to know about the program. */
export interface CaptureContext {
  readonly entryUrl: string | undefined;
  /** Told once about each thing that works otherwise than its author may think. */
  warn(message: string): void;
}

const maxPlans = 20_000;
const maxWarned = 10_000;

/**
 * Takes a function or class apart into its code and the values of the names it captures, by reference; or finds the
 * import that it is.
 * @param path where it stands, outermost first, for messages.
 * @throws CannotTravelError when it cannot leave this process.
 */
export function imageOf(
  fn: Function,
  path: readonly string[],
  context: CaptureContext | QuietContext,
): FunctionImage | ImportedBinding {
  const code = processCode();
  const known = code.images.get(fn) ?? code.exported.find(fn);
  if (known !== undefined) return known;
  const decoded = code.decoded.get(fn);
  if (decoded !== undefined) {
    const { unit, origin } = decoded;
    const bindings = decoded.bindings().map((value) => importBehind(value, code) ?? value);
    return {
      kind: "code",
      unit,
      bindings,
      ...propertiesOf(fn, noNames, path),
      origin: origin ?? code.origins.of(fn),
    };
  }
  const place = code.scopeReader.read(fn);
  const plan = place === undefined ? undefined : code.plans.get(planKey(place));
  if (place === undefined || plan === undefined) {
    const native = nativeImport(fn, place, code);
    if (native !== undefined) return native;
    if (place === undefined || types.isProxy(fn)) throw new CannotTravelError(path, nativeRefusal(fn));
  }
  return imageByPlan(fn, place, plan ?? planFor(fn, place, code, path, context), code, path, context);
}

/** Node's own functions are the same in every process: they travel by name. */
function nativeImport(
  fn: Function,
  place: FunctionScopes | undefined,
  code: ProcessCode,
): ImportedBinding | undefined {
  const url = place === undefined ? undefined : code.scripts.url(place.scriptId);
  if (types.isProxy(fn) || (url !== undefined && !url.startsWith("node:"))) return undefined;
  return code.natives.find(fn) ?? code.natives.findBuiltin(fn, url);
}

function imageByPlan(
  fn: Function,
  place: FunctionScopes,
  plan: CodePlan,
  code: ProcessCode,
  path: readonly string[],
  context: CaptureContext | QuietContext,
): FunctionImage | ImportedBinding {
  if (plan.mayBeExport && plan.located.scriptUrl !== context.entryUrl) {
    const exported = code.exported.prove(fn, plan.located);
    if (exported !== undefined) return exported;
  }
  warnOnce(fn, plan, code, context);
  const bindings = new Array<unknown>(plan.slots.length);
  for (let index = 0; index < plan.slots.length; index++) {
    const slot = plan.slots[index];
    const value = slotValue(slot, place, plan, fn, path);
    bindings[index] =
      slot.kind === "variable" && typeof value === "object" && value !== null
        ? (moduleBehind(value, code) ?? value)
        : value;
  }
  const properties = propertiesOf(fn, plan.definedProperties, path);
  const image: FunctionImage = {
    kind: "code",
    unit: unitFor(plan, ownName(fn)),
    bindings,
    ...properties,
    origin: code.origins.of(fn, plan.isVolatile),
  };
  if (!plan.isVolatile && properties.properties === undefined && plan.definedProperties.size === 0)
    code.images.set(fn, image);
  return image;
}

function planKey(place: FunctionScopes): string {
  return `${place.scriptId}:${place.line}:${place.column}`;
}

function planFor(
  fn: Function,
  place: FunctionScopes,
  code: ProcessCode,
  path: readonly string[],
  context: CaptureContext | QuietContext,
): CodePlan {
  const name = describeFunction(fn);
  if (code.scripts.url(place.scriptId).startsWith("node:")) {
    throw new CannotTravelError(
      path,
      `${name} is part of Node itself: send a function that calls it instead`,
    );
  }
  if (place.scopes.some(({ kind }) => kind.startsWith("With Block"))) {
    throw new CannotTravelError(
      path,
      `${name} stands inside a \`with\` statement, so what it captures cannot be known`,
    );
  }
  const located = locate(fn, place, code, path);
  const refusal = refusalOf(located.record);
  if (refusal !== undefined) throw new CannotTravelError(path, `${name} cannot be sent: ${refusal}`);
  const changed = changedMember(fn, located);
  if (changed !== undefined) {
    throw new CannotTravelError(
      path,
      `${name} cannot be sent: its prototype's \`${changed}\` is not what its source says (a decorator, or an assignment after its definition); put it into the class, or export the class from a module of its own`,
    );
  }
  noteImports(located, place.scopes, code, context.entryUrl);
  const plan = makePlan(fn, located, place.scopes, context.entryUrl, path, staticFieldNames(located.record));
  if (code.plans.size >= maxPlans) code.plans.clear();
  code.plans.set(planKey(place), plan);
  return plan;
}

/** Whatever a script imports is known by identity from then on: it travels as that import wherever it is met. */
function noteImports(
  located: LocatedFunction,
  scopes: readonly VariableScope[],
  code: ProcessCode,
  entryUrl: string | undefined,
): void {
  const { script } = located;
  if (script === undefined || code.importsNoted.has(script)) return;
  code.importsNoted.add(script);
  for (const binding of script.analysis.mayImport) {
    const variables = scopes.find((scope) => binding.name in scope.variables)?.variables;
    if (variables === undefined) continue;
    const found = importOf(
      { name: binding.name, binding, assignedInside: false },
      variables,
      located,
      entryUrl,
    );
    if (found !== undefined) code.exported.note(readVariable(variables, binding.name), found);
  }
}

/** An import of a module that is still being evaluated cannot be read yet. */
function readVariable(variables: Readonly<Record<string, unknown>>, name: string): unknown {
  try {
    return variables[name];
  } catch {
    return undefined;
  }
}

function warnOnce(
  fn: Function,
  plan: CodePlan,
  code: ProcessCode,
  context: CaptureContext | QuietContext,
): void {
  if (context.warn === undefined || plan.assigns.length === 0 || code.warned.has(plan.unit.id)) return;
  if (code.warned.size >= maxWarned) return;
  code.warned.add(plan.unit.id);
  const names = plan.assigns.map((name) => `\`${name}\``).join(", ");
  context.warn(
    `${describeFunction(fn)} (${plan.unit.url}:${plan.unit.line + 1}) assigns ${names}, captured from outside: what it assigns stays in the worker. Return the new value instead, or keep it in an actor.`,
  );
}

/** A module or platform object among captured values is imported again, not copied. Other exported data is copied as it stands. */
function moduleBehind(value: object, code: ProcessCode): ImportedBinding | undefined {
  const exported =
    code.exported.find(value) ??
    (types.isModuleNamespaceObject(value) ? namespaceBehind(value, code) : undefined);
  return exported?.name === "*" || exported?.name === "module.exports" ? exported : code.natives.find(value);
}

/** A builtin module's namespace, known by the exports it was made from. */
function namespaceBehind(namespace: object, code: ProcessCode): ImportedBinding | undefined {
  const exports = readVariable(namespace as Record<string, unknown>, "default");
  const url = typeof exports === "object" && exports !== null ? code.natives.builtinUrl(exports) : undefined;
  return url === undefined ? undefined : { kind: "import", url, name: "*" };
}

/** What a decoded function holds because it was imported here is imported again where it goes next. */
function importBehind(value: unknown, code: ProcessCode): ImportedBinding | undefined {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  if (typeof value === "function" && code.decoded.has(value)) return undefined;
  return code.exported.find(value) ?? code.natives.find(value);
}

function slotValue(
  slot: Slot,
  place: FunctionScopes,
  plan: CodePlan,
  fn: Function,
  path: readonly string[],
): unknown {
  if (slot.kind === "constant") return slot.value;
  if (slot.kind === "superclass") return Object.getPrototypeOf(fn);
  if (slot.kind === "method name") return ownName(fn) ?? "";
  if (slot.kind === "member key") return keyOfComputedMember(fn, plan.located, slot.name);
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
  if (fn.name.startsWith("bound "))
    return `${describeFunction(fn)} is bound: send an arrow function that calls it instead`;
  return `${describeFunction(fn)} is native code or a Proxy: send a function that calls it instead`;
}

const noNames: ReadonlySet<string> = new Set();

/**
 * Own enumerable properties that the definition alone does not make. Static fields travel while they hold a primitive,
 * so that a count or a flag arrives as it stands; others are made anew by the class's text.
 */
function propertiesOf(
  fn: Function,
  defined: ReadonlySet<string>,
  path: readonly string[],
): { properties?: Record<string, unknown> } {
  const keys = Object.keys(fn);
  const symbol = Object.getOwnPropertySymbols(fn).find((key) =>
    Object.prototype.propertyIsEnumerable.call(fn, key),
  );
  if (symbol !== undefined) {
    throw new CannotTravelError(
      [...path, String(symbol)],
      `${describeFunction(fn)} has a property under a symbol, which cannot be sent; use a string key`,
    );
  }
  if (keys.length === 0) return {};
  const properties: Record<string, unknown> = {};
  let any = false;
  for (const key of keys) {
    const descriptor = Object.getOwnPropertyDescriptor(fn, key);
    if (descriptor === undefined || !("value" in descriptor)) {
      throw new CannotTravelError(
        [...path, key],
        `${describeFunction(fn)} has a getter \`${key}\`, which cannot be sent`,
      );
    }
    const value: unknown = descriptor.value;
    if (defined.has(key) && ((typeof value === "object" && value !== null) || typeof value === "function"))
      continue;
    properties[key] = value;
    any = true;
  }
  return any ? { properties } : {};
}
