import inspector from "node:inspector";
import { readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { getCallSites, types } from "node:util";
import { foreignProgram } from "./foreign.ts";
import { quietly } from "./quietly.ts";
import { postSync } from "./scopes.ts";

/** A script that V8 runs in this process. */
export interface RunningScript {
  /** `file:` URL without query, `node:` name, or what V8 calls it (`[eval1]`, `evalmachine.<anonymous>`, "" for `new Function`). */
  readonly url: string;
  /** True when the text is the file's, with its types blanked out in place. */
  readonly isFileText: boolean;
  /** True when Node loaded the file under its own name as it is, or with its types stripped in place. */
  readonly isLoadedByNode: boolean;
  /** True when V8 was probably given a module; parsing decides. */
  readonly isModule: boolean;
  /** The text that V8 runs. */
  readonly text: string;
}

/** Scripts larger than this are not read as a whole: their functions are analysed alone. */
const maxScriptCharacters = 8 * 1024 * 1024;
const callSiteLimit = 64;

/** Finds the text behind a script id, cheapest source first. */
export class ScriptTable {
  /** What V8 calls each script. */
  readonly #names = new Map<string, string>();

  /** Where the script came from: call sites on the stack know it for nothing. */
  url(scriptId: string): string {
    return scriptUrl(this.#name(scriptId));
  }

  #name(scriptId: string): string {
    const known = this.#names.get(scriptId);
    if (known !== undefined) return known;
    for (const site of getCallSites(callSiteLimit, { sourceMap: false }))
      this.#names.set(site.scriptId, site.scriptName);
    if (!this.#names.has(scriptId)) this.#askDebugger(() => undefined);
    if (!this.#names.has(scriptId)) this.#names.set(scriptId, "");
    return this.#names.get(scriptId) ?? "";
  }

  /** The script's file, its types blanked out, if that may be the text that runs. */
  file(scriptId: string): RunningScript | undefined {
    const name = this.#name(scriptId);
    const url = scriptUrl(name);
    const text = url.startsWith("file:") ? readStripped(url) : undefined;
    if (text === undefined) return undefined;
    return {
      url,
      isFileText: true,
      isLoadedByNode: !/[?#]/.test(name),
      isModule: isLoadedAsModule(url),
      text,
    };
  }

  /** The text that runs, whatever a loader made of the file; undefined when it cannot be had. */
  running(scriptId: string): RunningScript | undefined {
    const name = this.#name(scriptId);
    if (name === "") return undefined; // `new Function`: the function is all there is
    const text = this.#askDebugger((session) => runningText(session, scriptId));
    if (text === undefined || text.length > maxScriptCharacters) return undefined;
    const url = scriptUrl(name);
    return { url, isFileText: false, isLoadedByNode: false, isModule: isLoadedAsModule(url), text };
  }

  /**
   * The Debugger domain tells every script's name and text. It is enabled for the length of this call: tens of
   * milliseconds, once a script that is neither on the stack nor its file as it is. (A coverage report is quicker, but
   * asking for one ends the counting of whoever measures coverage in this process.)
   */
  #askDebugger<Result>(ask: (session: inspector.Session) => Result): Result {
    const session = new inspector.Session();
    session.connect();
    try {
      session.on("Debugger.scriptParsed", ({ params }) => this.#names.set(params.scriptId, params.url));
      postSync(session, "Debugger.enable", {});
      return ask(session);
    } finally {
      session.disconnect();
    }
  }
}

/** The normal `file:` URL, without query or fragment, for anything that is a file. */
export function scriptUrl(name: string): string {
  if (name.startsWith("/")) return pathToFileURL(name).href;
  const url = name.startsWith("file:") ? URL.parse(name) : null;
  if (url === null) return name;
  url.search = "";
  url.hash = "";
  return url.href;
}

/** Whether V8 was given the file as a module; a guess that parsing may overrule. */
function isLoadedAsModule(url: string): boolean {
  if (!url.startsWith("file:") || /\.c[jt]s$/.test(url)) return false;
  if (/\.m[jt]s$/.test(url)) return true;
  const loaded = createRequire(url).cache[fileURLToPath(url)];
  return loaded === undefined || types.isModuleNamespaceObject(loaded.exports);
}

/** The text of a file; of a program whose files are elsewhere, as they have it there. Undefined when it cannot be had. */
export function readText(url: string): string | undefined {
  const foreign = foreignProgram();
  if (foreign?.covers(url) === true) return foreign.text(url);
  try {
    return readFileSync(fileURLToPath(url), "utf8");
  } catch {
    return undefined; // gone, renamed or unreadable
  }
}

/** A file's text with types blanked out in place, so that offsets stay; undefined when there is no such JavaScript. */
export function readStripped(url: string): string | undefined {
  let text = readText(url);
  if (text === undefined || text.length > maxScriptCharacters) return undefined;
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  if (!/\.[cm]?ts$/.test(url)) return text;
  const typed = text;
  try {
    return quietly(() => stripTypeScriptTypes(typed, { mode: "strip" }));
  } catch {
    return undefined; // enums, decorators: a loader must have compiled it
  }
}

/** The text that V8 runs, whatever a loader made of the file; undefined when V8 has collected the script. */
function runningText(session: inspector.Session, scriptId: string): string | undefined {
  try {
    return postSync<{ scriptSource: string }>(session, "Debugger.getScriptSource", { scriptId }).scriptSource;
  } catch {
    return undefined; // then the function is analysed alone
  }
}
