import type { Identifier } from "acorn";
import type { Binding, FunctionRecord, Obstacle, Scope } from "./lexical.ts";

/** Finds what a name refers to; every function that it is looked for beyond leaves it free. */
export function refer({ name }: Identifier, scope: Scope, isAssigned: boolean): void {
  const crossed: FunctionRecord[] = [];
  let binding: Binding | undefined;
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    binding = at.bindings.get(name);
    if (binding !== undefined) break;
    if (at.record === undefined) continue;
    if (name === "arguments" && at.record.kind !== "class" && !at.record.isArrow) break;
    crossed.push(at.record);
  }
  if (name === "arguments" && binding === undefined) {
    for (const record of crossed) record.obstacles.add("outer arguments");
    return;
  }
  if (isAssigned && binding !== undefined) binding.reassigned = true;
  for (const record of crossed) {
    const known = record.free.get(name);
    if (known === undefined) record.free.set(name, { name, binding, assignedInside: isAssigned });
    else known.assignedInside ||= isAssigned;
  }
}

/** Marks every function between here and the one that owns `this`, `super` or `new.target`. */
export function referToReceiver(scope: Scope, obstacle: Obstacle): void {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.receiver === "class") return;
    if (at.record === undefined) continue;
    if (at.receiver === "own") return;
    if (at.receiver === "method") {
      // A method owns its `this`; its `super` belongs to the object it was written in.
      if (obstacle === "super") at.record.obstacles.add(obstacle);
      return;
    }
    at.record.obstacles.add(obstacle);
  }
}

/** Marks every function between here and the class that declares a #private name. */
export function referToPrivateName(name: string, scope: Scope): void {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.privateNames?.has(name)) return;
    at.record?.obstacles.add("outer #private");
  }
}
