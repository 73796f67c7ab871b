import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { processCode } from "./process-code.ts";
import { resolveImport } from "./resolve.ts";

/** A module of ours that stands for what surrounds the code of one file: `import.meta`, `import()`, `require` … */
const fileScopePrefix = "iono:file:";
/** A module of ours that stands for a CommonJS module, as `require` gives it. */
const requiredPrefix = "iono:require:";

/** The URL under which the surroundings of `url`'s code are imported. */
export function fileScopeUrl(url: string): string {
  return fileScopePrefix + url;
}

/** The URL under which a CommonJS module's exports are imported as `require` gives them. */
export function requiredUrl(url: string): string {
  return requiredPrefix + url;
}

/**
 * Imports each module once in this process.
 * @throws whatever importing one of them throws
 */
export async function loadModules(urls: Iterable<string>): Promise<void> {
  const { modules } = processCode();
  const missing = [...new Set(urls)].filter((url) => !modules.has(url));
  await Promise.all(
    missing.map(async (url) => {
      modules.set(url, await load(url));
    }),
  );
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
  if (url.startsWith(fileScopePrefix)) return fileScope(url.slice(fileScopePrefix.length));
  if (url.startsWith(requiredPrefix)) return requiredModule(url.slice(requiredPrefix.length));
  if (url.startsWith("file:") && new URL(url).pathname.endsWith(".json")) {
    return (await import(url, { with: { type: "json" } })) as Record<string, unknown>;
  }
  return (await import(url)) as Record<string, unknown>;
}

/** What surrounds the code of a file, by the names it has there. */
function fileScope(url: string): Record<string, unknown> {
  const isFile = url.startsWith("file:");
  const filename = isFile ? fileURLToPath(url) : undefined;
  const folder = filename === undefined ? undefined : dirname(filename);
  const resolve = (specifier: string): string => {
    const found = resolveImport(String(specifier), url);
    if (found !== undefined) return found;
    throw Object.assign(new Error(`Cannot find '${specifier}' imported from ${url}`), { code: "ERR_MODULE_NOT_FOUND" });
  };
  return {
    "import.meta": Object.assign(Object.create(null), {
      ...(isFile ? { dirname: folder, filename } : {}),
      main: false,
      resolve,
      url,
    }),
    "import()": async (specifier: string, options?: ImportCallOptions) => (await import(resolve(specifier), options)) as unknown,
    require: isFile ? createRequire(url) : undefined,
    __filename: filename,
    __dirname: folder,
  };
}

function requiredModule(url: string): Record<string, unknown> {
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  const exports = createRequire(import.meta.url)(path) as Record<string, unknown>;
  return { ...exports, "module.exports": exports };
}
