import { hasCode, type IonoError } from "@iono/core";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { programEntryUrl } from "./entry.ts";
import { foreignProgram } from "./foreign.ts";
import { fileScopePrefix, globalsUrl, requiredPrefix } from "./module-urls.ts";
import { globalsNamespace } from "./natives.ts";
import type { ModuleImport } from "./process-code.ts";
import { processCode } from "./process-code.ts";
import { packageFileHere } from "./package-paths.ts";
import { resolveImport, resolveServed } from "./resolve.ts";

/**
 * Imports each module once in this process.
 * @throws whatever importing one of them throws
 */
export async function loadModules(urls: Iterable<string>): Promise<void> {
  const { modules, exported, importing } = processCode();
  const missing = [...new Set(urls)].filter((url) => !modules.has(url));
  await Promise.all(
    missing.map(async (url) => {
      const under: ModuleImport = { url, isOver: false };
      const namespace = await importing
        .run(under, () => load(url))
        .catch((error: unknown) => {
          throw systemErrorBehind(error) ?? error;
        })
        .finally(() => (under.isOver = true));
      modules.set(url, namespace);
      if (url !== globalsUrl) exported.add(url, namespace);
    }),
  );
}

/** The module that `loadModules` is importing and whose code is running now: work submitted from there is refused. */
export function importingModule(): string | undefined {
  const under = processCode().importing.getStore();
  return under === undefined || under.isOver ? undefined : under.url;
}

/** What the system says of a package that is not there; code of the program that tries for it sees Node's own error. */
function systemErrorBehind(error: unknown): IonoError | undefined {
  return error instanceof Error && hasCode(error.cause, "RuntimeEnvFailed") ? error.cause : undefined;
}

/** True while code of a module runs that `loadModules` is importing. */
export function isImporting(): boolean {
  return importingModule() !== undefined;
}

/**
 * The namespace of a module that `loadModules` has imported.
 * @throws Error for any other
 */
export function moduleNamespace(url: string): Record<string, unknown> {
  const namespace = processCode().modules.get(url);
  if (namespace === undefined) throw new Error(`module ${url} has not been loaded`);
  return namespace;
}

async function load(url: string): Promise<Record<string, unknown>> {
  if (url === globalsUrl) return globalsNamespace();
  if (url.startsWith(fileScopePrefix)) return fileScope(url.slice(fileScopePrefix.length));
  if (url.startsWith(requiredPrefix)) return requiredModule(placedHere(url.slice(requiredPrefix.length)));
  return imported(placedHere(url));
}

/** Processes on other machines name packages by the places they have there. */
function placedHere(url: string): string {
  if (!url.startsWith("file:")) return url;
  const foreign = foreignProgram();
  if (foreign !== undefined) return foreign.locate(url, "");
  if (!url.includes("/node_modules/")) return url;
  const from =
    processCode().entryGuard?.entryUrl ?? programEntryUrl() ?? pathToFileURL(`${process.cwd()}/`).href;
  return packageFileHere(url, from) ?? url;
}

async function imported(url: string): Promise<Record<string, unknown>> {
  if (url.startsWith("file:") && new URL(url).pathname.endsWith(".json")) {
    return (await import(url, { with: { type: "json" } })) as Record<string, unknown>;
  }
  return (await import(url)) as Record<string, unknown>;
}

/** What surrounds the code of a file, by the names it has there. */
function fileScope(url: string): Record<string, unknown> {
  const filename = url.startsWith("file:") ? fileURLToPath(url) : undefined;
  const folder = filename === undefined ? undefined : dirname(filename);
  const foreign = foreignProgram();
  const resolving = (resolver: typeof resolveImport) => (specifier: unknown) => {
    if (foreign?.covers(url) === true) return foreign.locate(String(specifier), url);
    const found = resolver(String(specifier), url);
    if (found !== undefined) return found;
    throw Object.assign(new Error(`Cannot find '${String(specifier)}' imported from ${url}`), {
      code: "ERR_MODULE_NOT_FOUND",
    });
  };
  const importing =
    (resolve: (specifier: unknown) => string) => async (specifier: unknown, options?: ImportCallOptions) =>
      (await import(resolve(specifier), options)) as unknown;
  const resolve = resolving(resolveImport);
  return {
    "import.meta": Object.assign(Object.create(null), {
      ...(filename === undefined ? {} : { dirname: folder, filename }),
      main: false,
      resolve,
      url,
    }),
    "import()": importing(resolve),
    "served import()": importing(resolving(resolveServed)),
    require: filename === undefined ? undefined : createRequire(url),
    __filename: filename,
    __dirname: folder,
  };
}

function requiredModule(url: string): Record<string, unknown> {
  const exports = createRequire(url)(fileURLToPath(url)) as Record<string, unknown>;
  const flagged = exports.__esModule === true;
  const wrapped = Object.assign(Object.create(null), exports, { default: exports }) as Record<
    string,
    unknown
  >;
  return Object.assign(Object.create(null), exports, {
    "module.exports": exports,
    "interop flagged": flagged ? exports : wrapped,
    "interop node": wrapped,
  }) as Record<string, unknown>;
}
