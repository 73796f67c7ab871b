import { CannotTravelError } from "@iono/core";
import { describeFunction } from "./describe.ts";
import { analyze } from "./analyze.ts";
import type { LexicalAnalysis } from "./analyze.ts";
import type { FunctionRecord } from "./lexical.ts";
import type { AnalyzedScript, ProcessCode } from "./process-code.ts";
import type { FunctionScopes } from "./scopes.ts";
import type { RunningScript } from "./scripts.ts";
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
  /** Where it stands in the script's file, when that was compiled from the one at `url`. */
  readonly compiledPlace?: { readonly line: number; readonly column: number };
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
  const { scriptId } = place;
  let script = code.analyzed.get(scriptId);
  let record = script === undefined ? undefined : recordAt(script, source, place);
  // Usually the file is what runs, and need only be read. Where the function does not stand in it as it runs, a loader
  // has compiled the file, and V8 is asked for the text.
  if (script === undefined && !code.analyzed.has(scriptId)) {
    script = analyzed(code.scripts.file(scriptId));
    record = script === undefined ? undefined : recordAt(script, source, place);
  }
  if (record === undefined && (script?.isFileText === true || !code.analyzed.has(scriptId))) {
    script = analyzed(code.scripts.running(scriptId));
    record = script === undefined ? undefined : recordAt(script, source, place);
  }
  if (code.analyzed.size >= maxScripts) code.analyzed.clear();
  code.analyzed.set(scriptId, script);
  if (script === undefined || record === undefined) {
    const url = code.scripts.url(scriptId);
    return {
      ...locateAlone(fn, source, path),
      script: undefined,
      scriptUrl: url,
      url,
      line: place.line,
      column: place.column,
    };
  }
  const running = placeIn(script.lineStarts, record.start);
  const original = script.mapping?.near(running.line, running.column);
  const { line, column } = original ?? running;
  const url = original?.url ?? script.url;
  const wasCompiled = url !== script.url && script.isFileText;
  return {
    record,
    text: script.text,
    script,
    scriptUrl: script.url,
    url,
    line,
    column,
    ...(wasCompiled ? { compiledPlace: running } : {}),
  };
}

/** The function of that text at that place of the script. */
function recordAt(script: AnalyzedScript, source: string, place: FunctionScopes): FunctionRecord | undefined {
  const near = (script.lineStarts[place.line] ?? Number.NaN) + place.column;
  const start = Number.isNaN(near) ? -1 : script.text.lastIndexOf(source, near);
  const record = script.analysis.functions.get(start);
  return record !== undefined && record.end === start + source.length && record.end > near
    ? record
    : undefined;
}

function analyzed(script: RunningScript | undefined): AnalyzedScript | undefined {
  if (script === undefined) return undefined;
  const mapping = sourceMappingOf(script.text, script.url, script.isFileText);
  const modes = script.isModule ? (["module", "script"] as const) : (["script", "module"] as const);
  const analysis = analyzeAs(modes, script.text, mapping !== undefined);
  return analysis === undefined
    ? undefined
    : { ...script, analysis, mapping, lineStarts: lineStartsOf(script.text) };
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
