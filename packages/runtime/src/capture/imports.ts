import type { CallExpression, Expression, SpreadElement, Super } from "acorn";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ImportedBinding } from "../values/seam.ts";
import type { FreeName } from "./lexical.ts";
import { fileScopeUrl, requiredUrl } from "./module-urls.ts";
import { resolveImport, resolveRequire, resolveServed } from "./resolve.ts";
import type { LocatedFunction } from "./source.ts";

/**
 * The import that a captured name stands for, if it is one that a worker can make again: a declared import, a const
 * holding what `require` gave, or a name of the module itself (`require`, `__dirname` …).
 * @param variables the scope that holds the name, if V8 kept it.
 * @returns undefined when the name has to travel by value.
 */
export function importOf(
  free: FreeName,
  variables: Readonly<Record<string, unknown>> | undefined,
  located: LocatedFunction,
  entryUrl: string | undefined,
): ImportedBinding | undefined {
  const { name, binding } = free;
  const url = located.scriptUrl;
  const surrounding = surroundings(name, variables, url);
  if (surrounding !== undefined) return { kind: "import", url: fileScopeUrl(url), name: surrounding };
  if (binding?.imported !== undefined) return fromDeclaration(binding.imported, url, entryUrl);
  if (binding === undefined || binding.reassigned || binding.initializer === undefined) return undefined;
  const loaded = loadedBy(binding.initializer.expression);
  if (loaded === undefined) return undefined;
  const key = binding.initializer.key ?? loaded.key;
  if (loaded.loader !== "require") {
    const served = (loaded.loader === "vite" ? resolveServed : resolveImport)(loaded.specifier, url);
    return served === undefined || served === entryUrl
      ? undefined
      : { kind: "import", url: served, name: key ?? "*" };
  }
  return variables === undefined ? undefined : fromRequire(loaded, key, variables[name], url, entryUrl);
}

function fromDeclaration(
  imported: { readonly specifier: string; readonly name: string },
  url: string,
  entryUrl: string | undefined,
): ImportedBinding | undefined {
  const resolved = resolveImport(imported.specifier, url);
  return resolved === undefined || resolved === entryUrl
    ? undefined
    : { kind: "import", url: resolved, name: imported.name };
}

/** What a name of CommonJS, of vitest or of a module's own `createRequire` is called among a file's surroundings. */
function surroundings(
  name: string,
  variables: Readonly<Record<string, unknown>> | undefined,
  url: string,
): string | undefined {
  switch (name) {
    case "__vite_ssr_import_meta__":
      return "import.meta";
    case "__vite_ssr_dynamic_import__":
      return "served import()";
    case "__filename":
    case "__dirname": {
      if (variables === undefined || !url.startsWith("file:")) return undefined;
      const path = fileURLToPath(url);
      const value = variables[name];
      return value === path || (typeof value === "string" && path.startsWith(`${value}/`)) ? name : undefined;
    }
    default:
      return variables !== undefined && isRequireOf(variables, name, url) ? "require" : undefined;
  }
}

function isRequireOf(variables: Readonly<Record<string, unknown>>, name: string, url: string): boolean {
  if (!/require/i.test(name)) return false;
  const value = variables[name];
  if (
    typeof value !== "function" ||
    !url.startsWith("file:") ||
    !("resolve" in value && "cache" in value && "extensions" in value)
  )
    return false;
  return (value as NodeJS.Require).resolve.paths("x")?.[0] === createRequire(url).resolve.paths("x")?.[0];
}

interface Loaded {
  readonly loader: "import" | "require" | "vite";
  readonly specifier: string;
  /** Set when a compiler wrapped the exports to look like a namespace; "node" = `default` is always the whole. */
  readonly interop: "flagged" | "node" | undefined;
  readonly key: string | undefined;
}

const interopHelpers = new Set([
  "__toESM",
  "__importStar",
  "__importDefault",
  "_interopRequireDefault",
  "_interopRequireWildcard",
]);

/** Reads `await import("x")`, `require("x")`, `require("x").key`, `__toESM(require("x"))`, `await __vite_ssr_import__("x")`. */
function loadedBy(expression: Expression | Super | SpreadElement): Loaded | undefined {
  switch (expression.type) {
    case "AwaitExpression":
      return loadedBy(expression.argument);
    case "MemberExpression": {
      const inner = loadedBy(expression.object);
      if (
        inner === undefined ||
        inner.key !== undefined ||
        expression.computed ||
        expression.property.type !== "Identifier"
      )
        return undefined;
      return { ...inner, key: expression.property.name };
    }
    case "ImportExpression":
      return literalOf("import", expression.source);
    case "CallExpression":
      return loadedByCall(expression);
    default:
      return undefined;
  }
}

function loadedByCall(call: CallExpression): Loaded | undefined {
  const callee = calleeName(call.callee);
  const [first] = call.arguments;
  if (callee === undefined || first === undefined) return undefined;
  if (callee === "require") return literalOf("require", first);
  if (callee === "__vite_ssr_import__" || callee === "__vite_ssr_dynamic_import__")
    return literalOf("vite", first);
  if (!interopHelpers.has(callee)) return undefined;
  const inner = loadedBy(first);
  if (inner === undefined || inner.loader !== "require" || inner.key !== undefined) return undefined;
  return { ...inner, interop: callee === "__toESM" && call.arguments.length > 1 ? "node" : "flagged" };
}

function literalOf(loader: Loaded["loader"], argument: Expression | SpreadElement): Loaded | undefined {
  if (argument.type !== "Literal" || typeof argument.value !== "string") return undefined;
  return { loader, specifier: argument.value, interop: undefined, key: undefined };
}

function calleeName(callee: Expression | Super): string | undefined {
  if (callee.type === "Identifier") return callee.name;
  if (callee.type === "MemberExpression" && callee.property.type === "Identifier")
    return callee.property.name;
  return undefined;
}

/** Only what is identical to the module's exports is the module; a wrapped one is made again the same way. */
function fromRequire(
  loaded: Loaded,
  key: string | undefined,
  value: unknown,
  url: string,
  entryUrl: string | undefined,
): ImportedBinding | undefined {
  if (!url.startsWith("file:")) return undefined;
  const path = resolveRequire(loaded.specifier, url);
  if (path === undefined) return undefined;
  const builtin = path.startsWith("/")
    ? undefined
    : (process.getBuiltinModule(path) as Record<string, unknown> | undefined);
  if (builtin !== undefined) {
    const builtinUrl = path.startsWith("node:") ? path : `node:${path}`;
    if (loaded.interop !== undefined) return { kind: "import", url: builtinUrl, name: key ?? "*" };
    if (key === undefined)
      return value === builtin ? { kind: "import", url: builtinUrl, name: "default" } : undefined;
    return value === builtin[key] ? { kind: "import", url: builtinUrl, name: key } : undefined;
  }
  const fileUrl = pathToFileURL(path).href;
  if (fileUrl === entryUrl) return undefined;
  const exports = createRequire(url).cache[path]?.exports as Record<string, unknown> | undefined;
  if (exports === undefined || exports === null) return undefined;
  if (loaded.interop !== undefined && key === undefined)
    return { kind: "import", url: requiredUrl(fileUrl), name: `interop ${loaded.interop}` };
  if (key === undefined)
    return value === exports
      ? { kind: "import", url: requiredUrl(fileUrl), name: "module.exports" }
      : undefined;
  return value === exports[key] ? { kind: "import", url: requiredUrl(fileUrl), name: key } : undefined;
}
