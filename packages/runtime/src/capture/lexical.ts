import type { AnyNode, CallExpression, Expression, Identifier, Node, Pattern } from "acorn";

/**
 * The vocabulary of lexical analysis: bindings, scopes, and what a function leaves free.
 * `free-names.ts` fills these in; nothing here walks a tree.
 */

export type BindingKind =
  | "import"
  | "const"
  | "let"
  | "var"
  | "function"
  | "class"
  | "parameter"
  | "own name";

/** A declared variable of the analysed text. */
export interface Binding {
  readonly name: string;
  readonly kind: BindingKind;
  /** True when something assigns it other than its own declaration. */
  reassigned: boolean;
  /** For an import declaration: where it comes from (`*` = the namespace). */
  readonly imported?: { readonly specifier: string; readonly name: string };
  /** For `const x = init` and `const { key } = init`. */
  readonly initializer?: { readonly expression: Expression; readonly key?: string };
}

/** A name that a function uses and does not declare. */
export interface FreeName {
  readonly name: string;
  /** Undefined when the analysed text does not declare it either: a global, or a name of an outer text. */
  readonly binding: Binding | undefined;
  /** True when the function itself assigns it. */
  assignedInside: boolean;
}

/** What makes a function unable to leave its place. */
export type Obstacle =
  | "outer this"
  | "outer arguments"
  | "super"
  | "new.target"
  | "direct eval"
  | "with"
  | "outer #private"
  | "phased import"
  | "accessor"
  | "private method";

/** `import.meta` or the `import` of `import()`: text that has to be renamed when the function leaves its module. */
export interface ModuleSyntax {
  readonly kind: "import.meta" | "import()";
  readonly start: number;
  readonly end: number;
}

/** A function or class of the analysed text; `start` and `end` delimit what its `toString()` returns. */
export interface FunctionRecord {
  readonly kind: "function" | "method" | "class";
  readonly start: number;
  readonly end: number;
  readonly node: AnyNode;
  readonly isArrow: boolean;
  readonly isStrict: boolean;
  readonly free: Map<string, FreeName>;
  readonly obstacles: Set<Obstacle>;
  readonly moduleSyntax: ModuleSyntax[];
  /** Of a method `[key]() {}`: the expression in brackets, which belongs to what is around it. */
  readonly computedKey: AnyNode | undefined;
  /** The function or class it stands in, undefined at the top level. */
  readonly outer: FunctionRecord | undefined;
}

/** A lexical scope while the tree is walked. */
export interface Scope {
  readonly parent: Scope | undefined;
  readonly bindings: Map<string, Binding>;
  /** Set on the outermost scope of a function or class. */
  readonly record: FunctionRecord | undefined;
  /** What `this`, `arguments`, `super` and `new.target` inside resolve to. */
  readonly receiver: "own" | "outer" | "class" | "method";
  readonly privateNames: Set<string> | undefined;
}

export function isFunctionNode(node: AnyNode): boolean {
  return (
    node.type === "FunctionDeclaration" ||
    node.type === "FunctionExpression" ||
    node.type === "ArrowFunctionExpression"
  );
}

export function isDirectEval(node: CallExpression): boolean {
  return node.callee.type === "Identifier" && node.callee.name === "eval";
}

/** The identifiers that a pattern binds or assigns, in order. Member targets (`[a.b] = …`) bind nothing. */
export function patternNames(pattern: Pattern | null): Identifier[] {
  if (pattern === null) return [];
  switch (pattern.type) {
    case "Identifier":
      return [pattern];
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        property.type === "RestElement" ? patternNames(property.argument) : patternNames(property.value),
      );
    case "ArrayPattern":
      return pattern.elements.flatMap(patternNames);
    case "RestElement":
      return patternNames(pattern.argument);
    case "AssignmentPattern":
      return patternNames(pattern.left);
    default:
      return [];
  }
}

const metadataKeys = new Set([
  "type",
  "start",
  "end",
  "loc",
  "range",
  "sourceFile",
  "raw",
  "regex",
  "bigint",
  "directive",
]);

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

/** The child nodes of a node in source order. */
export function childNodes(node: AnyNode): AnyNode[] {
  const children: AnyNode[] = [];
  for (const [key, value] of Object.entries(node)) {
    if (metadataKeys.has(key)) continue;
    if (isNode(value)) children.push(value);
    else if (Array.isArray(value)) for (const item of value) if (isNode(item)) children.push(item);
  }
  return children;
}

/** True when the statements begin with that directive. */
export function hasUseStrict(body: readonly AnyNode[]): boolean {
  for (const statement of body) {
    if (statement.type !== "ExpressionStatement" || statement.directive === undefined) return false;
    if (statement.directive === "use strict") return true;
  }
  return false;
}
