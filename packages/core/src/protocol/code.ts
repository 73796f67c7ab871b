/**
 * The modules of a program whose files are on another machine: what a worker asks, and what the program's own machine
 * answers. A worker asks its agent over a blocking socket; agents carry requests and replies between nodes as they are.
 */

export type CodeRequest = ResolveRequest | LoadRequest;

/** What does this specifier name? A module of the program comes with its text, so that most need no second question. */
export interface ResolveRequest {
  readonly t: "resolve";
  /** As it is written; or an absolute `file:` URL of the program's machine. */
  readonly specifier: string;
  /** `file:` URL of the folder (with a final slash) of the module that says it; "" for an absolute URL. */
  readonly folder: string;
  readonly kind: "import" | "require";
  /** Names of the conditions of package exports and imports that hold there. */
  readonly conditions: readonly string[];
}

/** The text of a module that was resolved before. */
export interface LoadRequest {
  readonly t: "load";
  readonly url: string;
}

/** `detect`: the text decides between the first two, as Node has it for packages without a type. */
export type ModuleFormat = "module" | "commonjs" | "detect" | "json" | "wasm";

export type CodeReply =
  | ModuleReply
  | PackageReply
  | BuiltinReply
  /** The program's machine has no such module. */
  | { readonly t: "missing"; readonly message: string }
  /** It has one and does not give it away, or the question is not allowed. */
  | { readonly t: "refused"; readonly message: string }
  /** Nobody answered: asking again may help. */
  | { readonly t: "failed"; readonly message: string };

/** A module of the program. */
export interface ModuleReply {
  readonly t: "module";
  /** Normal `file:` URL, symbolic links followed; without query and fragment. */
  readonly url: string;
  /** URL (with a final slash) of the folder it is served from: all modules below that are not in `node_modules` come from there. */
  readonly root: string;
  readonly format: ModuleFormat;
  readonly source: Uint8Array;
}

/** A file of an installed package, which the node has to have itself. */
export interface PackageReply {
  readonly t: "package";
  readonly name: string;
  /** As installed with the program; "" when it is not, or says none. */
  readonly version: string;
  /** Of the file on the program's machine, and the same below the package's folder; "" when nothing is there. */
  readonly url: string;
  readonly path: string;
}

export interface BuiltinReply {
  readonly t: "builtin";
  readonly url: string;
}

/** What machines answer each other: a module brings what it imports, so that many modules take one question. */
export interface CodeAnswer {
  readonly reply: CodeReply;
  /** Further modules, each once. */
  readonly modules: readonly ModuleReply[];
  /** What is likely to be asked next: a question, and the URL of one of the modules or what else it names. */
  readonly answers: readonly (readonly [ResolveRequest, string | PackageReply | BuiltinReply])[];
}

export const maxSpecifierChars = 4096;
const maxConditions = 64;
const maxConditionChars = 128;

/** A request as it arrived from another process; undefined when it is none. */
export function readCodeRequest(value: unknown): CodeRequest | undefined {
  if (!isRecord(value)) return undefined;
  if (value["t"] === "load") {
    const url = text(value["url"]);
    return url === undefined ? undefined : { t: "load", url };
  }
  if (value["t"] !== "resolve") return undefined;
  const specifier = text(value["specifier"]);
  const folder = text(value["folder"]);
  const { kind, conditions } = value;
  if (specifier === undefined || folder === undefined || (kind !== "import" && kind !== "require"))
    return undefined;
  if (!Array.isArray(conditions) || conditions.length > maxConditions) return undefined;
  const names = conditions.filter(
    (each): each is string => typeof each === "string" && each.length <= maxConditionChars,
  );
  if (names.length !== conditions.length) return undefined;
  return { t: "resolve", specifier, folder, kind, conditions: names };
}

const formats: ReadonlySet<unknown> = new Set<ModuleFormat>(["module", "commonjs", "detect", "json", "wasm"]);

/** A reply as it arrived from another process; undefined when it is none. */
export function readCodeReply(value: unknown): CodeReply | undefined {
  if (!isRecord(value)) return undefined;
  switch (value["t"]) {
    case "module": {
      const url = text(value["url"]);
      const root = text(value["root"]);
      const { format, source } = value;
      if (url === undefined || root === undefined || !formats.has(format)) return undefined;
      if (!(source instanceof Uint8Array)) return undefined;
      return { t: "module", url, root, format: format as ModuleFormat, source };
    }
    case "package": {
      const name = text(value["name"]);
      const version = text(value["version"]);
      const url = text(value["url"]);
      const path = text(value["path"]);
      if (name === undefined || version === undefined || url === undefined || path === undefined)
        return undefined;
      return { t: "package", name, version, url, path };
    }
    case "builtin": {
      const url = text(value["url"]);
      return url === undefined ? undefined : { t: "builtin", url };
    }
    case "missing":
    case "refused":
    case "failed": {
      const message = text(value["message"]);
      return message === undefined ? undefined : { t: value["t"], message };
    }
    default:
      return undefined;
  }
}

/** An answer as it arrived from another machine; undefined when it is none. */
export function readCodeAnswer(value: unknown): CodeAnswer | undefined {
  if (!isRecord(value) || !Array.isArray(value["modules"]) || !Array.isArray(value["answers"]))
    return undefined;
  const reply = readCodeReply(value["reply"]);
  if (reply === undefined || value["modules"].length > maxAhead || value["answers"].length > maxAhead)
    return undefined;
  const modules: ModuleReply[] = [];
  for (const each of value["modules"] as readonly unknown[]) {
    const module = readCodeReply(each);
    if (module?.t !== "module") return undefined;
    modules.push(module);
  }
  const answers: CodeAnswer["answers"][number][] = [];
  for (const each of value["answers"] as readonly unknown[]) {
    if (!Array.isArray(each)) return undefined;
    const request = readCodeRequest(each[0]);
    const named = text(each[1]) ?? readCodeReply(each[1]);
    if (request?.t !== "resolve" || named === undefined) return undefined;
    if (typeof named !== "string" && named.t !== "package" && named.t !== "builtin") return undefined;
    answers.push([request, named]);
  }
  return { reply, modules, answers };
}

/** Most modules, and most questions, that come with an answer. */
export const maxAhead = 1000;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= maxSpecifierChars ? value : undefined;
}
