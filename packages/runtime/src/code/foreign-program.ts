/**
 * In a worker whose program is on another machine: modules of the program come from there, by the URLs they have there,
 * and whatever runs them (`import`, `require`, `import.meta`, stacks, capture) goes by those URLs. Files of the same
 * name on this machine are not looked at. Installed packages, and iono, are this node's own.
 */
import { isBuiltin, registerHooks } from "node:module";
import type { LoadHookSync, ResolveFnOutput, ResolveHookSync } from "node:module";
import {
  IonoError,
  limits,
  readCodeRequest,
  type CodeReply,
  type CodeRequest,
  type ModuleReply,
} from "@iono/core";
import { setForeignProgram, type ForeignProgram } from "../capture/foreign.ts";
import { nearestManifest, readManifest } from "../capture/manifest.ts";
import { processCode } from "../capture/process-code.ts";
import { activeConditions } from "../capture/resolve.ts";
import { scriptUrl } from "../capture/scripts.ts";
import type { ModuleSource } from "./code-link.ts";
import { ModuleCache } from "./module-cache.ts";
import { loadedModule, textOf } from "./module-text.ts";
import {
  NodePackages,
  resolveAsImported,
  resolveAsRequired,
  type ImportKind,
  type NodePackagesOptions,
  type NodeResolver,
} from "./node-packages.ts";
import { isIonoPackage, packageOfSpecifier, packageOfUrl } from "../capture/package-paths.ts";
import { patchRequireResolve } from "./require-resolve.ts";
import { absoluteUrl, folderOf, isAbsolute, isHere, suffixOf } from "./specifiers.ts";

export interface ForeignProgramOptions extends NodePackagesOptions {
  /** `ProgramRoot.url` of the program. */
  readonly root: string;
  readonly source: ModuleSource;
  /**
   * The program's machine could not be asked. Node keeps some failed imports for ever: this process should end when what
   * it runs has ended, and another take its place.
   */
  unreachable?(error: IonoError): void;
}

/** Module hooks that are in place. */
export interface InstalledProgram extends ForeignProgram {
  remove(): void;
}

/** To be called before anything of the program is imported. */
export function installForeignProgram(options: ForeignProgramOptions): InstalledProgram {
  return new Installed(options);
}

const maxRoots = 1000;
/** Of texts that are here anyway, beside what V8 keeps of them. */
const cacheBytes = limits.moduleCache.value / 2;

class Installed implements InstalledProgram {
  readonly #source: ModuleSource;
  readonly #node: string;
  readonly #unreachable: (error: IonoError) => void;
  readonly #packages: NodePackages;
  readonly #cache = new ModuleCache(cacheBytes);
  /** Folders whose modules are the program's. */
  readonly #roots: Set<string>;
  /** Whether a folder of this machine belongs to iono. */
  readonly #ionoFolders = new Map<string, boolean>();
  readonly #hooks: ReturnType<typeof registerHooks>;
  readonly #unpatch: () => void;

