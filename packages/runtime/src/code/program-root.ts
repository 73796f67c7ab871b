import { existsSync, readFileSync, realpathSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, parse, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where the files of a program are: what other machines may ask for lies below. */
export interface ProgramRoot {
  /** `file:` URL with a final slash; symbolic links followed. */
  readonly url: string;
  readonly folder: string;
  /** Only files of the folder itself, none of its folders: it holds more than the program. */
  readonly isShallow: boolean;
  /** The workspace (of pnpm, npm, yarn) that the program is a package of. */
  readonly workspace: string | undefined;
}

/**
 * The nearest folder at or above the entry (above the folder it was started in, when a tool like vitest, installed as a
 * package, runs the program) that has a package.json; without one, the entry's own folder. A home folder,
 * the folder of temporary files and whatever holds them are no program's: of these only files beside the entry are served.
 * @param entryUrl of the program; "" without one (`node -e`, the REPL)
 */
export function programRoot(entryUrl: string, folder = process.cwd()): ProgramRoot {
  const isOwn = entryUrl.startsWith("file:") && !entryUrl.includes("/node_modules/");
  const start = realFolder(isOwn ? dirname(fileURLToPath(entryUrl)) : folder);
  const found = above(start, (each) => existsSync(join(each, "package.json"))) ?? start;
  const isCommon = isCommonFolder(found);
  const root = isCommon ? start : found;
  return {
    url: folderUrl(root),
    folder: root,
    isShallow: isCommonFolder(root),
    workspace: above(root, (each) => !isCommonFolder(each) && isWorkspace(each)),
  };
}

export function folderUrl(folder: string): string {
  const { href } = pathToFileURL(folder);
  return href.endsWith("/") ? href : `${href}/`;
}

/** True when `path` is `folder` or lies below it, going by its text. */
export function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && parse(way).root === "");
}

function isCommonFolder(folder: string): boolean {
  return [homedir(), tmpdir()].some((common) => isWithin(folder, realFolder(common)));
}

function isWorkspace(folder: string): boolean {
  if (existsSync(join(folder, "pnpm-workspace.yaml"))) return true;
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return typeof manifest === "object" && manifest !== null && "workspaces" in manifest;
  } catch {
    return false; // none, or not readable
  }
}

function above(start: string, isIt: (folder: string) => boolean): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isIt(folder)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}
