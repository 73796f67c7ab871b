import { stripTypeScriptTypes } from "node:module";
import vm from "node:vm";
import type { ModuleReply } from "@iono/core";
import { quietly } from "../capture/quietly.ts";

/** What a load hook of Node gives back. */
export interface LoadedModule {
  readonly format: string;
  readonly source: string | Uint8Array;
  readonly shortCircuit: true;
}

/**
 * A module of another machine as Node is to run it: its types stripped in place, so that lines and columns stay.
 * @param isImported by `import`, not by `require`
 * @throws SyntaxError when it is TypeScript that Node cannot strip, or JSX
 */
export function loadedModule(module: ModuleReply, isImported: boolean): LoadedModule {
  const { url, source } = module;
  if (module.format === "wasm") return { format: "wasm", source, shortCircuit: true };
  const text = textOf(module);
  if (module.format === "json") return { format: "json", source: text, shortCircuit: true };
  const script = scriptOf(text, url);
  const format = module.format === "detect" ? detected(script) : module.format;
  const isWrapped = format === "commonjs" && isImported;
  return { format, source: isWrapped ? requiringItself(script) : script, shortCircuit: true };
}

export function textOf({ source }: ModuleReply): string {
  return new TextDecoder("utf-8").decode(source);
}

function scriptOf(text: string, url: string): string {
  if (/\.[jt]sx$/.test(url))
    throw new SyntaxError(`${url} is JSX, which Node does not run: compile the program before it is started`);
  if (!/\.[cm]?ts$/.test(url)) return text;
  try {
    return quietly(() => stripTypeScriptTypes(text, { mode: "strip" }));
  } catch (error) {
    // Enums, namespaces and parameter properties become code of their own.
    return transformed(text, url, error);
  }
}

function transformed(text: string, url: string, strippingError: unknown): string {
  try {
    const code = quietly(() =>
      stripTypeScriptTypes(text, { mode: "transform", sourceMap: true, sourceUrl: url }),
    );
    // Its lines are others than the file's; stacks go by the map that it ends with.
    process.setSourceMapsEnabled(true);
    return code;
  } catch {
    const reason = strippingError instanceof Error ? strippingError.message : String(strippingError);
    throw new SyntaxError(`${url}: ${reason}`, { cause: strippingError });
  }
}

/**
 * Imported CommonJS is run by `require` itself, as Node does with files of its own disk: the same module object, the same
 * cache. What follows is never run; Node reads the names of the exports from it.
 */
function requiringItself(text: string): string {
  const head =
    'const r=process.getBuiltinModule("node:module").createRequire(__filename);delete r.cache[__filename];module.exports=r(__filename);return;';
  return `${head}${text.startsWith("#!") ? "//" : ""}${text}`;
}

const commonJsNames = ["exports", "require", "module", "__filename", "__dirname"];
const moduleOnly =
  /Cannot use import statement|Unexpected token 'export'|import\.meta|await is only valid|has already been declared/;

/** Whether text without a declared kind is a module: when it does not compile as CommonJS, for a reason that modules lift. */
function detected(text: string): "module" | "commonjs" {
  try {
    vm.compileFunction(text.startsWith("#!") ? `//${text}` : text, commonJsNames);
    return "commonjs";
  } catch (error) {
    return error instanceof SyntaxError && moduleOnly.test(error.message) ? "module" : "commonjs";
  }
}
