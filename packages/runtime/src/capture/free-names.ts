import { parse } from "acorn";
import type { AnyNode, Expression, Identifier, Options, Pattern, Program, Token as AcornToken } from "acorn";
import { childNodes, isDirectEval, isFunctionNode, patternNames } from "./lexical.ts";
import type { Binding, BindingKind, FunctionRecord, ModuleSyntax, Obstacle, Scope } from "./lexical.ts";

/** A token of the text; template text and what holds it together must stay as it is. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly isTemplate: boolean;
}

/** The functions and classes of one text, by the offset at which their own source starts. */
export interface LexicalAnalysis {
  readonly program: Program;
  readonly isModule: boolean;
  readonly functions: ReadonlyMap<number, FunctionRecord>;
  /** In order; only when asked for. */
  readonly tokens: readonly Token[] | undefined;
  /** Bindings of the outermost scope. */
  readonly topLevel: ReadonlyMap<string, Binding>;
  /** Import declarations' bindings, and others that may hold what a loader gave. */
  readonly mayImport: readonly Binding[];
}

const templateLabels: ReadonlySet<string> = new Set(["template", "invalidTemplate", "`", "${"]);

const lenient: Partial<Options> = {
  ecmaVersion: "latest",
  allowHashBang: true,
  allowReturnOutsideFunction: true,
  allowAwaitOutsideFunction: true,
  allowSuperOutsideMethod: true,
  allowImportExportEverywhere: true,
  checkPrivateFields: false,
};

/**
 * Parses a file, or the text of one function wrapped in parentheses, and finds what each function leaves free.
 * @param mode "module" is strict; "script" is what CommonJS files and `new Function` are.
 * @throws SyntaxError when the text is not JavaScript.
 */
export function analyze(text: string, mode: "module" | "script", withTokens = false): LexicalAnalysis {
  const tokens: Token[] = [];
  const onToken = (token: AcornToken): void => {
    tokens.push({ start: token.start, end: token.end, isTemplate: templateLabels.has(token.type.label) });
  };
  const program = parse(text, { ...lenient, sourceType: mode, ...(withTokens ? { onToken } : {}) } as Options);
  const walker = new Walker(text, mode === "module" || hasUseStrict(program.body));
  walker.program(program);
  return {
    program,
    isModule: mode === "module",
    functions: walker.functions,
    tokens: withTokens ? tokens : undefined,
    topLevel: walker.topLevel,
    mayImport: walker.mayImport,
  };
}

function hasUseStrict(body: readonly AnyNode[]): boolean {
  for (const statement of body) {
    if (statement.type !== "ExpressionStatement" || statement.directive === undefined) return false;
    if (statement.directive === "use strict") return true;
  }
  return false;
}

class Walker {
  readonly functions = new Map<number, FunctionRecord>();
  readonly topLevel = new Map<string, Binding>();
  readonly mayImport: Binding[] = [];
  readonly #text: string;
  #strict: boolean;
  #loopDepth = 0;
  #record: FunctionRecord | undefined;

  constructor(text: string, strict: boolean) {
    this.#text = text;
    this.#strict = strict;
  }

  program(program: Program): void {
    const scope: Scope = {
      parent: undefined,
      bindings: this.topLevel,
      record: undefined,
      receiver: "own",
      privateNames: undefined,
    };
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
    this.#hoistVars(program.body, scope);
    this.#declareLexical(program.body, scope);
    for (const statement of program.body) this.#visit(statement, scope);
  }

