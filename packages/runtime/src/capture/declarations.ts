import type { AnyNode, Expression, Pattern, Program } from "acorn";
import { childNodes, isFunctionNode, patternNames } from "./lexical.ts";
import type { Binding, BindingKind, Scope } from "./lexical.ts";

/** Declares the names of each scope before anything in it is visited, so that every reference finds its binding. */
export class Declarations {
  /** Bindings of import declarations, and others that may hold what a loader gave. */
  readonly mayImport: Binding[] = [];
  readonly #initialized = new Set<Binding>();

  imports(program: Program, scope: Scope): void {
    for (const statement of program.body) {
      if (statement.type !== "ImportDeclaration") continue;
      const specifier = String(statement.source.value);
      for (const entry of statement.specifiers) {
        const name =
          entry.type === "ImportNamespaceSpecifier"
            ? "*"
            : entry.type === "ImportDefaultSpecifier"
              ? "default"
              : exportedName(entry.imported);
        this.#noteImport(declare(scope, entry.local.name, "import", { imported: { specifier, name } }));
      }
    }
  }

  /** Declares what `let`, `const`, `class` and `function` declare directly among these statements. */
  lexical(statements: readonly AnyNode[], scope: Scope): void {
    for (const outer of statements) {
      const statement =
        outer.type === "ExportNamedDeclaration" || outer.type === "ExportDefaultDeclaration"
          ? (outer.declaration ?? outer)
          : outer;
      if (statement.type === "ClassDeclaration" && statement.id) declare(scope, statement.id.name, "class");
      else if (statement.type === "FunctionDeclaration" && statement.id)
        declare(scope, statement.id.name, "function");
      else if (statement.type === "VariableDeclaration" && statement.kind !== "var") {
        const kind: BindingKind = statement.kind === "let" ? "let" : "const";
        for (const { id, init } of statement.declarations)
          for (const binding of declarePattern(scope, id, kind, init ?? undefined)) this.#noteImport(binding);
      } else if (statement.type === "LabeledStatement") this.lexical([statement.body], scope);
    }
  }

  /** Declares the `var`s (and, in sloppy code, the functions) of nested statements in their function's scope. */
  vars(nodes: readonly AnyNode[], scope: Scope, isStrict: boolean, nested = false): void {
    for (const node of nodes) {
      if (node.type === "VariableDeclaration" && node.kind === "var")
        for (const { id, init } of node.declarations)
          for (const binding of declarePattern(scope, id, "var", init ?? undefined))
            this.#noteImport(binding);
      if (
        node.type === "FunctionDeclaration" &&
        nested &&
        !isStrict &&
        node.id &&
        !scope.bindings.has(node.id.name)
      )
        declare(scope, node.id.name, "function");
      if (isFunctionNode(node) || node.type === "ClassDeclaration" || node.type === "ClassExpression")
        continue;
      if (isStatementLike(node))
        this.vars(childNodes(node), scope, isStrict, nested || node.type === "BlockStatement");
    }
  }

  /** A `var` may run its initializer more than once; a closure then sees it change. */
  initialize(pattern: Pattern, scope: Scope, isInLoop: boolean): void {
    for (const { name } of patternNames(pattern)) {
      const binding = resolve(scope, name);
      if (binding === undefined) continue;
      if (isInLoop || binding.kind !== "var" || this.#initialized.has(binding)) binding.reassigned = true;
      this.#initialized.add(binding);
    }
  }
  #noteImport(binding: Binding | undefined): void {
    if (
      binding?.imported !== undefined ||
      (binding?.initializer !== undefined && loaderCalls.has(binding.initializer.expression.type))
    )
      this.mayImport.push(binding);
  }
}

/** Only statements can hold `var` declarations; expressions need no search. */
function isStatementLike(node: AnyNode): boolean {
  return (
    node.type.endsWith("Statement") ||
    node.type.endsWith("Declaration") ||
    node.type === "SwitchCase" ||
    node.type === "CatchClause"
  );
}

function exportedName(node: AnyNode): string {
  return node.type === "Identifier" ? node.name : node.type === "Literal" ? String(node.value) : "";
}

export function child(parent: Scope): Scope {
  return { parent, bindings: new Map(), record: undefined, receiver: "outer", privateNames: undefined };
}

export function resolve(scope: Scope, name: string): Binding | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const binding = at.bindings.get(name);
    if (binding) return binding;
  }
  return undefined;
}

/** @returns the binding, if it is new. */
export function declare(
  scope: Scope,
  name: string,
  kind: BindingKind,
  more: Partial<Pick<Binding, "imported" | "initializer">> = {},
): Binding | undefined {
  const known = scope.bindings.get(name);
  if (known !== undefined) {
    if (kind === "function") known.reassigned = true;
    return undefined;
  }
  const binding: Binding = { name, kind, reassigned: false, ...more };
  scope.bindings.set(name, binding);
  return binding;
}

function declarePattern(
  scope: Scope,
  pattern: Pattern,
  kind: BindingKind,
  expression: Expression | undefined,
): (Binding | undefined)[] {
  if (pattern.type === "Identifier")
    return [declare(scope, pattern.name, kind, expression ? { initializer: { expression } } : {})];
  return patternNames(pattern).map(({ name }) => {
    const key = pattern.type === "ObjectPattern" ? keyOf(pattern, name) : undefined;
    return declare(
      scope,
      name,
      kind,
      expression && key !== undefined ? { initializer: { expression, key } } : {},
    );
  });
}

/** What `require("x")`, `await import("x")` and the like look like from outside. */
const loaderCalls: ReadonlySet<string> = new Set(["CallExpression", "AwaitExpression", "MemberExpression"]);

/** In `const { key: name } = …`, the key of a name bound at the first level and without default. */
function keyOf(pattern: Extract<Pattern, { type: "ObjectPattern" }>, name: string): string | undefined {
  for (const property of pattern.properties) {
    if (property.type === "RestElement" || property.computed) continue;
    if (property.value.type === "Identifier" && property.value.name === name)
      return exportedName(property.key);
  }
  return undefined;
}
