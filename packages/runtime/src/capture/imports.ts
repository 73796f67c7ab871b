import type { ImportedBinding } from "../values/seam.ts";
import type { FreeName } from "./lexical.ts";
import { resolveImport } from "./resolve.ts";
import type { LocatedFunction } from "./source.ts";

/**
 * The import that a captured name stands for, if it is one that a worker can make again.
 * @returns undefined when the name has to travel by value.
 */
export function importOf(
  free: FreeName,
  variables: Readonly<Record<string, unknown>> | undefined,
  located: LocatedFunction,
  entryUrl: string | undefined,
): ImportedBinding | undefined {
  const imported = free.binding?.imported;
  if (imported === undefined) return undefined;
  const url = resolveImport(imported.specifier, located.url);
  if (url === undefined || url === entryUrl) return undefined;
  return { kind: "import", url, name: imported.name };
}
