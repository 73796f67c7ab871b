import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { CodeUnit, FunctionImage, ImportedBinding } from "../values/seam.ts";
import type { InstanceFactory } from "./compile.ts";
import type { CodePlan } from "./plan.ts";
import { ScopeReader } from "./scopes.ts";
import { ScriptTable } from "./scripts.ts";
import { ExportTable } from "./exports.ts";
import type { SourceMapping } from "./source-map.ts";
import type { EntryGuard } from "./resolve-hook.ts";
import { Natives } from "./natives.ts";
import { Origins } from "./origins.ts";
import type { LexicalAnalysis } from "./analyze.ts";

/** What a decoded function was made from, so that it can travel on. */
export interface DecodedFrom {
  readonly unit: CodeUnit;
  readonly bindings: () => unknown[];
  readonly origin: string | undefined;
}

/** One import by `loadModules`, while its module is evaluated. */
export interface ModuleImport {
  readonly url: string;
  isOver: boolean;
}

export interface AnalyzedScript {
  readonly analysis: LexicalAnalysis;
  readonly text: string;
  readonly url: string;
  readonly isLoadedByNode: boolean;
  readonly isFileText: boolean;
  /** Set for text that a loader compiled from another. */
  readonly mapping: SourceMapping | undefined;
  readonly lineStarts: readonly number[];
}

/**
 * What this process knows about code: caches of analyses and compiled units, and where its functions came from.
 * One a process, on `globalThis`, so that two copies of this package agree on which function is whose.
 */
export class ProcessCode {
  readonly origins = new Origins(randomBytes(9).toString("base64url"));
  readonly natives = new Natives();
  readonly scripts = new ScriptTable();
  /** Analyses of whole scripts, by V8's script id; undefined = cannot be analysed as a whole. */
  readonly analyzed = new Map<string, AnalyzedScript | undefined>();
  readonly importsNoted = new WeakSet<AnalyzedScript>();
  /** Plans of function literals, by script id and position. */
  readonly plans = new Map<string, CodePlan>();
  /** Images that never change, by function. */
  readonly images = new WeakMap<Function, FunctionImage | ImportedBinding>();
  /** In a worker: what stands for the program's entry. */
  entryGuard: EntryGuard | undefined;
  readonly importing = new AsyncLocalStorage<ModuleImport>();
  readonly decoded = new WeakMap<Function, DecodedFrom>();
  /** Units that arrived here, by id. */
  readonly units = new Map<string, CodeUnit>();
  readonly factories = new Map<string, InstanceFactory>();
  /** Functions and objects that are exports of modules of this process. */
  readonly exported = new ExportTable();
  /** Units whose warnings have been given. */
  readonly warned = new Set<string>();
  readonly volatile = new WeakMap<Function, boolean>();
  readonly withPrivateFields = new WeakMap<Function, boolean>();
  /** Namespaces that `loadModules` has imported. */
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
