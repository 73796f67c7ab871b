import Module from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isAbsolute } from "./specifiers.ts";

/**
 * `require.resolve` asks no hooks in every version of Node, nor does `require` in CommonJS that was imported.
 * @param find undefined: as ever.
 */
export function patchRequireResolve(
  find: (request: string, parentUrl: string) => string | undefined,
): () => void {
  const key = "_resolveFilename";
  type Resolve = (
    request: string,
    parent: { filename?: string | null } | undefined,
    ...rest: unknown[]
  ) => string;
  const original = Reflect.get(Module, key) as Resolve;
  const patched: Resolve = function (this: unknown, request, parent, ...rest) {
    const filename = parent?.filename;
    const url =
      typeof filename === "string" && isAbsolute(filename)
        ? find(request, pathToFileURL(filename).href)
        : undefined;
    if (url === undefined) return Reflect.apply(original, this, [request, parent, ...rest]);
    return url.startsWith("file:") ? fileURLToPath(url) : url;
  };
  Reflect.set(Module, key, patched);
  return () => {
    if (Reflect.get(Module, key) === patched) Reflect.set(Module, key, original);
  };
}
