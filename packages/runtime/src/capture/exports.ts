import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { ImportedBinding } from "../values/seam.ts";
import { requiredUrl } from "./module-urls.ts";
import { quietly } from "./quietly.ts";
import type { LocatedFunction } from "./source.ts";

/** Which functions and objects are exports of which module, for what has been proven identical. */
export class ExportTable {
  readonly #names = new WeakMap<object, ImportedBinding>();
  readonly #asked = new Set<string>();

  find(value: object): ImportedBinding | undefined {
    return this.#names.get(value);
  }

  /** Notes the exports of a module that was imported from `url`. Later exports do not take over a value that has a name. */
  add(url: string, namespace: Record<string, unknown>): void {
    if (!this.#names.has(namespace)) this.#names.set(namespace, { kind: "import", url, name: "*" });
    for (const name of Object.keys(namespace)) {
      const value = readExport(namespace, name);
      if (
        (typeof value !== "function" && typeof value !== "object") ||
        value === null ||
        this.#names.has(value)
      )
        continue;
      this.#names.set(value, { kind: "import", url, name });
    }
  }

  /** Notes a value as what this import gives; of a namespace, also its members. */
  note(value: unknown, binding: ImportedBinding): void {
    if ((typeof value !== "function" && typeof value !== "object") || value === null) return;
    if (binding.name === "*") this.add(binding.url, value as Record<string, unknown>);
    else if (!this.#names.has(value)) this.#names.set(value, binding);
  }

  /**
   * The export that a top-level function of a loaded module is. Proven by identity with what the loader holds, which is
   * asked without running anything: only of modules that Node itself loaded from the file as it is.
   */
  prove(fn: Function, located: LocatedFunction): ImportedBinding | undefined {
    const { script, record, scriptUrl } = located;
    if (script === undefined || !script.isLoadedByNode || record.outer !== undefined) return undefined;
    if (!this.#asked.has(scriptUrl)) {
      this.#asked.add(scriptUrl);
      const found = loadedNamespace(scriptUrl, script.analysis.isModule);
      if (found !== undefined) this.add(found.url, found.namespace);
    }
    return this.#names.get(fn);
  }
}

/** An export that its module has not reached yet cannot be read. */
function readExport(namespace: Record<string, unknown>, name: string): unknown {
  try {
    return namespace[name];
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

function loadedNamespace(
  url: string,
  isModule: boolean,
): { url: string; namespace: Record<string, unknown> } | undefined {
  const path = fileURLToPath(url);
  const require = createRequire(url);
  if (!isModule) {
    const exports: unknown = require.cache[path]?.exports;
    if (typeof exports === "function")
      return { url: requiredUrl(url), namespace: { "module.exports": exports } };
    if (typeof exports !== "object" || exports === null) return undefined;
    return { url: requiredUrl(url), namespace: exports as Record<string, unknown> };
  }
  try {
    // The module is loaded: this finds it in the loader's table. Modules with top-level await answer with an error.
    return { url, namespace: quietly(() => require(path)) as Record<string, unknown> };
  } catch {
    return undefined; // still being evaluated, or asynchronous: its functions travel by value
  }
}
