import { randomUUID } from "node:crypto";
import type { CodeUnit, FunctionImage, ImportedBinding } from "../values/seam.ts";
import type { InstanceFactory } from "./compile.ts";
import type { CodePlan } from "./plan.ts";
import { ScopeReader } from "./scopes.ts";
import { ScriptTable } from "./scripts.ts";
import type { LexicalAnalysis } from "./free-names.ts";

/** What a decoded function was made from, so that it can travel on. */
export interface DecodedFrom {
  readonly unit: CodeUnit;
  readonly bindings: () => unknown[];
  readonly origin: string | undefined;
}

export interface AnalyzedScript {
  readonly analysis: LexicalAnalysis;
  readonly text: string;
  readonly url: string;
  readonly isFileText: boolean;
  readonly lineStarts: readonly number[];
}

/**
 * What this process knows about code: caches of analyses and compiled units, and where its functions came from.
 * One a process, on `globalThis`, so that two copies of this package agree on which function is whose.
 */
export class ProcessCode {
  readonly processKey = randomUUID().slice(0, 18);
  readonly scripts = new ScriptTable();
  /** Analyses of whole scripts, by V8's script id; undefined = cannot be analysed as a whole. */
  readonly analyzed = new Map<string, AnalyzedScript | undefined>();
  /** Plans of function literals, by script id and position. */
  readonly plans = new Map<string, CodePlan>();
  /** Images that never change, by function. */
  readonly images = new WeakMap<Function, FunctionImage | ImportedBinding>();
  readonly decoded = new WeakMap<Function, DecodedFrom>();
  /** Units that arrived here, by id. */
  readonly units = new Map<string, CodeUnit>();
  readonly factories = new Map<string, InstanceFactory>();
  readonly modules = new Map<string, Record<string, unknown>>();
  #reader: ScopeReader | undefined;

  get scopeReader(): ScopeReader {
    this.#reader ??= new ScopeReader();
    return this.#reader;
  }
}

const place = Symbol.for("iono.code");

export function processCode(): ProcessCode {
  const holder = globalThis as { [place]?: ProcessCode };
  holder[place] ??= new ProcessCode();
  return holder[place];
}
