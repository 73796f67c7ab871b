/**
 * Answers, on the program's own machine, what its workers elsewhere ask about its modules. In the agent of the driver:
 * the program's own thread may be computing (I1).
 */
import { realpath, stat } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type {
  CodeAnswer,
  CodeReply,
  CodeRequest,
  ModuleFormat,
  PackageReply,
  ResolveRequest,
} from "@iono/core";
import { nearestManifest, readManifest } from "../capture/manifest.ts";
import { packageManifest, resolveImport } from "../capture/resolve.ts";
import { fileCandidates } from "./file-candidates.ts";
import { lookAhead } from "./look-ahead.ts";
import { isIonoPackage, packageOfSpecifier, packageOfUrl } from "../capture/package-paths.ts";
import { programRoot, type ProgramRoot } from "./program-root.ts";
import { ServedFiles } from "./served-files.ts";

export class CodeServer {
  readonly root: ProgramRoot;
  readonly #files: ServedFiles;
  #answering = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param entryUrl of the program; "" without one, then the folder it was started in counts. */
  constructor(entryUrl: string, folder?: string) {
    this.root = programRoot(entryUrl, folder);
    this.#files = new ServedFiles(this.root);
  }

  /** What a worker elsewhere asked, with what it is likely to ask next. Never rejects. */
  async answer(request: CodeRequest): Promise<CodeAnswer> {
    const nothing = { modules: [], answers: [] };
    if (this.#answering >= mostAtOnce) {
      if (this.#waiting.length >= mostWaiting)
        return { reply: { t: "failed", message: "too many ask at once" }, ...nothing };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#answering++;
    try {
      const reply = await this.#reply(request);
      if (reply.t !== "module" || request.t === "load") return { reply, ...nothing };
      return { reply, ...(await lookAhead(reply, request.conditions, (next) => this.#reply(next))) };
    } finally {
      this.#answering--;
      this.#waiting.shift()?.();
    }
  }

  async #reply(request: CodeRequest): Promise<CodeReply> {
    try {
      return await (request.t === "load" ? this.#module(request.url) : this.#resolve(request));
    } catch {
      // The error would tell what is in the file that cannot be read.
      return missing(
        `${request.t === "load" ? request.url : request.specifier}: a file there cannot be read`,
      );
    }
  }

  async #resolve(request: ResolveRequest): Promise<CodeReply> {
    const { specifier, folder } = request;
    if (isBuiltin(specifier)) return builtin(specifier);
    const isAbsolute = specifier.startsWith("file:") || specifier.startsWith("/");
    const parent = isAbsolute ? undefined : pathOf(folder);
    if (!isAbsolute) {
      if (parent === undefined || !folder.endsWith("/")) return refused(`${folder} is no local folder`);
      const fault = await this.#placeFault(join(parent, "any.js"));
      if (fault !== undefined) return refused(fault);
    }
    if (isAbsolute || /^\.{1,2}(?:\/|$)/.test(specifier)) {
      const base = parent === undefined ? undefined : folder;
      const url = URL.parse(specifier.startsWith("/") ? pathToFileURL(specifier).href : specifier, base);
      return url === null ? refused(`${specifier} is no URL`) : this.#file(url, specifier, request);
    }
    return this.#bare(request);
  }

  /** A path, as it stands or as Node and the usual loaders complete it. */
  async #file(url: URL, specifier: string, { kind }: ResolveRequest): Promise<CodeReply> {
    const asked = pathOf(url.href);
    if (asked === undefined) return refused(`${specifier} is no file of this machine`);
    const path = asked.length > 1 && asked.endsWith(sep) ? asked.slice(0, -1) : asked;
    const place = packageOfUrl(url.href);
    if (place !== undefined) return installed(path, place.name);
    const fault = await this.#placeFault(path);
    for (const candidate of fileCandidates(path, kind)) {
      // What may not be told is not even looked for.
      if (this.#files.placeFault(candidate) !== undefined) continue;
      if ((await stat(candidate).catch(() => undefined))?.isFile() === true) return this.#read(candidate);
    }
    if (fault === undefined || path === this.root.folder) return missing(path);
    return ionoModule(path) ?? refused(fault);
  }

  async #bare(request: ResolveRequest): Promise<CodeReply> {
    const { specifier, folder, conditions } = request;
    const place = packageOfSpecifier(specifier);
    if (place === undefined && !specifier.startsWith("#")) return missing(specifier);
    const parentUrl = new URL("any.js", folder).href;
    const resolved = resolveImport(specifier, parentUrl, new Set([...conditions, "default"]));
    if (resolved?.startsWith("node:")) return builtin(resolved);
    const path = resolved === undefined ? undefined : pathOf(resolved);
    if (path === undefined) {
      // It may be installed and not have such an export: the node says so in Node's own words.
      return place === undefined ? missing(specifier) : this.#known(place.name, parentUrl);
    }
    const manifest = place === undefined ? undefined : packageManifest(place.name, parentUrl);
    const holder = manifest === undefined ? undefined : await realpath(dirname(manifest));
    if (place !== undefined && holder !== undefined) this.#files.admit(place.name, holder);
    if (this.#files.placeFault(path) === undefined) return this.#read(path);
    return place === undefined || holder === undefined
      ? installed(path, undefined)
      : fileOfPackage(place.name, holder, path);
  }

  /** What is said of a package that has no such file here. */
  #known(name: string, parentUrl: string): PackageReply {
    const manifest = packageManifest(name, parentUrl);
    const version = manifest === undefined ? "" : (readManifest(manifest).version ?? "");
    return { t: "package", name, version, url: "", path: "" };
  }

  async #module(url: string): Promise<CodeReply> {
    const path = pathOf(url);
    return path === undefined ? refused(`${url} is no file of this machine`) : this.#read(path);
  }

  async #read(path: string): Promise<CodeReply> {
    const fault = await this.#placeFault(path);
    if (fault !== undefined) return refused(fault);
    const file = await this.#files.read(path);
    if (file === undefined) return missing(path);
    if ("refused" in file) return refused(file.refused);
    const url = pathToFileURL(file.path).href;
    return (
      ionoModule(file.path) ?? {
        t: "module",
        url,
        root: file.root,
        format: formatOf(url),
        source: file.source,
      }
    );
  }

  /** As `ServedFiles.placeFault`, after trying whether it is in a linked workspace package. */
  async #placeFault(path: string): Promise<string | undefined> {
    const fault = this.#files.placeFault(path);
    if (fault === undefined || !(await this.#files.admitHolderOf(path))) return fault;
    return this.#files.placeFault(path);
  }
}

/** A file of a package that each node has its own copy of. */
function installed(path: string, name: string | undefined): CodeReply {
  const manifest = packageFolder(pathToFileURL(path).href, name);
  if (manifest !== undefined)
    return fileOfPackage(name ?? readManifest(manifest).name ?? "", dirname(manifest), path);
  return name === undefined ? missing(path) : noPackage(name);
}

function fileOfPackage(name: string, folder: string, path: string): PackageReply {
  const { version = "" } = readManifest(join(folder, "package.json"));
  const inside = relative(folder, path).split(sep).join("/");
  return { t: "package", name, version, url: pathToFileURL(path).href, path: inside };
}

/** iono itself may be a package of the program's own workspace. */
function ionoModule(path: string): CodeReply | undefined {
  const manifest = nearestManifest(pathToFileURL(path).href);
  const name = manifest === undefined ? undefined : readManifest(manifest).name;
  return name !== undefined && isIonoPackage(name) ? installed(path, name) : undefined;
}

/** Each may hold a file of the largest size. */
const mostAtOnce = 8;
const mostWaiting = 10_000;

function pathOf(url: string): string | undefined {
  try {
    const path = fileURLToPath(url);
    return path.includes("\0") ? undefined : path;
  } catch {
    return undefined; // another scheme, a host, an encoded slash
  }
}

/** Manifest of the package with this name that holds a file; without a name, the nearest. */
function packageFolder(url: string, name: string | undefined): string | undefined {
  let manifest = nearestManifest(url);
  // Some packages have more package.json files inside, which only say a type.
  while (name !== undefined && manifest !== undefined && readManifest(manifest).name !== name) {
    const outer = nearestManifest(pathToFileURL(dirname(manifest)).href);
    if (outer === undefined || outer === manifest) break;
    manifest = outer;
  }
  return manifest;
}

function formatOf(url: string): ModuleFormat {
  if (/\.m[jt]s$/.test(url)) return "module";
  if (/\.c[jt]s$/.test(url)) return "commonjs";
  if (url.endsWith(".json")) return "json";
  if (url.endsWith(".wasm")) return "wasm";
  const manifest = nearestManifest(url);
  const type = manifest === undefined ? undefined : readManifest(manifest).type;
  return type === "module" || type === "commonjs" ? type : "detect";
}

function builtin(specifier: string): CodeReply {
  return { t: "builtin", url: specifier.startsWith("node:") ? specifier : `node:${specifier}` };
}

function missing(what: string): CodeReply {
  return { t: "missing", message: `Cannot find ${what}` };
}

function refused(message: string): CodeReply {
  return { t: "refused", message };
}

function noPackage(name: string): PackageReply {
  return { t: "package", name, version: "", url: "", path: "" };
}
