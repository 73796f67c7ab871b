import type { AnyNode, Pattern, Program } from "acorn";
import { child, Declarations, declare, resolve } from "./declarations.ts";
import { childNodes, hasUseStrict, isDirectEval, isFunctionNode, patternNames } from "./lexical.ts";
import type { Binding, FunctionRecord, ModuleSyntax, Obstacle, Scope } from "./lexical.ts";
import { refer, referToPrivateName, referToReceiver } from "./references.ts";

/** Walks a whole text once and finds, for each function and class in it, what it leaves free. */
export class FreeNames {
  readonly functions = new Map<number, FunctionRecord>();
  readonly topLevel = new Map<string, Binding>();
  readonly #declarations = new Declarations();
  readonly #text: string;
  #strict: boolean;
  #loopDepth = 0;
  #record: FunctionRecord | undefined;

  get mayImport(): readonly Binding[] {
    return this.#declarations.mayImport;
  }

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
    this.#declarations.imports(program, scope);
    this.#declarations.vars(program.body, scope, this.#strict);
    this.#declarations.lexical(program.body, scope);
    for (const statement of program.body) this.#visit(statement, scope);
  }

  #visit(node: AnyNode, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        return refer(node, scope, false);
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
        this.#declarations.lexical(node.body, inner);
        for (const statement of node.body) this.#visit(statement, inner);
        return;
      }
      case "SwitchStatement": {
        this.#visit(node.discriminant, scope);
        const inner = child(scope);
        this.#declarations.lexical(
          node.cases.flatMap((entry) => entry.consequent),
          inner,
        );
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
          if (node.kind === "var" && declarator.init)
            this.#declarations.initialize(declarator.id, scope, this.#loopDepth > 0);
          this.#pattern(declarator.id, scope, undefined);
          if (declarator.init) this.#visit(declarator.init, scope);
        }
        return;
      case "AssignmentExpression":
        this.#pattern(node.left, scope, node.operator);
        return this.#visit(node.right, scope);
      case "UpdateExpression":
        if (node.argument.type === "Identifier") return refer(node.argument, scope, true);
        return this.#visit(node.argument, scope);
      case "CallExpression":
        if (isDirectEval(node) && resolve(scope, "eval") === undefined) this.#everyOuter("direct eval");
        break;
      case "WithStatement":
        this.#everyOuter("with");
        break;
      case "ThisExpression":
        return referToReceiver(scope, "outer this");
      case "Super":
        return referToReceiver(scope, "super");
      case "MetaProperty":
        if (node.meta.name === "new") return referToReceiver(scope, "new.target");
        return this.#moduleSyntax({ kind: "import.meta", start: node.start, end: node.end });
      case "ImportExpression":
        if (!/^import\s*\(/.test(this.#text.slice(node.start, node.start + 200)))
          this.#everyOuter("phased import");
        this.#moduleSyntax({ kind: "import()", start: node.start, end: node.start + "import".length });
        break;
      case "PrivateIdentifier":
        return referToPrivateName(node.name, scope);
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

  #loop(
    node: Extract<AnyNode, { type: "ForStatement" | "ForInStatement" | "ForOfStatement" }>,
    scope: Scope,
  ): void {
    const inner = child(scope);
    this.#loopDepth++;
    if (node.type === "ForStatement") {
      if (node.init?.type === "VariableDeclaration") this.#declarations.lexical([node.init], inner);
      for (const part of childNodes(node)) this.#visit(part, inner);
    } else {
      if (node.left.type === "VariableDeclaration") {
        this.#declarations.lexical([node.left], inner);
        const [declarator] = node.left.declarations;
        if (declarator && node.left.kind === "var")
          this.#declarations.initialize(declarator.id, inner, this.#loopDepth > 0);
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
      this.#function(
        node.value,
        scope,
        node.start,
        "method",
        node.kind === "init" ? undefined : "accessor",
        node.computed ? node.key : undefined,
      );
    } else {
      this.#visit(node.value, scope);
    }
  }

  #function(
    node: AnyNode,
    scope: Scope,
    start: number,
    kind: "function" | "method",
    obstacle?: Obstacle,
    computedKey?: AnyNode,
  ): void {
    if (!isFunctionNode(node)) return this.#visit(node, scope);
    const fn = node as Extract<
      AnyNode,
      { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" }
    >;
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
    for (const param of fn.params)
      for (const name of patternNames(param)) declare(inner, name.name, "parameter");
    if (fn.body.type === "BlockStatement") {
      this.#declarations.vars(fn.body.body, inner, this.#strict);
      this.#declarations.lexical(fn.body.body, inner);
    }
    for (const param of fn.params) this.#pattern(param, inner, undefined);
    if (fn.body.type === "BlockStatement")
      for (const statement of fn.body.body) this.#visit(statement, inner);
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
      if (member.type !== "StaticBlock" && member.key.type === "PrivateIdentifier")
        privateNames.add(member.key.name);
    const inner: Scope = { parent: scope, bindings: new Map(), record, receiver: "outer", privateNames };
    if (node.id) declare(inner, node.id.name, "own name");
    for (const member of node.body.body) {
      if (member.type === "StaticBlock") {
        const block: Scope = {
          parent: inner,
          bindings: new Map(),
          record: undefined,
          receiver: "class",
          privateNames: undefined,
        };
        this.#declarations.vars(member.body, block, this.#strict);
        this.#visit(member, block);
        continue;
      }
      if (member.computed) this.#visit(member.key, inner);
      if (member.type === "PropertyDefinition") {
        const field: Scope = {
          parent: inner,
          bindings: new Map(),
          record: undefined,
          receiver: "class",
          privateNames: undefined,
        };
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

  #open(
    kind: FunctionRecord["kind"],
    node: AnyNode,
    start: number,
    end: number,
    isArrow: boolean,
    computedKey?: AnyNode,
  ): FunctionRecord {
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
      computedKey,
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
        if (operator !== undefined) refer(pattern, scope, true);
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

  #everyOuter(obstacle: Obstacle): void {
    for (let record = this.#record; record !== undefined; record = record.outer)
      record.obstacles.add(obstacle);
  }

  #moduleSyntax(syntax: ModuleSyntax): void {
    for (let record = this.#record; record !== undefined; record = record.outer)
      record.moduleSyntax.push(syntax);
  }
}
