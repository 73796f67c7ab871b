import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export type ExportsTarget =
  | string
  | null
  | readonly ExportsTarget[]
  | { readonly [key: string]: ExportsTarget };

/** What is read of a package.json. */
export interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly type?: string;
  readonly main?: string;
  readonly exports?: ExportsTarget;
  readonly imports?: { readonly [key: string]: ExportsTarget };
}

/** Path of the package.json that holds for a file, whether the file exists or not; undefined when there is none. */
export function nearestManifest(fileUrl: string): string | undefined {
  for (let folder = dirname(fileURLToPath(fileUrl)); ; folder = dirname(folder)) {
    if (basename(folder) === "node_modules") return undefined;
    const manifest = join(folder, "package.json");
    if (statSync(manifest, { throwIfNoEntry: false })?.isFile() === true) return manifest;
    if (dirname(folder) === folder) return undefined;
  }
}

/** @throws SyntaxError when it is not JSON */
export function readManifest(path: string): PackageJson {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  return typeof value === "object" && value !== null ? value : {};
}
