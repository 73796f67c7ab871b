import type { ClassDeclaration, ClassExpression } from "acorn";
import { analyze } from "./analyze.ts";
import type { FunctionRecord } from "./lexical.ts";
import { processCode } from "./process-code.ts";
import type { LocatedFunction } from "./source.ts";

/**
 * True when instances of the class hold #private members, of its own or of a superclass: such an instance cannot be
 * rebuilt from outside, except by what `registerType` says.
 */
export function hasPrivateFields(cls: Function): boolean {
  const { withPrivateFields } = processCode();
  for (
    let at: unknown = cls;
    typeof at === "function" && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    let own = withPrivateFields.get(at);
    if (own === undefined) {
      own = declaresPrivate(Function.prototype.toString.call(at));
      withPrivateFields.set(at, own);
    }
    if (own) return true;
  }
  return false;
}

function declaresPrivate(source: string): boolean {
  if (!source.startsWith("class") || !source.includes("#")) return false;
  const node = analyze(`(${source})`, "script").functions.get(1)?.node;
  if (node === undefined || !isClass(node)) return false;
  return node.body.body.some(
    (member) => member.type !== "StaticBlock" && !member.static && member.key.type === "PrivateIdentifier",
  );
}

function isClass(node: FunctionRecord["node"]): node is ClassDeclaration | ClassExpression {
  return node.type === "ClassDeclaration" || node.type === "ClassExpression";
}

/** Names of the static fields that the class's own text makes, so that they need not travel beside it. */
export function staticFieldNames(record: FunctionRecord): ReadonlySet<string> {
  const names = new Set<string>();
  if (!isClass(record.node)) return names;
  for (const member of record.node.body.body) {
    if (member.type !== "PropertyDefinition" || !member.static || member.computed) continue;
    if (member.key.type === "Identifier") names.add(member.key.name);
    else if (member.key.type === "Literal") names.add(String(member.key.value));
  }
  return names;
}

/**
 * What a class has on its prototype that its text does not say: it would be lost.
 * @returns the name of the first such member.
 */
export function changedMember(fn: Function, located: LocatedFunction): string | undefined {
  const prototype: unknown = Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
  if (typeof prototype !== "object" || prototype === null) return undefined;
  const { record } = located;
  if (!isClass(record.node)) return undefined;
  const members = record.node.body.body.filter(
    (member) => member.type === "MethodDefinition" && !member.static,
  );
  let computed = 0;
  const declared = new Map<string, Set<string>>([["constructor", new Set()]]);
  for (const member of members) {
    if (
      member.type !== "MethodDefinition" ||
      member.key.type === "PrivateIdentifier" ||
      member.kind === "constructor"
    )
      continue;
    if (member.computed) {
      computed++;
      continue;
    }
    const key =
      member.key.type === "Identifier"
        ? member.key.name
        : member.key.type === "Literal"
          ? String(member.key.value)
          : "";
    const texts = declared.get(key) ?? new Set();
    declared.set(key, texts.add(located.text.slice(member.start, member.end)));
  }
  for (const key of Reflect.ownKeys(prototype)) {
    const texts = typeof key === "string" ? declared.get(key) : undefined;
    if (texts === undefined) {
      if (computed-- > 0) continue;
      return String(key);
    }
    if (key === "constructor") continue;
    const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key) ?? {};
    for (const part of [value, get, set] as unknown[])
      if (typeof part === "function" && !texts.has(Function.prototype.toString.call(part)))
        return String(key);
  }
  return undefined;
}

/**
 * The key that a class's computed member `[name]() {}` got. V8 need not keep a variable that only computes keys; the
 * member itself tells, found by its text.
 */
export function keyOfComputedMember(
  fn: Function,
  located: LocatedFunction,
  name: string,
): PropertyKey | undefined {
  const { record, text } = located;
  if (!isClass(record.node)) return undefined;
  for (const member of record.node.body.body) {
    if (member.type !== "MethodDefinition" || !member.computed) continue;
    if (member.key.type !== "Identifier" || member.key.name !== name) continue;
    const owner: object = member.static ? fn : (fn as Function & { prototype: object }).prototype;
    const source = text.slice(member.start, member.end);
    for (const key of Reflect.ownKeys(owner)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(owner, key) ?? {};
      for (const part of [value, get, set] as unknown[])
        if (typeof part === "function" && source.endsWith(Function.prototype.toString.call(part))) return key;
    }
  }
  return undefined;
}
