import { createRequire } from "node:module";
import type { Node } from "acorn";
import { isNativeFunction } from "./intrinsics.ts";

/** The class or constructor function whose `prototype` an object is; undefined for any other object. */
export function prototypeOwner(prototype: object): Function | undefined {
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  if (typeof constructor !== "function") return undefined;
  const own = Object.getOwnPropertyDescriptor(constructor, "prototype");
  return own !== undefined && own.value === prototype ? constructor : undefined;
}

/**
 * Why instances of a class cannot be taken apart and put together again, in words.
 * @param builtin true when the instance is of a built-in kind by its own internal slots, whose class may then be an ancestor.
 */
export function instanceRefusal(owner: Function, builtin: boolean): string | undefined {
  for (
    let at: unknown = owner;
    typeof at === "function" && at !== Function.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    const name = at.name === "" ? "a class without a name" : at.name;
    if (isNativeFunction(at)) {
      if (builtin || at === Object || at === Iterator) continue;
      return `an instance of ${name}, a built-in class, cannot travel`;
    }
    if (hasPrivateState(at)) {
      const whose = at === owner ? "" : ` (which ${owner.name === "" ? "its class" : owner.name} extends)`;
      return `an instance of ${name}${whose}, a class with #private members, cannot travel; teach how with registerType(${at === owner ? name : owner.name || "Class"}, { encode, decode })`;
    }
  }
  return undefined;
}

/** `#name`, but also in comments and strings: only when it occurs is the class parsed. */
const mayBePrivate = /#[\p{ID_Start}$_\\]/u;

function hasPrivateState(constructor: Function): boolean {
  const source = Function.prototype.toString.call(constructor);
  if (!source.startsWith("class") || !mayBePrivate.test(source)) return false;
  // Loaded on demand: most programs have no such class.
  const acorn = createRequire(import.meta.url)("acorn") as typeof import("acorn");
  try {
    const root = acorn.parseExpressionAt(source, 0, { ecmaVersion: "latest" }) as ClassNode;
    return root.body.body.some(
      (member) => member.static !== true && member.key?.type === "PrivateIdentifier",
    );
  } catch {
    // Syntax that acorn does not know, or `super`-like context that is not there: better refused than broken.
    return true;
  }
}

interface ClassNode extends Node {
  readonly body: { readonly body: readonly { readonly static?: boolean; readonly key?: Node }[] };
}