  #visit(node: AnyNode, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        return this.#reference(node, scope, false);
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return this.#function(node, scope, node.start, "function");
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#class(node, scope);
      case "Property":
        return this.#property(node, scope);
      case "MemberExpression":
        this.#visit(node.object, scope);
        if (node.computed || node.property.type === "PrivateIdentifier") this.#visit(node.property, scope);
        return;
      case "BlockStatement":
      case "StaticBlock": {
        const inner = child(scope);
        this.#declareLexical(node.body, inner);
        for (const statement of node.body) this.#visit(statement, inner);
        return;
      }
      case "SwitchStatement": {
        this.#visit(node.discriminant, scope);
        const inner = child(scope);
        this.#declareLexical(node.cases.flatMap((entry) => entry.consequent), inner);
        for (const entry of node.cases) for (const part of childNodes(entry)) this.#visit(part, inner);
        return;
      }
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
        return this.#loop(node, scope);
      case "WhileStatement":
      case "DoWhileStatement":
        this.#loopDepth++;
        for (const part of childNodes(node)) this.#visit(part, scope);
        this.#loopDepth--;
        return;
      case "CatchClause": {
        const inner = child(scope);
        for (const name of patternNames(node.param ?? null)) declare(inner, name.name, "let");
        if (node.param) this.#pattern(node.param, inner, undefined);
        return this.#visit(node.body, inner);
      }
      case "VariableDeclaration":
        for (const declarator of node.declarations) {
          if (node.kind === "var" && declarator.init) this.#countVar(declarator.id, scope);
          this.#pattern(declarator.id, scope, undefined);
          if (declarator.init) this.#visit(declarator.init, scope);
        }
        return;
      case "AssignmentExpression":
        this.#pattern(node.left, scope, node.operator);
        return this.#visit(node.right, scope);
      case "UpdateExpression":
        if (node.argument.type === "Identifier") return this.#reference(node.argument, scope, true);
        return this.#visit(node.argument, scope);
      case "CallExpression":
        if (isDirectEval(node) && resolve(scope, "eval") === undefined) this.#everyOuter("direct eval");
        break;
      case "WithStatement":
        this.#everyOuter("with");
        break;
      case "ThisExpression":
        return this.#receiver(scope, "outer this");
      case "Super":
        return this.#receiver(scope, "super");
      case "MetaProperty":
        if (node.meta.name === "new") return this.#receiver(scope, "new.target");
        return this.#moduleSyntax({ kind: "import.meta", start: node.start, end: node.end });
      case "ImportExpression":
        if (!/^import\s*\(/.test(this.#text.slice(node.start, node.start + 200))) this.#everyOuter("phased import");
        this.#moduleSyntax({ kind: "import()", start: node.start, end: node.start + "import".length });
        break;
      case "PrivateIdentifier":
        return this.#privateName(node.name, scope);
      case "LabeledStatement":
        return this.#visit(node.body, scope);
      case "BreakStatement":
      case "ContinueStatement":
      case "ImportDeclaration":
      case "ExportAllDeclaration":
        return;
      case "ExportNamedDeclaration":
        if (node.declaration) this.#visit(node.declaration, scope);
        return;
    }
    for (const part of childNodes(node)) this.#visit(part, scope);
  }

  #loop(node: Extract<AnyNode, { type: "ForStatement" | "ForInStatement" | "ForOfStatement" }>, scope: Scope): void {
    const inner = child(scope);
    this.#loopDepth++;
    if (node.type === "ForStatement") {
      if (node.init?.type === "VariableDeclaration") this.#declareLexical([node.init], inner);
      for (const part of childNodes(node)) this.#visit(part, inner);
    } else {
      if (node.left.type === "VariableDeclaration") {
        this.#declareLexical([node.left], inner);
        const [declarator] = node.left.declarations;
        if (declarator && node.left.kind === "var") this.#countVar(declarator.id, inner);
        this.#visit(node.left, inner);
      } else {
        this.#pattern(node.left, inner, "=");
      }
      this.#visit(node.right, inner);
      this.#visit(node.body, inner);
    }
    this.#loopDepth--;
  }

