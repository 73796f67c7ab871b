import { createHash } from "node:crypto";
import { CannotTravelError } from "@iono/core";
import type { CodeUnit, ImportedBinding } from "../values/seam.ts";
import type { Binding, FreeName, FunctionRecord, Obstacle } from "./lexical.ts";
import type { LocatedFunction } from "./source.ts";
import { keyOfComputedMember } from "./class-shape.ts";
import { describeFunction } from "./describe.ts";
import { SourceEdits } from "./edits.ts";
import { importOf } from "./imports.ts";
import { fileScopeUrl } from "./module-urls.ts";
import type { VariableScope } from "./scopes.ts";

/** Where the value of one captured name comes from. */
export type Slot =
  | { readonly kind: "constant"; readonly name: string; readonly value: ImportedBinding }
  | { readonly kind: "variable"; readonly name: string; readonly scope: number; readonly mayChange: boolean }
  | { readonly kind: "superclass"; readonly name: string }
  | { readonly kind: "method name"; readonly name: string }
  | { readonly kind: "member key"; readonly name: string };

/** All that is the same for every closure made by one function literal. */
export interface CodePlan {
  readonly unit: CodeUnit;
  readonly slots: readonly Slot[];
  readonly isVolatile: boolean;
  /** Captured names that the function itself assigns. */
  readonly assigns: readonly string[];
  /** True when it stands at the top level of a module that Node loaded, so that it may be one of its exports. */
  readonly mayBeExport: boolean;
  /** Own enumerable properties that the definition itself makes. */
  readonly definedProperties: ReadonlySet<string>;
  readonly located: LocatedFunction;
  /** The same unit under other names, as instances are named differently. */
  readonly renamed: Map<string, CodeUnit>;
}

const maxNamesPerLiteral = 64;

/** Reasons not to travel, and the way out. */
const refusals: Readonly<Record<Obstacle, string>> = {
  "outer this":
    "it uses the `this` of the function around it; pass what it needs as an argument, or capture it in a const",
  "outer arguments": "it uses the `arguments` of the function around it; capture them in a const",
  super:
    "it uses `super`, which belongs to the object it was written in; send the whole class or an instance instead",
  "new.target": "it uses the `new.target` of the function around it; capture it in a const",
  "direct eval": "it calls eval(), so what it captures cannot be known; use new Function, or globalThis.eval",
  with: "it uses a `with` statement, so what it captures cannot be known",
  "outer #private": "it uses a #private member of the class around it; send the whole class instead",
  "phased import": "it uses a phased import (import.source or import.defer); use import()",
  accessor: "a getter or setter cannot be sent alone; send a function that calls it",
  "private method": "a #private method cannot be sent alone; send the whole class instead",
};

/** The first reason why the function cannot leave its place, with the way out; undefined when it can. */
export function refusalOf(record: FunctionRecord): string | undefined {
  for (const obstacle of record.obstacles) return refusals[obstacle];
  return undefined;
}

/**
 * Decides where each captured name of a function literal comes from.
 * @param scopes as V8 gives them for one of its closures; the same literal always has the same chain.
 */
export function makePlan(
  fn: Function,
  located: LocatedFunction,
  scopes: readonly VariableScope[],
  entryUrl: string | undefined,
  path: readonly string[],
  definedProperties: ReadonlySet<string>,
): CodePlan {
  const { record } = located;
  const slots: Slot[] = [];
  const assigns: string[] = [];
  const edits = new SourceEdits(located);
  const heritage = superclassSlot(fn, located, entryUrl, edits);
  if (heritage !== undefined) slots.push(heritage);
  const methodName = methodNameSlot(record, edits);
  if (methodName !== undefined) slots.push(methodName);
  for (const free of record.free.values()) {
    if (isOwnName(free, record) || free.name === heritage?.name) continue;
    const slot = slotOf(fn, free, scopes, located, entryUrl, path);
    if (slot === undefined) continue;
    slots.push(slot);
    if (free.assignedInside) assigns.push(free.name);
  }
  for (const [exportName, name] of edits.replaceModuleSyntax()) {
    slots.push({
      kind: "constant",
      name,
      value: { kind: "import", url: fileScopeUrl(located.scriptUrl), name: exportName },
    });
  }
  return {
    unit: makeUnit({
      url: located.url,
      line: located.line,
      column: located.column,
      kind: record.kind,
      source: edits.apply(),
      names: slots.map((slot) => slot.name),
      ...nameOf(fn, record),
      ...(record.isStrict ? {} : { sloppy: true }),
      ...(located.compiledPlace === undefined || located.scriptUrl !== entryUrl
        ? {}
        : { entryPlace: located.compiledPlace }),
    }),
    slots,
    isVolatile: slots.some((slot) => slot.kind === "variable" && slot.mayChange),
    assigns,
    mayBeExport: record.outer === undefined && located.script?.isLoadedByNode === true,
    definedProperties,
    located,
    renamed: new Map(),
  };
}

