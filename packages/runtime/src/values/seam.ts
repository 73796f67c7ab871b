/**
 * The seam between the value codec (`values/`), code capture (`capture/`) and whoever sends values.
 *
 * The codec knows data. It asks an EncodeHost about functions and references, and a DecodeHost to
 * bring them back. Everything here is plain data or synchronous, so that the codec stays one pass.
 */

/** Set on the prototype of what travels by reference (ObjectRef, ActorHandle …): the codec hands such an object to its host. */
export const travelsByReference: unique symbol = Symbol.for("iono.travelsByReference") as never;

/** An import captured by reference: workers import the module and take the export (`*` = the namespace). */
export interface ImportedBinding {
  readonly kind: "import";
  /** Absolute URL (`file:`) or a builtin (`node:path`). */
  readonly url: string;
  readonly name: string;
}

/** The text of a function or class, independent of what it captured. Plain, immutable; equal text and place = equal id. */
export interface CodeUnit {
  /** Hash of url, position, source and free names. */
  readonly id: string;
  /** URL of the defining file; stacks and breakpoints point there. */
  readonly url: string;
  /** 0-based position of the first character of `source` in that file. */
  readonly line: number;
  readonly column: number;
  /** What `source` is: an expression evaluating to a function, a method definition (`foo() {}`), or a class. */
  readonly kind: "function" | "method" | "class";
  readonly source: string;
  /** Free names bound from the environment, in the order of `FunctionImage.bindings`. */
  readonly names: readonly string[];
  /** The function's own `name`, where its source alone would not give it. */
  readonly name?: string;
  /** Where it stands in the program's entry as Node runs it, 0-based, when that is not `url` but was compiled from it. */
  readonly entryPlace?: { readonly line: number; readonly column: number };
  /** Set for code outside strict mode (CommonJS without "use strict"). */
  readonly sloppy?: true;
}

/** A function or class as it travels: its code and the values of its free names. */
export interface FunctionImage {
  readonly kind: "code";
  readonly unit: CodeUnit;
  /** One entry a name of `unit.names`: a value (encoded recursively, cycles welcome) or an ImportedBinding. */
  readonly bindings: readonly unknown[];
  /** Own enumerable properties set on the function or class after its definition, if any. */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** Names the original across processes, so that it comes home as itself: give it to `DecodeHost.instantiate`. */
  readonly origin?: string;
}

/** What the encoder asks of its surroundings. */
export interface EncodeHost {
  /**
   * An object with `travelsByReference` was met. Returns its index in the message's own list of references.
   * The host keeps the list; the codec writes only the index.
   */
  reference(value: object): number;
  /**
   * A function or class was met. Throws CannotTravelError (with `path`) if it cannot travel.
   * @param path where it stands, outermost first, e.g. ["argument 0", "callbacks", "[2]"].
   */
  image(fn: Function, path: readonly string[]): FunctionImage | ImportedBinding;
  /** True when the receiver has this unit already, so that its id is enough. */
  knows(unit: CodeUnit): boolean;
}

/** What the decoder asks of its surroundings. */
export interface DecodeHost {
  reference(index: number): object;
  /** The namespace of a module that `requiredModules` named; it has been imported by now. */
  module(url: string): Record<string, unknown>;
  /** Compiles a unit (cached by id) and opens an instance of it, bindings still unset. */
  instantiate(unit: CodeUnit, origin?: string): PendingFunction;
  /** The unit with this id, received earlier on this link. */
  unit(id: string): CodeUnit;
}

/** A function that is being decoded: set every binding, then take the value. Function kinds may be taken before (recursion). */
export interface PendingFunction {
  /** True when `value()` is a function that this process has already: bindings and properties need not be set. */
  readonly isKnown?: boolean;
  set(index: number, value: unknown): void;
  /** For kind "class" and "method" only valid once bindings used by its definition (superclass, static blocks, computed names) are set. */
  value(): Function;
}

/** One encoded value. `parts` are large raw buffers kept out of `bytes` so that the store can align them (64 bytes) and map them. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly parts: readonly Uint8Array[];
}
