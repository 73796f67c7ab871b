import type { ExportNamedDeclaration, Expression, ExportSpecifier, Pattern, Program } from "acorn";
import { analyze } from "./analyze.ts";
import { patternNames } from "./lexical.ts";
import { readStripped, readText } from "./scripts.ts";

/** What the program's entry exports, as its text tells. */
export interface EntrySurface {
  readonly isModule: boolean;
  readonly names: readonly string[];
  /** Export names by where their function or class starts, as `line:column`. */
  readonly places: ReadonlyMap<string, readonly string[]>;
  /** Statements that export from other modules. */
  readonly reexports: readonly string[];
}

/** Reads the entry's text; the entry is not run. */
export function entrySurface(url: string): EntrySurface {
  const text = readStripped(url);
  if (text === undefined) return scannedSurface(url);
  for (const mode of ["module", "script"] as const) {
    try {
      const { program } = analyze(text, mode);
      const isModule =
        program.body.some((statement) => /^(Import|Export)/.test(statement.type)) || /\.m[jt]s$/.test(url);
      if (mode === "module" && isModule) return moduleSurface(program, text);
      return commonJsSurface(program, text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return scannedSurface(url);
}

function moduleSurface(program: Program, text: string): EntrySurface {
  const names: string[] = [];
  const reexports: string[] = [];
  const places = new Map<string, string[]>();
  const localPlaces = new Map<string, string>();
  const placeOf = placesIn(text);
  const note = (name: string, place: string | undefined): void => {
    names.push(name);
    if (place !== undefined) places.set(place, [...(places.get(place) ?? []), name]);
  };
  for (const statement of program.body) {
    if (
      statement.type === "ExportAllDeclaration" ||
      (statement.type === "ExportNamedDeclaration" && statement.source)
    ) {
      reexports.push(text.slice(statement.start, statement.end));
    } else if (statement.type === "ExportDefaultDeclaration") {
      note("default", placeOf(statement.declaration.start));
    } else {
      const declaration = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
      if (!isDeclaration(declaration)) continue;
      for (const { local, start } of declared(declaration)) {
        localPlaces.set(local, placeOf(start));
        if (statement.type === "ExportNamedDeclaration") note(local, placeOf(start));
      }
    }
  }
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration" || statement.source) continue;
    for (const { local, exported } of statement.specifiers)
      note(moduleName(exported), localPlaces.get(moduleName(local)));
  }
  return { isModule: true, names: [...new Set(names)], places, reexports };
}

/** The names that CommonJS text visibly exports, and where the function or class of each starts. */
function commonJsSurface(program: Program, text: string): EntrySurface {
  const placeOf = placesIn(text);
  const places = new Map<string, string[]>();
  const local = new Map<string, number>();
  for (const statement of program.body)
    if (isDeclaration(statement))
      for (const { local: name, start } of declared(statement)) local.set(name, start);
  const note = (name: string, value: Expression | Pattern): void => {
    const start = value.type === "Identifier" ? local.get(value.name) : value.start;
    if (start === undefined) return;
    const place = placeOf(start);
    places.set(place, [...(places.get(place) ?? []), name]);
  };
  for (const statement of program.body) {
    const expressions =
      statement.type === "ExpressionStatement"
        ? [statement.expression]
        : statement.type === "VariableDeclaration"
          ? statement.declarations.flatMap(({ init }) => init ?? [])
          : [];
    for (const expression of expressions) exportsOf(expression, note);
  }
  return { ...nothing, isModule: false, names: commonJsNames(text), places };
}

/** `exports.a = value`, `module.exports = { a, b: value }`, also one after another and behind `0 &&`, as compilers hint. */
function exportsOf(expression: Expression, note: (name: string, value: Expression | Pattern) => void): void {
  if (expression.type === "LogicalExpression") return exportsOf(expression.right, note);
  if (expression.type === "ParenthesizedExpression") return exportsOf(expression.expression, note);
  if (expression.type !== "AssignmentExpression" || expression.left.type !== "MemberExpression") return;
  const { left, right } = expression;
  exportsOf(right, note);
  const value = assigned(right);
  if (left.property.type !== "Identifier" || left.computed) return;
  if (isName(left.object, "module") && left.property.name === "exports") {
    if (value.type !== "ObjectExpression") return;
    for (const property of value.properties)
      if (property.type === "Property" && property.key.type === "Identifier" && !property.computed)
        note(property.key.name, property.value);
    return;
  }
  const { object } = left;
  const isExports =
    isName(object, "exports") ||
    (object.type === "MemberExpression" &&
      isName(object.object, "module") &&
      isName(object.property, "exports"));
  if (isExports) note(left.property.name, value);
}

function isName(node: { readonly type: string }, name: string): boolean {
  return node.type === "Identifier" && "name" in node && node.name === name;
}

/** What `a = b = value` assigns. */
function assigned(expression: Expression): Expression {
  return expression.type === "AssignmentExpression" ? assigned(expression.right) : expression;
}

/** Offsets as `line:column`. */
function placesIn(text: string): (offset: number) => string {
  return (offset) => {
    const before = text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/);
    return `${before.length - 1}:${before.at(-1)?.length ?? 0}`;
  };
}

/** The names that a declaration declares, and where the value of each starts. */
function declared(declaration: Declaration): { local: string; start: number }[] {
  if (declaration.type !== "VariableDeclaration")
    return [{ local: declaration.id.name, start: declaration.start }];
  return declaration.declarations.flatMap(({ id, init }) =>
    patternNames(id).map((name) => ({
      local: name.name,
      start: init === null || init === undefined ? id.start : assigned(init).start,
    })),
  );
}

type Declaration = NonNullable<ExportNamedDeclaration["declaration"]>;

function isDeclaration(node: Declaration | Program["body"][number] | null | undefined): node is Declaration {
  return (
    node?.type === "VariableDeclaration" ||
    node?.type === "FunctionDeclaration" ||
    node?.type === "ClassDeclaration"
  );
}

function moduleName(node: ExportSpecifier["exported"]): string {
  return node.type === "Identifier" ? node.name : String(node.value);
}

/** The names that CommonJS text visibly exports. */
function commonJsNames(text: string): string[] {
  const names = new Set<string>();
  for (const match of text.matchAll(/\bexports\.([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=/gu))
    if (match[1]) names.add(match[1]);
  for (const match of text.matchAll(/\bmodule\.exports\s*=\s*\{([^}]*)\}/g))
    for (const part of (match[1] ?? "").split(",")) {
      const name = /^\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*(?::|$)/u.exec(part)?.[1];
      if (name !== undefined) names.add(name);
    }
  return [...names];
}

const nothing: EntrySurface = { isModule: true, names: [], places: new Map(), reexports: [] };

/** Export names of text that only a loader can parse (TypeScript with enums, JSX): what is visible line by line. */
function scannedSurface(url: string): EntrySurface {
  const text = readText(url);
  if (text === undefined) return nothing; // whoever imports a file that is gone gets an empty module
  const names = new Set<string>();
  const declaration =
    /^\s*export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const\s+enum|function\s*\*?|class|const|let|var|enum)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/gmu;
  for (const match of text.matchAll(declaration)) if (match[1]) names.add(match[1]);
  for (const match of text.matchAll(/^\s*export\s*\{([^}]*)\}\s*(?!\s*from)/gmu))
    for (const part of (match[1] ?? "").split(",")) {
      const name = /^(?!\s*type\s)\s*(?:\S+\s+as\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*$/u.exec(
        part,
      )?.[1];
      if (name !== undefined) names.add(name);
    }
  if (/^\s*export\s+default\b/m.test(text)) names.add("default");
  return { ...nothing, names: [...names] };
}
