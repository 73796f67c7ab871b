import type { SourceMapping } from "./source-map.ts";
import type { Token } from "./analyze.ts";

/** Between these and what follows, a line break would end the statement. */
const bindsToNext = new Set([
  "return",
  "throw",
  "break",
  "continue",
  "yield",
  "async",
  "accessor",
  "type",
  "abstract",
  "declare",
]);
/** Before these, a line break would end the statement or is not allowed. */
const bindsToPrevious = new Set(["=>", "++", "--"]);
/** After these, a line break can go without changing what the text means. */
const closes = new Set([";", "{", "}", ",", "(", "[", "=>"]);

/**
 * Moves the tokens of compiled code back to the lines they have in the file the user wrote, so that stacks and
 * breakpoints need no source map where the code arrives. Line breaks are only added and removed where they mean nothing.
 *
 * @param source the function's text, with its edits made; `tokens` are those of the unedited text, by offset in `source`.
 * @param placeOf the original place of a token, if the map names one.
 * @param startLine line of the first token.
 */
export function reline(
  source: string,
  tokens: readonly Token[],
  startLine: number,
  placeOf: (token: Token) => ReturnType<SourceMapping["exact"]>,
): string {
  let result = "";
  let line = startLine;
  let at = 0;
  let previous: string | undefined;
  for (const token of tokens) {
    const gap = source.slice(at, token.start);
    const text = source.slice(token.start, token.end);
    if (previous === undefined || token.isTemplate || gap.trim() !== "") {
      result += gap;
      line += breaks(gap);
    } else {
      const place = placeOf(token);
      const wanted = place === undefined ? 0 : Math.max(0, place.line - line);
      const mayBreak = !bindsToNext.has(previous) && !bindsToPrevious.has(text);
      if (wanted > 0 && mayBreak) {
        result += "\n".repeat(wanted) + " ".repeat(Math.min(place?.column ?? 0, 200));
        line += wanted;
      } else if (breaks(gap) > 0 && closes.has(previous)) {
        result += " ";
      } else {
        result += gap;
        line += breaks(gap);
      }
    }
    result += text;
    line += breaks(text);
    previous = text;
    at = token.end;
  }
  return result + source.slice(at);
}

function breaks(text: string): number {
  return text.match(/\r\n|[\n\r\u2028\u2029]/g)?.length ?? 0;
}