  #property(node: Extract<AnyNode, { type: "Property" }>, scope: Scope): void {
    if (node.computed) this.#visit(node.key, scope);
    if (node.method || node.kind !== "init") {
      this.#function(node.value as AnyNode, scope, node.start, "method", node.kind === "init" ? undefined : "accessor", node.computed ? node.key : undefined);
    } else {
      this.#visit(node.value, scope);
    }
  }

  #function(node: AnyNode, scope: Scope, start: number, kind: "function" | "method", obstacle?: Obstacle, computedKey?: AnyNode): void {
    if (!isFunctionNode(node)) return this.#visit(node, scope);
    const fn = node as Extract<AnyNode, { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" }>;
    const isArrow = fn.type === "ArrowFunctionExpression";
    const outerStrict = this.#strict;
    const outerLoops = this.#loopDepth;
    this.#loopDepth = 0;
    if (fn.body.type === "BlockStatement" && hasUseStrict(fn.body.body)) this.#strict = true;
    const record = this.#open(kind, fn, start, fn.end, isArrow, computedKey);
    if (obstacle) record.obstacles.add(obstacle);
    let inner: Scope = {
      parent: scope,
      bindings: new Map(),
      record,
      receiver: isArrow ? "outer" : kind === "method" ? "method" : "own",
      privateNames: undefined,
    };
    if (fn.type === "FunctionExpression" && fn.id && kind === "function") {
      declare(inner, fn.id.name, "own name");
      inner = child(inner);
    }
    for (const param of fn.params) for (const name of patternNames(param)) declare(inner, name.name, "parameter");
    if (fn.body.type === "BlockStatement") {
      this.#hoistVars(fn.body.body, inner);
      this.#declareLexical(fn.body.body, inner);
    }
    for (const param of fn.params) this.#pattern(param, inner, undefined);
    if (fn.body.type === "BlockStatement") for (const statement of fn.body.body) this.#visit(statement, inner);
    else this.#visit(fn.body, inner);
    this.#strict = outerStrict;
    this.#loopDepth = outerLoops;
    this.#record = record.outer;
  }

  #class(node: Extract<AnyNode, { type: "ClassDeclaration" | "ClassExpression" }>, scope: Scope): void {
    const outerStrict = this.#strict;
    this.#strict = true;
    // The superclass is evaluated outside: an instance of the class knows it without knowing its name.
    if (node.superClass) this.#visit(node.superClass, scope);
    const record = this.#open("class", node, node.start, node.end, false);
    const privateNames = new Set<string>();
    for (const member of node.body.body)
      if (member.type !== "StaticBlock" && member.key.type === "PrivateIdentifier") privateNames.add(member.key.name);
    const inner: Scope = { parent: scope, bindings: new Map(), record, receiver: "outer", privateNames };
    if (node.id) declare(inner, node.id.name, "own name");
    for (const member of node.body.body) {
      if (member.type === "StaticBlock") {
        const block: Scope = { parent: inner, bindings: new Map(), record: undefined, receiver: "class", privateNames: undefined };
        this.#hoistVars(member.body, block);
        this.#visit(member, block);
        continue;
      }
      if (member.computed) this.#visit(member.key, inner);
      if (member.type === "PropertyDefinition") {
        const field: Scope = { parent: inner, bindings: new Map(), record: undefined, receiver: "class", privateNames: undefined };
        if (member.value) this.#visit(member.value, field);
        continue;
      }
      const isPrivate = member.key.type === "PrivateIdentifier";
      const isAccessor = member.kind === "get" || member.kind === "set";
      this.#function(
        member.value,
        inner,
        member.static ? this.#afterStatic(member.start) : member.start,
        "method",
        isPrivate ? "private method" : isAccessor ? "accessor" : undefined,
        member.computed ? member.key : undefined,
      );
    }
    this.#strict = outerStrict;
    this.#record = record.outer;
  }

  /** The offset behind `static` and the blanks and comments after it: where a static method's own text starts. */
  #afterStatic(start: number): number {
    const match = /^static(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\n]*\n)*/.exec(this.#text.slice(start, start + 1000));
    return start + (match?.[0].length ?? 0);
  }

  #open(kind: FunctionRecord["kind"], node: AnyNode, start: number, end: number, isArrow: boolean, computedKey?: AnyNode): FunctionRecord {
    const record: FunctionRecord = {
      kind,
      start,
      end,
      node,
      isArrow,
      isStrict: this.#strict,
      free: new Map(),
      obstacles: new Set(),
      moduleSyntax: [],
      computedKey: computedKey === undefined ? undefined : { start: computedKey.start, end: computedKey.end },
      outer: this.#record,
    };
    this.functions.set(start, record);
    this.#record = record;
    return record;
  }

  /** Visits a binding pattern (operator undefined) or an assignment target. */
  #pattern(pattern: Pattern, scope: Scope, operator: string | undefined): void {
    switch (pattern.type) {
      case "Identifier":
        if (operator !== undefined) this.#reference(pattern, scope, true);
        return;
      case "ObjectPattern":
        for (const property of pattern.properties) {
          if (property.type === "RestElement") this.#pattern(property.argument, scope, operator);
          else {
            if (property.computed) this.#visit(property.key, scope);
            this.#pattern(property.value, scope, operator);
          }
        }
        return;
      case "ArrayPattern":
        for (const element of pattern.elements) if (element) this.#pattern(element, scope, operator);
        return;
      case "RestElement":
        return this.#pattern(pattern.argument, scope, operator);
      case "AssignmentPattern":
        this.#pattern(pattern.left, scope, operator);
        return this.#visit(pattern.right, scope);
      default:
        return this.#visit(pattern, scope);
    }
  }

  #reference(node: Identifier, scope: Scope, assigned: boolean): void {
    const { name } = node;
    const crossed: FunctionRecord[] = [];
    let at: Scope | undefined = scope;
    let binding: Binding | undefined;
    for (; at !== undefined; at = at.parent) {
      binding = at.bindings.get(name);
      if (binding !== undefined) break;
      if (at.record === undefined) continue;
      if (name === "arguments" && at.record.kind !== "class" && !at.record.isArrow) {
        for (const record of crossed) if (record.kind !== "class") record.obstacles.add("outer arguments");
        return;
      }
      crossed.push(at.record);
    }
    if (assigned && binding) binding.reassigned = true;
    if (name === "arguments" && binding === undefined) {
      for (const record of crossed) record.obstacles.add("outer arguments");
      return;
    }
    for (const record of crossed) {
      const known = record.free.get(name);
      if (known === undefined) record.free.set(name, { name, binding, assignedInside: assigned });
      else known.assignedInside ||= assigned;
    }
  }

  /** Marks every function between here and the one that owns `this`, `super` or `new.target`. */
  #receiver(scope: Scope, obstacle: Obstacle): void {
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

  #privateName(name: string, scope: Scope): void {
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      if (at.privateNames?.has(name)) return;
      at.record?.obstacles.add("outer #private");
    }
  }

  #everyOuter(obstacle: Obstacle): void {
    for (let record = this.#record; record !== undefined; record = record.outer) record.obstacles.add(obstacle);
  }

  #moduleSyntax(syntax: ModuleSyntax): void {
    for (let record = this.#record; record !== undefined; record = record.outer) record.moduleSyntax.push(syntax);
  }

  /** A `var` may run its initializer more than once; a closure then sees it change. */
  #countVar(pattern: Pattern, scope: Scope): void {
    for (const { name } of patternNames(pattern)) {
      const binding = resolve(scope, name);
      if (binding === undefined) continue;
      if (this.#loopDepth > 0 || binding.kind !== "var" || this.#initialized.has(binding)) binding.reassigned = true;
      this.#initialized.add(binding);
    }
  }
  readonly #initialized = new Set<Binding>();

  #declareLexical(statements: readonly AnyNode[], scope: Scope): void {
    for (const outer of statements) {
      const statement =
        outer.type === "ExportNamedDeclaration" || outer.type === "ExportDefaultDeclaration" ? (outer.declaration ?? outer) : outer;
      if (statement.type === "ClassDeclaration" && statement.id) declare(scope, statement.id.name, "class");
      else if (statement.type === "FunctionDeclaration" && statement.id) declare(scope, statement.id.name, "function");
      else if (statement.type === "VariableDeclaration" && statement.kind !== "var") {
        const kind: BindingKind = statement.kind === "let" ? "let" : "const";
        for (const { id, init } of statement.declarations)
          for (const binding of declarePattern(scope, id, kind, init ?? undefined)) this.#noteImport(binding);
      } else if (statement.type === "LabeledStatement") this.#declareLexical([statement.body], scope);
    }
  }

  #noteImport(binding: Binding | undefined): void {
    if (binding?.imported !== undefined || (binding?.initializer !== undefined && loaderCalls.has(binding.initializer.expression.type)))
      this.mayImport.push(binding);
  }

  /** Declares the `var`s (and, in sloppy code, the functions) of nested statements in their function's scope. */
  #hoistVars(nodes: readonly AnyNode[], scope: Scope, nested = false): void {
    for (const node of nodes) {
      if (node.type === "VariableDeclaration" && node.kind === "var")
        for (const { id, init } of node.declarations)
          for (const binding of declarePattern(scope, id, "var", init ?? undefined)) this.#noteImport(binding);
      if (node.type === "FunctionDeclaration" && nested && !this.#strict && node.id && !scope.bindings.has(node.id.name))
        declare(scope, node.id.name, "function");
      if (isFunctionNode(node) || node.type === "ClassDeclaration" || node.type === "ClassExpression") continue;
      if (isStatementLike(node)) this.#hoistVars(childNodes(node), scope, nested || node.type === "BlockStatement");
    }
  }
}

