import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { packageManifest } from "./resolve.ts";

/** A place in an installed package, as a URL or specifier tells it. */
export interface PackagePlace {
  readonly name: string;
  /** Below the package's folder; "" for the package itself. */
  readonly path: string;
}

const bare = /^((?:@[a-z0-9~_.-][^/\\%]*\/)?[^@./\\%:#][^/\\%:]*)(?:\/(.+))?$/i;

/** Splits `@scope/name/rest`; undefined for what names no package (relative, absolute, `#imports`, a way out of it). */
export function packageOfSpecifier(specifier: string): PackagePlace | undefined {
  const match = bare.exec(specifier);
  if (match === null) return undefined;
  const [, name = "", path = ""] = match;
  if (/(?:^|[/\\])(?:\.{1,2}|node_modules|%2e[^/\\]*)(?:[/\\]|$)/i.test(path) || /%2f|%5c/i.test(path))
    return undefined;
  return { name, path };
}

/** The package that a file below `node_modules` belongs to; undefined for other files. */
export function packageOfUrl(url: string): PackagePlace | undefined {
  const at = url.lastIndexOf("/node_modules/");
  if (!url.startsWith("file:") || at < 0) return undefined;
  const rest = url.slice(at + "/node_modules/".length).replace(/[?#].*$/, "");
  try {
    return packageOfSpecifier(decodeURIComponent(rest));
  } catch {
    return undefined; // not well encoded
  }
}

/** The packages that iono is made of. */
const own: ReadonlySet<string> = new Set([
  "iono",
  ...["core", "runtime", "nn", "train", "tune", "rl", "serve", "ionet", "dashboard"].map(
    (each) => `@iono/${each}`,
  ),
]);

/** iono itself, of which each node has its own. */
export function isIonoPackage(name: string): boolean {
  return own.has(name);
}

/**
 * Where this machine has a file of a package that another machine named by its own place of it.
 * @param fromUrl a file that sees the packages of this machine
 * @returns undefined when the file is here as it is named, is of no package, or the package is not here
 */
export function packageFileHere(url: string, fromUrl: string): string | undefined {
  const place = packageOfUrl(url);
  if (place === undefined || existsSync(fileURLToPath(url))) return undefined;
  const manifest = packageManifest(place.name, fromUrl);
  const file = manifest === undefined ? undefined : join(dirname(manifest), place.path);
  return file !== undefined && existsSync(file) ? pathToFileURL(realpathSync(file)).href : undefined;
}
