import { existsSync } from "node:fs";
import { findSourceMap, SourceMap } from "node:module";
import { fileURLToPath } from "node:url";

/** A 0-based place in the file the user wrote. */
export interface OriginalPlace {
  /** URL of that file; undefined when the map names none that exists. */
  readonly url: string | undefined;
  readonly line: number;
  readonly column: number;
}

/** Where the text that runs came from in the file the user wrote. */
export interface SourceMapping {
  /**
   * The place that the map names for exactly this place, if it does.
   * @param indent columns of white space before it: some compilers let them belong to what follows.
   */
  exact(line: number, column: number, indent?: number): OriginalPlace | undefined;
  /** The nearest mapped place at or before it. */
  near(line: number, column: number): OriginalPlace | undefined;
}

const inlineMap = /\/\/# sourceMappingURL=data:application\/json[^,\n]*;base64,([A-Za-z0-9+/=]+)/g;

/**
 * The map that a loader wrote into the text, or that Node follows for the file (`--enable-source-maps`); undefined for
 * text that was not compiled, and where stacks show the compiled file anyway.
 */
export function sourceMappingOf(text: string, url: string, isFileText: boolean): SourceMapping | undefined {
  const map = (isFileText ? undefined : inlined(text)) ?? handedToNode(url);
  if (map === undefined) return undefined;
  const urls = new Map<string, string | undefined>();
  const urlOf = (source: string): string | undefined => {
    if (!urls.has(source)) urls.set(source, existingFile(source, url));
    return urls.get(source);
  };
  const find = (
    line: number,
    column: number,
    indent = 0,
  ): { readonly isExact: boolean; readonly place: OriginalPlace } | undefined => {
    const entry = map.findEntry(line, column);
    if (
      !("originalLine" in entry) ||
      typeof entry.originalLine !== "number" ||
      typeof entry.originalColumn !== "number"
    )
      return undefined;
    return {
      isExact: entry.generatedLine === line && entry.generatedColumn >= column - indent,
      place: { url: urlOf(entry.originalSource), line: entry.originalLine, column: entry.originalColumn },
    };
  };
  return {
    exact: (line, column, indent) => {
      const found = find(line, column, indent);
      return found?.isExact === true ? found.place : undefined;
    },
    near: (line, column) => find(line, column)?.place,
  };
}

function inlined(text: string): SourceMap | undefined {
  const last = [...text.matchAll(inlineMap)].at(-1)?.[1];
  if (last === undefined) return undefined;
  try {
    return new SourceMap(
      JSON.parse(Buffer.from(last, "base64").toString("utf8")) as ConstructorParameters<typeof SourceMap>[0],
    );
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // a string of the program that looks like a map
    throw error;
  }
}

function handedToNode(url: string): SourceMap | undefined {
  if (!url.startsWith("file:")) return undefined;
  return findSourceMap(url) ?? findSourceMap(fileURLToPath(url));
}

function existingFile(source: string, url: string): string | undefined {
  const found = URL.parse(source, url);
  return found?.protocol === "file:" && existsSync(found) ? found.href : undefined;
}
