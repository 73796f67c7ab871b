import { createRequire } from "node:module";
import type * as Acorn from "acorn";
import type { Options, Program, Token as AcornToken } from "acorn";
import { FreeNames } from "./free-names.ts";
import { hasUseStrict } from "./lexical.ts";
import type { Binding, FunctionRecord } from "./lexical.ts";

/** A token of the text; template text and what holds it together must stay as it is. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly isTemplate: boolean;
}

/** The functions and classes of one text, by the offset at which their own source starts. */
export interface LexicalAnalysis {
  readonly program: Program;
  readonly isModule: boolean;
  readonly functions: ReadonlyMap<number, FunctionRecord>;
  /** In order; only when asked for. */
  readonly tokens: readonly Token[] | undefined;
  /** Bindings of the outermost scope. */
  readonly topLevel: ReadonlyMap<string, Binding>;
  /** Import declarations' bindings, and others that may hold what a loader gave. */
  readonly mayImport: readonly Binding[];
}

/** Loaded at the first capture: a worker that only runs tasks never needs it. */
let acorn: typeof Acorn | undefined;

function parse(text: string, options: Options): Program {
  acorn ??= createRequire(import.meta.url)("acorn") as typeof Acorn;
  return acorn.parse(text, options);
}

const templateLabels: ReadonlySet<string> = new Set(["template", "invalidTemplate", "`", "${"]);

const lenient: Partial<Options> = {
  ecmaVersion: "latest",
  allowHashBang: true,
  allowReturnOutsideFunction: true,
  allowAwaitOutsideFunction: true,
  allowSuperOutsideMethod: true,
  allowImportExportEverywhere: true,
  checkPrivateFields: false,
};

/**
 * Parses a file, or the text of one function wrapped in parentheses, and finds what each function leaves free.
 * @param mode "module" is strict; "script" is what CommonJS files and `new Function` are.
 * @throws SyntaxError when the text is not JavaScript.
 */
export function analyze(text: string, mode: "module" | "script", withTokens = false): LexicalAnalysis {
  const tokens: Token[] = [];
  const onToken = (token: AcornToken): void => {
    tokens.push({ start: token.start, end: token.end, isTemplate: templateLabels.has(token.type.label) });
  };
  const program = parse(text, {
    ...lenient,
    sourceType: mode,
    ...(withTokens ? { onToken } : {}),
  } as Options);
  const walker = new FreeNames(text, mode === "module" || hasUseStrict(program.body));
  walker.program(program);
  return {
    program,
    isModule: mode === "module",
    functions: walker.functions,
    tokens: withTokens ? tokens : undefined,
    topLevel: walker.topLevel,
    mayImport: walker.mayImport,
  };
}
