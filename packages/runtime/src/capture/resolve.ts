import { existsSync, realpathSync, statSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { foreignProgram } from "./foreign.ts";
import { nearestManifest, readManifest } from "./manifest.ts";
import type { ExportsTarget } from "./manifest.ts";

/**
 * Resolves what an `import` in `parentUrl` names, as Node's ESM loader does (conditions, package exports and imports,
 * symbolic links), and for relative specifiers also as the usual loaders do (`./a` and `./a.js` find `a.ts`).
 * @returns an absolute URL or `node:` name; undefined when nothing is there.
 */
export function resolveImport(
  specifier: string,
  parentUrl: string,
  conditions: ReadonlySet<string> = activeConditions(),
): string | undefined {
  if (isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
  if (/^(file|data|https?):/.test(specifier)) return specifier;
  if (!parentUrl.startsWith("file:")) return undefined;
  const foreign = foreignProgram();
  if (foreign?.covers(parentUrl) === true) return foreign.nameOf(specifier, parentUrl);
  if (/^\.{0,2}\//.test(specifier) || specifier === "." || specifier === "..")
    return resolveFile(new URL(specifier, parentUrl));
  return specifier.startsWith("#")
    ? resolvePackageImports(specifier, parentUrl, conditions)
    : resolvePackage(specifier, parentUrl, conditions);
}

/** Resolves what `require(specifier)` in `parentUrl` names: a path or a builtin's name. */
export function resolveRequire(specifier: string, parentUrl: string): string | undefined {
  try {
    return createRequire(parentUrl).resolve(specifier);
  } catch {
    return undefined;
  }
}

/**
 * Resolves a specifier as vite's server writes it: relative to the project's root (`/src/a.ts`, `/node_modules/…`), or
 * `/@fs/` and an absolute path.
 */
export function resolveServed(specifier: string, parentUrl: string): string | undefined {
  const bare = specifier.replace(/^\/@id\/(?:__x00__)?/, "").replace(/^\/@fs\//, "/");
  if (!bare.startsWith("/")) return resolveImport(bare, parentUrl);
  for (const path of [join(process.cwd(), bare), bare]) {
    const found = resolveFile(pathToFileURL(path.replace(/[?#].*$/, "")));
    if (found !== undefined) return found;
  }
  return undefined;
}

const sourceExtensions: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
  ".jsx": [".tsx"],
};
const guessedExtensions = [".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];

function resolveFile(url: URL): string | undefined {
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch {
    return undefined;
  }
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const candidates = [
    path,
    ...(sourceExtensions[extension] ?? []).map((other) => stem + other),
    ...guessedExtensions.map((other) => path + other),
    ...guessedExtensions.map((other) => join(path, `index${other}`)),
  ];
  const found = candidates.find(isFile);
  if (found === undefined) return undefined;
  return fileUrl(found) + url.search + url.hash;
}

function fileUrl(path: string): string {
  return pathToFileURL(process.execArgv.includes("--preserve-symlinks") ? path : realpathSync(path)).href;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function resolvePackage(
  specifier: string,
  parentUrl: string,
  conditions: ReadonlySet<string>,
): string | undefined {
  const match = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier);
  if (match === null) return undefined;
  const [, name = "", rest = ""] = match;
  const manifest = packageManifest(name, parentUrl);
  if (manifest === undefined) return undefined;
  const folder = dirname(manifest);
  const { exports, main } = readManifest(manifest);
  if (exports !== undefined && exports !== null)
    return resolveExports(exports, `.${rest}`, folder, parentUrl, conditions);
  if (rest !== "") return resolveFile(pathToFileURL(join(folder, rest)));
  const candidates = [
    ...(main === undefined ? [] : [main, `${main}.js`, join(main, "index.js")]),
    "index.js",
  ];
  const found = candidates.map((candidate) => join(folder, candidate)).find(isFile);
  return found === undefined ? undefined : fileUrl(found);
}

/** Path of the manifest of the package of this name that the file sees. */
export function packageManifest(name: string, parentUrl: string): string | undefined {
  const own = nearestManifest(parentUrl);
  if (own !== undefined && refersToItself(own, name)) return own;
  for (let folder = dirname(fileURLToPath(parentUrl)); ; folder = dirname(folder)) {
    const manifest = join(folder, "node_modules", name, "package.json");
    if (existsSync(manifest)) return manifest;
    if (dirname(folder) === folder) return undefined;
  }
}

/** A package may import itself by name when it says what it exports. */
function refersToItself(manifestPath: string, name: string): boolean {
  try {
    const manifest = readManifest(manifestPath);
    return manifest.name === name && manifest.exports !== undefined;
  } catch {
    return false; // a manifest that cannot be read names nothing
  }
}

function resolvePackageImports(
  specifier: string,
  parentUrl: string,
  conditions: ReadonlySet<string>,
): string | undefined {
  const manifest = nearestManifest(parentUrl);
  const imports = manifest === undefined ? undefined : readManifest(manifest).imports;
  if (manifest === undefined || imports === undefined) return undefined;
  return resolveExports(imports, specifier, dirname(manifest), parentUrl, conditions);
}

/** The target of a subpath in an `exports` or `imports` map. */
function resolveExports(
  map: ExportsTarget,
  subpath: string,
  folder: string,
  parentUrl: string,
  conditions: ReadonlySet<string>,
): string | undefined {
  const isMap =
    typeof map === "object" &&
    map !== null &&
    !Array.isArray(map) &&
    Object.keys(map).some((key) => /^[.#]/.test(key));
  if (!isMap) return subpath === "." ? resolveTarget(map, "", folder, parentUrl, conditions) : undefined;
  const entries = map as { readonly [key: string]: ExportsTarget };
  const exact = entries[subpath];
  if (exact !== undefined && !subpath.includes("*"))
    return resolveTarget(exact, "", folder, parentUrl, conditions);
  let best: { readonly key: string; readonly star: string } | undefined;
  for (const key of Object.keys(entries)) {
    const [head, tail] = key.split("*");
    if (head === undefined || tail === undefined) continue;
    if (!subpath.startsWith(head) || !subpath.endsWith(tail) || subpath.length < key.length) continue;
    if (best === undefined || head.length > best.key.indexOf("*"))
      best = { key, star: subpath.slice(head.length, subpath.length - tail.length) };
  }
  return best === undefined
    ? undefined
    : resolveTarget(entries[best.key] ?? null, best.star, folder, parentUrl, conditions);
}

function resolveTarget(
  target: ExportsTarget,
  star: string,
  folder: string,
  parentUrl: string,
  conditions: ReadonlySet<string>,
): string | undefined {
  if (target === null) return undefined;
  if (typeof target === "string") {
    const filled = target.replaceAll("*", star);
    if (!filled.startsWith("./")) return resolveImport(filled, parentUrl, conditions);
    const path = join(folder, filled);
    return isFile(path) ? fileUrl(path) : undefined;
  }
  if (Array.isArray(target)) {
    for (const option of target as readonly ExportsTarget[]) {
      const found = resolveTarget(option, star, folder, parentUrl, conditions);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const [condition, option] of Object.entries(target as { readonly [key: string]: ExportsTarget })) {
    if (!conditions.has(condition)) continue;
    const found = resolveTarget(option, star, folder, parentUrl, conditions);
    if (found !== undefined || option === null) return found;
  }
  return undefined;
}

/** The conditions of `import` in this process: Node's own and those of `--conditions`. */
export function activeConditions(): ReadonlySet<string> {
  const conditions = new Set(["node", "import", "module-sync", "node-addons", "default"]);
  const flags = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  flags.forEach((flag, index) => {
    const match = /^(?:--conditions|-C)(?:=(.*))?$/.exec(flag);
    const value = match === null ? undefined : (match[1] ?? flags[index + 1]);
    if (value !== undefined) conditions.add(value);
  });
  return conditions;
}
