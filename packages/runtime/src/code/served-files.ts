import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { basename, dirname, extname, join, relative, sep } from "node:path";
import { formatSize, limits } from "@iono/core";
import { packageManifest } from "../capture/resolve.ts";
import { readManifest } from "../capture/manifest.ts";
import { isIonoPackage } from "../capture/package-paths.ts";
import { folderUrl, isWithin, type ProgramRoot } from "./program-root.ts";

/** A file that is given away. */
export interface ServedFile {
  /** Symbolic links followed. */
  readonly path: string;
  /** URL of the folder it is served from. */
  readonly root: string;
  readonly source: Buffer;
}

/** Why a file is not given away. */
export interface Refusal {
  readonly refused: string;
}

/** Code, and what code imports. */
const extensions: ReadonlySet<string> = new Set([
  ...[".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"],
  ...[".jsx", ".tsx", ".json", ".wasm"],
]);

/**
 * Decides which files of this machine other machines may read: code files below the program's root, and below workspace
 * packages that are linked into its `node_modules`. Never what starts with a dot, never `node_modules`, never what a
 * symbolic link reaches outside of them.
 */
export class ServedFiles {
  readonly root: ProgramRoot;
  /** Folders of workspace packages, symbolic links followed. */
  readonly #linked = new Set<string>();

  constructor(root: ProgramRoot) {
    this.root = root;
  }

  /** Why nothing at this path is given away, going by its text alone; undefined when something there may be. */
  placeFault(path: string): string | undefined {
    const from = this.#folderOf(path);
    if (from === undefined)
      return `${path} lies outside of ${this.root.folder}, from which the program's modules are read: keep them together, below one package.json`;
    const steps = relative(from, path).split(sep);
    const hidden = steps.find((step) => step.startsWith("."));
    if (hidden !== undefined) return `${hidden} begins with a dot: such files stay where they are`;
    if (steps.includes("node_modules")) return `${path} belongs to an installed package`;
    if (from === this.root.folder && this.root.isShallow && steps.length > 1)
      return `${from} holds more than the program, so only files beside its entry are read there: give the program a folder of its own, with a package.json`;
    return undefined;
  }

  /** Why a file of this name is not given away, wherever it is. */
  kindFault(path: string): string | undefined {
    const extension = extname(path);
    if (extension === ".node")
      return `${basename(path)} is native code, which is built for one machine: install it on each as a package`;
    return extensions.has(extension) ? undefined : `${basename(path)} is not a kind of file that is imported`;
  }

  /**
   * Reads a file. A path that is not there, or is no file, gives undefined.
   */
  async read(path: string): Promise<ServedFile | Refusal | undefined> {
    const refused = this.placeFault(path) ?? this.kindFault(path);
    if (refused !== undefined) return { refused };
    let real: string;
    try {
      real = await realpath(path);
    } catch {
      return undefined;
    }
    if (real !== path) {
      const behind = this.placeFault(real) ?? this.kindFault(real);
      if (behind !== undefined) return { refused: `${path} is a symbolic link: ${behind}` };
    }
    // Neither follows a link put there meanwhile, nor waits for the other end of a pipe.
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
    const file = await open(real, flags).catch(() => undefined);
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return undefined;
      const most = limits.moduleSource.value;
      const tooLarge = {
        refused: `${path} has more than ${formatSize(most)}, the most that a module may have: read such data where it is needed, or put() it`,
      };
      if (stats.size > most) return tooLarge;
      const source = await file.readFile();
      if (source.length > most) return tooLarge;
      return { path: real, root: folderUrl(this.#folderOf(real) ?? this.root.folder), source };
    } finally {
      await file.close();
    }
  }

  /**
   * Lets a package be served too when it is one of the program's own workspace and is linked into `node_modules`.
   * @param name by which it is imported
   * @param folder of the package, symbolic links followed
   */
  admit(name: string, folder: string): boolean {
    if (this.#linked.has(folder)) return true;
    const { workspace } = this.root;
    if (workspace === undefined || isIonoPackage(name) || this.#linked.size >= maxLinked) return false;
    if (folder === workspace || !isWithin(workspace, folder)) return false;
    const steps = relative(workspace, folder).split(sep);
    if (steps.some((step) => step.startsWith(".") || step === "node_modules")) return false;
    this.#linked.add(folder);
    return true;
  }

  /** Admits the workspace package that holds a file, if it is linked where the program or its packages look for it. */
  async admitHolderOf(path: string): Promise<boolean> {
    const { workspace } = this.root;
    if (workspace === undefined || !isWithin(workspace, path)) return false;
    for (let folder = dirname(path); isWithin(workspace, folder); folder = dirname(folder)) {
      const name = packageName(folder);
      if (name === undefined) continue;
      for (const from of [this.root.folder, ...this.#linked]) {
        const manifest = packageManifest(name, `${folderUrl(from)}any.js`);
        if (manifest !== undefined && (await realpath(dirname(manifest))) === folder)
          return this.admit(name, folder);
      }
      return false;
    }
    return false;
  }

  /** The folder that a path is served from, going by its text: the innermost. */
  #folderOf(path: string): string | undefined {
    let found: string | undefined;
    for (const folder of [this.root.folder, ...this.#linked])
      if (path !== folder && isWithin(folder, path) && folder.length > (found?.length ?? -1)) found = folder;
    return found;
  }
}

const maxLinked = 1000;

function packageName(folder: string): string | undefined {
  try {
    return readManifest(join(folder, "package.json")).name;
  } catch {
    return undefined;
  }
}
