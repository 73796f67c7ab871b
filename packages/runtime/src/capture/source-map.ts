import { findSourceMap, SourceMap } from "node:module";
import { fileURLToPath } from "node:url";

/** A 0-based place in the file the user wrote. */
export interface OriginalPlace {
  readonly line: number;
  readonly column: number;
}

/** Where the text that runs came from in the file the user wrote. */
export interface SourceMapping {
  /** The place that the map names for exactly this place, if it does. */
  exact(line: number, column: number): OriginalPlace | undefined;
  /** The nearest mapped place at or before it. */
  near(line: number, column: number): OriginalPlace | undefined;
}

const inlineMap = /\/\/# sourceMappingURL=data:application\/json[^,\n]*;base64,([A-Za-z0-9+/=]+)/g;

/** The map that a loader wrote into the text, or handed to Node; undefined for text that was not compiled. */
export function sourceMappingOf(text: string, url: string): SourceMapping | undefined {
  const map = inlined(text) ?? handedToNode(url);
  if (map === undefined) return undefined;
  const find = (
    line: number,
    column: number,
  ): { readonly isExact: boolean; readonly place: OriginalPlace } | undefined => {
    const entry = map.findEntry(line, column);
    if (
      !("originalLine" in entry) ||
      typeof entry.originalLine !== "number" ||
      typeof entry.originalColumn !== "number"
    )
      return undefined;
    return {
      isExact: entry.generatedLine === line && entry.generatedColumn === column,
      place: { line: entry.originalLine, column: entry.originalColumn },
    };
  };
  return {
    exact: (line, column) => {
      const found = find(line, column);
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
