import type { ExportNamedDeclaration, Program } from "acorn";
import { registerHooks } from "node:module";
import { IonoError } from "@iono/core";
import { analyze } from "./analyze.ts";
import { patternNames } from "./lexical.ts";
import { processCode } from "./process-code.ts";
import { readStripped, scriptUrl } from "./scripts.ts";

/** The stand-in for the program's entry in a worker. */
export interface EntryGuard {
  readonly entryUrl: string;
  /** Gives an export its value: what travelled by value for it. Modules that imported it see the value at once. */
  provide(name: string, value: unknown): void;
  /** The export that starts at this 0-based place of the entry's text, as the unit of a function or class names it. */
  exportAt(line: number, column: number): string | undefined;
  remove(): void;
}

const registry = Symbol.for("iono.entry");

interface EntryRegistry {
  setters: ((name: string, value: unknown) => void)[];
  readonly values: Map<string, unknown>;
}

/**
 * In a worker the program's entry is never run again. Whoever imports or requires it, directly or through a helper
 * module, gets a module with the same export names: each has the value that travelled here, or else raises a clear error
 * when it is used.
 */
export function installEntryGuard(entryUrl: string): EntryGuard {
  const code = processCode();
  code.entryGuard?.remove();
  const entry: EntryRegistry = { setters: [], values: new Map() };
  (globalThis as { [registry]?: EntryRegistry })[registry] = entry;
  const surface = exportsOf(entryUrl);
  const hooks = registerHooks({
    load: (url, context, nextLoad) => {
      if (scriptUrl(url) !== entryUrl) return nextLoad(url, context);
      const isCommonJs = !surface.isModule && !context.format?.startsWith("module");
      return isCommonJs
        ? { format: "commonjs", shortCircuit: true, source: commonJsStandIn(surface.names) }
        : { format: "module", shortCircuit: true, source: moduleStandIn(surface.names) };
    },
  });
  for (const name of surface.names) entry.values.set(name, placeholder(name, entryUrl));
  code.entryGuard = {
    entryUrl,
    provide: (name, value) => {
      entry.values.set(name, value);
      for (const set of entry.setters) set(name, value);
    },
    exportAt: (line, column) => surface.places.get(`${line}:${column}`),
    remove: () => {
      hooks.deregister();
      code.entryGuard = undefined;
    },
  };
  return code.entryGuard;
}

/** Gives an export of the program's entry its value in this worker; nothing where no entry is guarded. */
export function provideEntryExport(name: string, value: unknown): void {
  processCode().entryGuard?.provide(name, value);
}

interface Surface {
  readonly isModule: boolean;
  readonly names: readonly string[];
  /** Export name by where its function or class starts. */
  readonly places: ReadonlyMap<string, string>;
}

function exportsOf(url: string): Surface {
  const text = readStripped(url);
  if (text === undefined) return { isModule: true, names: [], places: new Map() };
  for (const mode of ["module", "script"] as const) {
    try {
      const { program } = analyze(text, mode);
      const isModule =
        program.body.some((statement) => /^(Import|Export)/.test(statement.type)) || /\.m[jt]s$/.test(url);
      if (mode === "module" && isModule) return moduleSurface(program, text);
      return { isModule: false, names: commonJsNames(text), places: new Map() };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return { isModule: true, names: [], places: new Map() };
}

function moduleSurface(program: Program, text: string): Surface {
  const names: string[] = [];
  const places = new Map<string, string>();
  const localPlaces = new Map<string, string>();
  const placeOf = (offset: number): string => {
    const before = text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/);
    return `${before.length - 1}:${before.at(-1)?.length ?? 0}`;
  };
  const declared = (
    declaration: ExportNamedDeclaration["declaration"],
  ): { local: string; start: number }[] => {
    if (!declaration) return [];
    if (declaration.type !== "VariableDeclaration")
      return [{ local: declaration.id.name, start: declaration.start }];
    return declaration.declarations.flatMap(({ id, init }) =>
      patternNames(id).map((name) => ({ local: name.name, start: init?.start ?? id.start })),
    );
  };
  for (const statement of program.body) {
    if (statement.type === "ExportDefaultDeclaration") {
      names.push("default");
      places.set(placeOf(statement.declaration.start), "default");
    } else if (statement.type === "ExportNamedDeclaration") {
      for (const { local, start } of declared(statement.declaration)) {
        names.push(local);
        places.set(placeOf(start), local);
      }
      for (const { exported } of statement.specifiers)
        names.push(exported.type === "Identifier" ? exported.name : String(exported.value));
    } else if (
      statement.type === "VariableDeclaration" ||
      statement.type === "FunctionDeclaration" ||
      statement.type === "ClassDeclaration"
    ) {
      for (const { local, start } of declared(statement)) localPlaces.set(local, placeOf(start));
    }
  }
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration" || statement.source) continue;
    for (const { local, exported } of statement.specifiers) {
      const place = local.type === "Identifier" ? localPlaces.get(local.name) : undefined;
      if (place !== undefined)
        places.set(place, exported.type === "Identifier" ? exported.name : String(exported.value));
    }
  }
  return { isModule: true, names: [...new Set(names)], places };
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

function moduleStandIn(names: readonly string[]): string {
  const locals = names.map((_name, index) => `e${index}`);
  const cases = names
    .map((name, index) => `case ${JSON.stringify(name)}: e${index} = value; break;`)
    .join(" ");
  return [
    `const entry = globalThis[Symbol.for("iono.entry")];`,
    locals.length > 0
      ? `let ${names.map((name, index) => `e${index} = entry.values.get(${JSON.stringify(name)})`).join(", ")};`
      : "",
    `entry.setters.push((name, value) => { switch (name) { ${cases} } });`,
    `export { ${names.map((name, index) => `e${index} as ${JSON.stringify(name)}`).join(", ")} };`,
  ].join("\n");
}

function commonJsStandIn(names: readonly string[]): string {
  const getters = names
    .map((name) => `get ${JSON.stringify(name)}() { return entry.values.get(${JSON.stringify(name)}); }`)
    .join(", ");
  return `const entry = globalThis[Symbol.for("iono.entry")];\nmodule.exports = { ${getters} };`;
}

/** Stands for an export that did not travel: every use says so. */
function placeholder(name: string, entryUrl: string): unknown {
  const refuse = (): never => {
    throw new IonoError(
      "CannotTravel",
      `\`${name}\` of the program's entry ${entryUrl} does not exist in a worker, which never runs the entry: move it into a module of its own and import it from there`,
    );
  };
  return new Proxy(function unavailable() {}, {
    apply: refuse,
    construct: refuse,
    // Promises, inspection and module loading ask for these without meaning to use the value.
    get: (_target, key) => (typeof key === "symbol" || key === "then" ? undefined : refuse()),
    set: refuse,
    has: refuse,
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
    defineProperty: refuse,
    deleteProperty: refuse,
  });
}