/** The unit of a plan, under the name that this very instance carries. */
export function unitFor(plan: CodePlan, name: string | undefined): CodeUnit {
  if (name === undefined || name === plan.unit.name || plan.unit.kind === "method") return plan.unit;
  if (plan.unit.name === undefined && name === "") return plan.unit;
  let unit = plan.renamed.get(name);
  if (unit === undefined) {
    if (plan.renamed.size >= maxNamesPerLiteral) return plan.unit;
    unit = makeUnit({ ...plan.unit, name });
    plan.renamed.set(name, unit);
  }
  return unit;
}

function nameOf(fn: Function, record: FunctionRecord): { name?: string } {
  if (record.kind === "method") return {};
  const name = ownName(fn);
  return name === undefined || name === "" ? {} : { name };
}

/** The `name` property, unless something (a static `name` member) has taken its place. */
export function ownName(fn: Function): string | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(fn, "name");
  return typeof descriptor?.value === "string" && !descriptor.enumerable ? descriptor.value : undefined;
}

function makeUnit(parts: Omit<CodeUnit, "id">): CodeUnit {
  const { url, line, column, kind, source, names, name, sloppy, entryPlace } = parts;
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([
      url,
      line,
      column,
      kind,
      source,
      names,
      name ?? null,
      sloppy ?? false,
      entryPlace ?? null,
    ]),
  );
  return {
    id: hash.digest("base64url").slice(0, 22),
    url,
    line,
    column,
    kind,
    source,
    names,
    ...(name === undefined ? {} : { name }),
    ...(sloppy ? { sloppy } : {}),
    ...(entryPlace === undefined ? {} : { entryPlace }),
  };
}

/** Sent alone, a declaration is an expression that knows itself by its own name. */
function isOwnName(free: FreeName, record: FunctionRecord): boolean {
  const { node } = record;
  return (
    node.type === "FunctionDeclaration" && node.id?.name === free.name && free.binding?.kind === "function"
  );
}

function slotOf(
  fn: Function,
  free: FreeName,
  scopes: readonly VariableScope[],
  located: LocatedFunction,
  entryUrl: string | undefined,
  path: readonly string[],
): Slot | undefined {
  const { name, binding } = free;
  const scope = scopes.findIndex(({ variables }) => name in variables);
  const value = importOf(free, scopes[scope]?.variables, located, entryUrl);
  if (value !== undefined) return { kind: "constant", name, value };
  if (scope !== -1) return { kind: "variable", name, scope, mayChange: mayChange(binding) };
  if (binding === undefined) return undefined;
  if (keyOfComputedMember(fn, located, name) !== undefined) return { kind: "member key", name };
  throw new CannotTravelError(
    path,
    `${describeFunction(fn)} uses \`${name}\` where V8 does not keep it (a computed key, say): use it inside a method too`,
  );
}

/**
 * The key of a method `[key]() {}` belongs to what is around it; where the method lands, only its name counts. A key
 * that the method also uses inside is captured like any other name.
 */
function methodNameSlot(record: FunctionRecord, edits: SourceEdits): Slot | undefined {
  const { computedKey } = record;
  if (computedKey === undefined || computedKey.type === "Literal") return undefined;
  if (computedKey.type !== "Identifier")
    return { kind: "method name", name: edits.replace(computedKey.start, computedKey.end, "key") };
  return record.free.has(computedKey.name) ? undefined : { kind: "method name", name: computedKey.name };
}

/** A class takes its superclass along from its own prototype chain, whatever expression named it. */
function superclassSlot(
  fn: Function,
  located: LocatedFunction,
  entryUrl: string | undefined,
  edits: SourceEdits,
): Slot | undefined {
  const { node } = located.record;
  if ((node.type !== "ClassDeclaration" && node.type !== "ClassExpression") || !node.superClass)
    return undefined;
  const { superClass } = node;
  if (superClass.type === "Literal") return undefined;
  if (superClass.type !== "Identifier")
    return { kind: "superclass", name: edits.replace(superClass.start, superClass.end, "superclass") };
  const { name } = superClass;
  const binding = located.script?.analysis.topLevel.get(name);
  const value = importOf({ name, binding, assignedInside: false }, undefined, located, entryUrl);
  if (value !== undefined) return { kind: "constant", name, value };
  const isGlobal =
    binding === undefined && (globalThis as Record<string, unknown>)[name] === Object.getPrototypeOf(fn);
  return isGlobal ? undefined : { kind: "superclass", name };
}

/** What is unknown (a name of the REPL, of a script without text) counts as changing. */
function mayChange(binding: Binding | undefined): boolean {
  return binding === undefined || binding.reassigned;
}
