import { CannotTravelError } from "@iono/core";
import { describeFunction } from "./describe.ts";
import { analyze } from "./analyze.ts";
import type { LexicalAnalysis } from "./analyze.ts";
import type { FunctionRecord } from "./lexical.ts";
import type { AnalyzedScript, ProcessCode } from "./process-code.ts";
import type { FunctionScopes } from "./scopes.ts";
import { sourceMappingOf } from "./source-map.ts";

/** A function found in a text. */
export interface LocatedFunction {
  readonly record: FunctionRecord;
  /** The text that `record`'s offsets count in: a whole script's, or the function's own in parentheses. */
  readonly text: string;
  /** Undefined when the function was analysed alone. */
  readonly script: AnalyzedScript | undefined;
  /** URL of the script that holds it. */
  readonly scriptUrl: string;
  /** Where the source starts, for stacks and breakpoints. */
  readonly url: string;
  readonly line: number;
  readonly column: number;
}

const maxScripts = 2000;

/**
 * Finds the text and the lexical surroundings of a function.
 * @throws CannotTravelError when its source cannot be parsed.
 */
export function locate(
  fn: Function,
  place: FunctionScopes,
  code: ProcessCode,
  path: readonly string[],
): LocatedFunction {
  const source = Function.prototype.toString.call(fn);
  const script = analyzedScript(place.scriptId, source, code);
  if (script !== undefined) {
    const near = (script.lineStarts[place.line] ?? 0) + place.column;
    const start = script.text.lastIndexOf(source, near);
    const record = start === -1 ? undefined : script.analysis.functions.get(start);
    if (record !== undefined && record.end === start + source.length && record.end > near) {
      const running = placeIn(script.lineStarts, start);
      const { line, column } = script.mapping?.near(running.line, running.column) ?? running;
      return { record, text: script.text, script, scriptUrl: script.url, url: script.url, line, column };
    }
  }
  const url = code.scripts.url(place.scriptId);
  return {
    ...locateAlone(fn, source, path),
    script: undefined,
    scriptUrl: url,
    url,
    line: place.line,
    column: place.column,
  };
}

function analyzedScript(scriptId: string, source: string, code: ProcessCode): AnalyzedScript | undefined {
  if (code.analyzed.has(scriptId)) return code.analyzed.get(scriptId);
  const script = code.scripts.load(scriptId, source);
  let found: AnalyzedScript | undefined;
  if (script !== undefined) {
    const mapping = script.isFileText ? undefined : sourceMappingOf(script.text, script.url);
    const analysis = analyzeAs(
      script.isModule ? ["module", "script"] : ["script", "module"],
      script.text,
      mapping !== undefined,
    );
    if (analysis !== undefined)
      found = { ...script, analysis, mapping, lineStarts: lineStartsOf(script.text) };
  }
  if (code.analyzed.size >= maxScripts) code.analyzed.clear();
  code.analyzed.set(scriptId, found);
  return found;
}

function analyzeAs(
  modes: readonly ("module" | "script")[],
  text: string,
  withTokens = false,
): LexicalAnalysis | undefined {
  for (const mode of modes) {
    try {
      return analyze(text, mode, withTokens);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

/** Parses a function's own text as an expression, or else as a method. */
function locateAlone(
  fn: Function,
  source: string,
  path: readonly string[],
): { record: FunctionRecord; text: string } {
  for (const [open, close] of [
    ["(", ")"],
    ["({", "})"],
  ] as const) {
    const text = `${open}${source}${close}`;
    const analysis = analyzeAs(["module", "script"], text);
    const record = analysis?.functions.get(open.length);
    if (record !== undefined && record.end === open.length + source.length) return { record, text };
  }
  throw new CannotTravelError(
    path,
    `the source of ${describeFunction(fn)} cannot be parsed, so what it captures cannot be known`,
  );
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|[\n\r\u2028\u2029]/g)) starts.push(match.index + match[0].length);
  return starts;
}

/** The 0-based place of an offset. */
export function placeIn(lineStarts: readonly number[], offset: number): { line: number; column: number } {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low, column: offset - (lineStarts[low] ?? 0) };
}