  constructor(options: ForeignProgramOptions) {
    this.#source = options.source;
    this.#node = options.node;
    this.#unreachable = (error) => options.unreachable?.(error);
    this.#packages = new NodePackages(options);
    this.#roots = new Set([options.root]);
    this.#hooks = registerHooks({ resolve: this.#resolve, load: this.#load });
    this.#unpatch = patchRequireResolve((request, parentUrl) =>
      this.#concerns(request, parentUrl)
        ? this.#find(request, parentUrl, "require", requireConditions(), resolveAsRequired)
        : undefined,
    );
    setForeignProgram(this);
  }

  remove(): void {
    this.#hooks.deregister();
    this.#unpatch();
    setForeignProgram(undefined);
  }

  covers(url: string): boolean {
    if (!url.startsWith("file:")) return false;
    for (const root of this.#roots)
      if (url.startsWith(root) && !url.slice(root.length - 1).includes("/node_modules/"))
        return !this.#isIono(url);
    return false;
  }

  locate(specifier: string, parentUrl: string): string {
    if (isBuiltin(specifier)) return specifier;
    return this.#find(specifier, parentUrl, "import", [...activeConditions()], resolveAsImported);
  }

  nameOf(specifier: string, parentUrl: string): string | undefined {
    if (isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
    if (/^(?:data|https?):/.test(specifier)) return specifier;
    const isAbsolute = specifier.startsWith("file:");
    const reply = this.#ask({
      t: "resolve",
      specifier,
      folder: isAbsolute ? "" : folderOf(parentUrl),
      kind: "import",
      conditions: [...activeConditions()],
    });
    if (reply.t === "module" || reply.t === "builtin") return reply.url;
    return reply.t === "package" && reply.url !== "" ? reply.url : undefined;
  }

  text(url: string): string | undefined {
    const reply = this.#ask({ t: "load", url: scriptUrl(url) });
    return reply.t === "module" ? textOf(reply) : undefined;
  }

  readonly #resolve: ResolveHookSync = (specifier, context, next): ResolveFnOutput => {
    const parentUrl = context.parentURL ?? "";
    if (!this.#concerns(specifier, parentUrl)) return next(specifier, context);
    // An older Node gives a set.
    const conditions = [...(context.conditions as Iterable<string>)];
    const kind = conditions.includes("require") ? "require" : "import";
    const resolve: NodeResolver =
      kind === "require"
        ? resolveAsRequired
        : (each, parent) => next(each, { ...context, parentURL: parent }).url;
    const url = this.#find(specifier, parentUrl, kind, conditions, resolve);
    return { url, shortCircuit: true };
  };

  readonly #load: LoadHookSync = (url, context, next) => {
    const plain = scriptUrl(url);
    if (!this.covers(plain) || plain === processCode().entryGuard?.entryUrl) return next(url, context);
    const isImported = ![...(context.conditions as Iterable<string>)].includes("require");
    return loadedModule(this.#module(plain), isImported);
  };

  /** Whether this is asked by the program, or for a file of its machine. */
  #concerns(specifier: string, parentUrl: string): boolean {
    if (isBuiltin(specifier) || /^(?:node|data|https?|iono|blob):/.test(specifier)) return false;
    if (this.covers(parentUrl)) return true;
    if (!isAbsolute(specifier)) return false;
    const url = absoluteUrl(specifier);
    if (this.covers(url)) return true;
    // Packages of this node name files of this node; what iono itself imports is named by a process of another machine.
    return !this.#isIono(url) && (parentUrl === "" || this.#isIono(parentUrl));
  }

  #find(
    specifier: string,
    parentUrl: string,
    kind: ImportKind,
    conditions: readonly string[],
    resolve: NodeResolver,
  ): string {
    if (isAbsolute(specifier)) return this.#findFile(specifier, parentUrl, kind, conditions, resolve);
    const name = packageOfSpecifier(specifier)?.name;
    if (name !== undefined && isIonoPackage(name)) return this.#packages.iono(specifier, "", resolve);
    const reply = this.#ask({ t: "resolve", specifier, folder: folderOf(parentUrl), kind, conditions });
    if (reply.t === "package") {
      const isNamed = name !== undefined && name === reply.name;
      return this.#packages.locate(isNamed ? specifier : undefined, reply, parentUrl, kind, resolve);
    }
    return this.#placeOf(reply, specifier, parentUrl, kind) + suffixOf(specifier);
  }

  #findFile(
    specifier: string,
    parentUrl: string,
    kind: ImportKind,
    conditions: readonly string[],
    resolve: NodeResolver,
  ): string {
    const url = absoluteUrl(specifier);
    const plain = scriptUrl(url);
    const place = packageOfUrl(plain);
    if ((place !== undefined && isHere(plain)) || this.#isIono(plain)) return url;
    const reply = this.#ask({ t: "resolve", specifier: plain, folder: "", kind, conditions });
    // A task may import what it wrote on this machine.
    const isNotTheirs = reply.t === "missing" || reply.t === "refused";
    if (isNotTheirs && place === undefined && !this.covers(plain) && isHere(plain)) return url;
    if (reply.t === "package" || (isNotTheirs && place !== undefined)) {
      // A place that only another node has still names its package.
      const known =
        reply.t === "package" && reply.path !== ""
          ? reply
          : ({ t: "package", version: "", url: plain, name: "", ...place, path: place?.path ?? "" } as const);
      return this.#packages.locate(undefined, known, parentUrl, kind, resolve);
    }
    return this.#placeOf(reply, specifier, parentUrl, kind) + suffixOf(url);
  }

  /** @throws Error for what is not there */
  #placeOf(
    reply: Exclude<CodeReply, { t: "package" }>,
    what: string,
    parentUrl: string,
    kind: ImportKind,
  ): string {
    if (reply.t === "module" || reply.t === "builtin") return reply.url;
    const from = parentUrl === "" ? "" : ` imported from ${parentUrl}`;
    if (reply.t === "missing")
      throw Object.assign(new Error(`Cannot find module '${what}'${from} on the program's machine`), {
        code: kind === "import" ? "ERR_MODULE_NOT_FOUND" : "MODULE_NOT_FOUND",
      });
    if (reply.t === "refused")
      throw new IonoError(
        "RuntimeEnvFailed",
        `${what}${from} does not come to node ${this.#node}: ${reply.message}`,
      );
    const error = new IonoError(
      "Unreachable",
      `${what}${from}: the program's machine cannot be asked by node ${this.#node}: ${reply.message}`,
    );
    this.#unreachable(error);
    throw error;
  }

  #module(url: string): ModuleReply {
    const reply = this.#ask({ t: "load", url });
    if (reply.t === "module") return reply;
    if (reply.t === "package")
      throw new IonoError(
        "Internal",
        `${url} is a file of package ${reply.name}, and was taken for the program's`,
      );
    this.#placeOf(reply, url, "", "import");
    throw new IonoError("Internal", `${url} is no module`);
  }

  #ask(asked: CodeRequest): CodeReply {
    const request = asked.t === "load" ? asked : { ...asked, conditions: withoutDefault(asked.conditions) };
    const known = this.#cache.find(request);
    if (known !== undefined) return known;
    const isQuestion = readCodeRequest(request) !== undefined;
    const reply = isQuestion ? this.#source.ask(request) : ({ t: "missing", message: "" } as const);
    this.#cache.keep(request, reply);
    if (reply.t === "module" && this.#roots.size < maxRoots) this.#roots.add(reply.root);
    return reply;
  }

  /** Files of iono on this machine, wherever it is installed. */
  #isIono(url: string): boolean {
    if (!url.startsWith("file:")) return false;
    const folder = folderOf(url);
    let known = this.#ionoFolders.get(folder);
    if (known === undefined) {
      const manifest = isHere(folder) ? nearestManifest(`${folder}any.js`) : undefined;
      const name = manifest === undefined ? undefined : readManifest(manifest).name;
      known = name !== undefined && isIonoPackage(name);
      if (this.#ionoFolders.size >= maxFolders) this.#ionoFolders.clear();
      this.#ionoFolders.set(folder, known);
    }
    return known;
  }
}

const maxFolders = 10_000;

/** That one always holds, and is not named by every version of Node. */
function withoutDefault(conditions: readonly string[]): string[] {
  return conditions.filter((each) => each !== "default");
}

function requireConditions(): string[] {
  return [...activeConditions()].map((each) => (each === "import" ? "require" : each));
}