/** Only statements can hold `var` declarations; expressions need no search. */
function isStatementLike(node: AnyNode): boolean {
  return node.type.endsWith("Statement") || node.type.endsWith("Declaration") || node.type === "SwitchCase" || node.type === "CatchClause";
}

function exportedName(node: AnyNode): string {
  return node.type === "Identifier" ? node.name : node.type === "Literal" ? String(node.value) : "";
}

function child(parent: Scope): Scope {
  return { parent, bindings: new Map(), record: undefined, receiver: "outer", privateNames: undefined };
}

function resolve(scope: Scope, name: string): Binding | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const binding = at.bindings.get(name);
    if (binding) return binding;
  }
  return undefined;
}

/** @returns the binding, if it is new. */
function declare(
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

function declarePattern(scope: Scope, pattern: Pattern, kind: BindingKind, expression: Expression | undefined): (Binding | undefined)[] {
  if (pattern.type === "Identifier") return [declare(scope, pattern.name, kind, expression ? { initializer: { expression } } : {})];
  return patternNames(pattern).map(({ name }) => {
    const key = pattern.type === "ObjectPattern" ? keyOf(pattern, name) : undefined;
    return declare(scope, name, kind, expression && key !== undefined ? { initializer: { expression, key } } : {});
  });
}

/** What `require("x")`, `await import("x")` and the like look like from outside. */
const loaderCalls: ReadonlySet<string> = new Set(["CallExpression", "AwaitExpression", "MemberExpression"]);

/** In `const { key: name } = …`, the key of a name bound at the first level and without default. */
function keyOf(pattern: Extract<Pattern, { type: "ObjectPattern" }>, name: string): string | undefined {
  for (const property of pattern.properties) {
    if (property.type === "RestElement" || property.computed) continue;
    if (property.value.type === "Identifier" && property.value.name === name) return exportedName(property.key);
  }
  return undefined;
}
