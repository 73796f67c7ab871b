import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { IonoError, type PackageReply } from "@iono/core";
import { readManifest } from "../capture/manifest.ts";
import { packageManifest, resolveImport } from "../capture/resolve.ts";
import { version } from "../version.ts";
import { isIonoPackage, packageOfSpecifier } from "../capture/package-paths.ts";

export type ImportKind = "import" | "require";
/** Resolves as Node does, for a module at this URL. */
export type NodeResolver = (specifier: string, parentUrl: string) => string;

export interface NodePackagesOptions {
  /** Name of this node, for messages. */
  readonly node: string;
  /** Folder whose `node_modules` has the packages: where the node was started. */
  readonly packagesDir: string;
  /** Version of iono that the program runs with. */
  readonly version: string;
  warn(message: string): void;
}

/** Finds the packages of a program from another machine among those that are installed on this node. */
export class NodePackages {
  readonly #options: NodePackagesOptions;
  readonly #anchor: string;
  readonly #warned = new Set<string>();

  constructor(options: NodePackagesOptions) {
    this.#options = options;
    this.#anchor = pathToFileURL(join(options.packagesDir, "any.js")).href;
  }

  /**
   * @param specifier as the program's module says it, or undefined for the very file that the program's machine named
   * @param reply what the program's machine has
   * @param parentUrl of the program's module: this node may have the same folder
   * @throws Error `ERR_MODULE_NOT_FOUND` or `MODULE_NOT_FOUND`, caused by RuntimeEnvFailed; what Node throws
   */
  locate(
    specifier: string | undefined,
    reply: PackageReply,
    parentUrl: string,
    kind: ImportKind,
    resolve: NodeResolver,
  ): string {
    const { name } = reply;
    if (isIonoPackage(name)) return this.iono(specifier ?? name, reply.path, resolve);
    for (const anchor of this.#anchorsOf(parentUrl)) {
      const manifest = packageManifest(name, anchor);
      if (manifest === undefined) continue;
      this.#compare(reply, manifest);
      if (specifier !== undefined) return resolve(specifier, besideOf(manifest) ?? anchor);
      const file = join(dirname(manifest), reply.path);
      if (existsSync(file)) return pathToFileURL(realpathSync(file)).href;
      throw this.#missing(
        `package "${name}" of node ${this.#options.node} has no ${reply.path}: it is version ${versionOf(manifest)}, and ${reply.version || "another"} in the program`,
        kind,
      );
    }
    throw this.#missing(this.#notInstalled(reply, parentUrl), kind);
  }

  /**
   * iono itself is this node's own, whatever the program has.
   * @throws IonoError VersionMismatch
   */
  iono(specifier: string, path: string, resolve: NodeResolver): string {
    if (this.#options.version !== version)
      throw new IonoError(
        "VersionMismatch",
        `the program uses iono ${this.#options.version}, and node ${this.#options.node} has ${version}: install the same on both`,
      );
    const name = packageOfSpecifier(specifier)?.name ?? specifier;
    for (const anchor of [import.meta.url, this.#anchor]) {
      const manifest = packageManifest(name, anchor);
      if (manifest === undefined) continue;
      const file = join(dirname(manifest), path);
      if (path !== "" && existsSync(file)) return pathToFileURL(realpathSync(file)).href;
      return resolve(specifier, anchor);
    }
    throw this.#missing(
      `package "${name}" is not installed on node ${this.#options.node}: run "npm i ${name}@${version}" in ${this.#options.packagesDir} there`,
      "import",
    );
  }

  #anchorsOf(parentUrl: string): string[] {
    return parentUrl.startsWith("file:") ? [parentUrl, this.#anchor] : [this.#anchor];
  }

  #notInstalled({ name, version: wanted, url }: PackageReply, parentUrl: string): string {
    const { node, packagesDir } = this.#options;
    const importer = parentUrl === "" ? "" : `, which ${parentUrl} imports,`;
    if (wanted === "" && url === "")
      return `package "${name}"${importer} is installed neither on node ${node} nor with the program`;
    const exact = wanted === "" ? name : `${name}@${wanted}`;
    const known = wanted === "" ? "" : ` (${wanted} in the program)`;
    return `package "${name}"${known}${importer} is not installed on node ${node}: run "npm i ${exact}" in ${packagesDir} there`;
  }

  /** Code that tries whether a package is there looks for Node's code; whoever shows the error shows its cause. */
  #missing(message: string, kind: ImportKind): Error {
    return Object.assign(new Error(message, { cause: new IonoError("RuntimeEnvFailed", message) }), {
      code: kind === "import" ? "ERR_MODULE_NOT_FOUND" : "MODULE_NOT_FOUND",
    });
  }

  #compare({ name, version: wanted }: PackageReply, manifest: string): void {
    if (wanted === "" || this.#warned.has(name) || this.#warned.size >= maxWarned) return;
    const has = versionOf(manifest);
    if (has === wanted) return;
    this.#warned.add(name);
    this.#options.warn(
      `package "${name}" is version ${has} on node ${this.#options.node}, and ${wanted} in the program`,
    );
  }
}

const maxWarned = 1000;

function versionOf(manifest: string): string {
  return readManifest(manifest).version ?? "unknown";
}

/** A place from which Node finds the same package, and which is no module of the program. */
function besideOf(manifest: string): string | undefined {
  const end = manifest.lastIndexOf(inPackages);
  return end < 0 ? undefined : pathToFileURL(`${manifest.slice(0, end)}${inPackages}any.js`).href;
}

const inPackages = `${sep}node_modules${sep}`;

/** As `import` resolves in a module at this URL, by what is on the disk here. */
export function resolveAsImported(specifier: string, parentUrl: string): string {
  return resolveImport(specifier, parentUrl) ?? resolveAsRequired(specifier, parentUrl);
}

/** As `require` resolves in a module at this URL. */
export function resolveAsRequired(specifier: string, parentUrl: string): string {
  const found = createRequire(fileURLToPath(parentUrl)).resolve(specifier);
  return found.startsWith("/") || /^[a-z]:\\/i.test(found) ? pathToFileURL(found).href : found;
}
