import { findSourceMap } from "node:module";
import vm from "node:vm";
import type { CodeUnit, PendingFunction } from "../values/seam.ts";

/** One instance's controls, closed over its own set of bindings. */
interface Instance {
  readonly set: (index: number, value: unknown) => void;
  readonly get: () => unknown[];
  readonly make: () => Function | object;
}

export type InstanceFactory = () => Instance;

/**
 * Compiles a unit under its own file's name and place, so that stacks, breakpoints and profiles point there.
 * The captured names are the variables of an enclosing function; each call of the factory opens a fresh set.
 * @throws SyntaxError when the source does not parse here (an older Node than the sender's).
 */
export function compileUnit(unit: CodeUnit): InstanceFactory {
  const { names } = unit;
  const variables = names.length === 0 ? "" : `var ${names.join(",")};`;
  // `arguments` adds no name that could hide a captured one.
  const set = `function(){switch(arguments[0]){${names.map((name, index) => `case ${index}:${name}=arguments[1];return;`).join("")}}}`;
  const get = `function(){return [${names.join(",")}]}`;
  const mode = unit.sloppy ? "" : `"use strict";`;
  const label = unit.name === undefined ? undefined : JSON.stringify(unit.name);
  const [open, close] =
    unit.kind === "method"
      ? ["({", "})"]
      : label === undefined
        ? ["(", ")"]
        : [`({[${label}]:`, `})[${label}]`];
  const prefix = `(function(){${mode}${variables}return{set:${set},get:${get},make:function(){return ${open}`;
  const script = new vm.Script(`${prefix}${unit.source}${close}}}})`, {
    filename: scriptName(unit.url),
    lineOffset: unit.line,
    columnOffset: unit.column - prefix.length,
  });
  return script.runInThisContext() as InstanceFactory;
}

/**
 * The name to compile under. Where a loader compiled the same file here, Node would apply that map once more to places
 * that are the original's already; the same file by another spelling escapes it.
 */
function scriptName(url: string): string {
  if (!url.startsWith("file:")) return url;
  const sources = findSourceMap(url)?.payload.sources ?? [];
  const mapsToItself = sources.some((source) => URL.parse(source, url)?.href === url);
  return mapsToItself ? url.replace(/\/([^/]*)$/, "/./$1") : url;
}

/** A function being decoded. Its value is made once: bindings set later are seen by the function that was taken. */
export class OpenInstance implements PendingFunction {
  readonly #unit: CodeUnit;
  readonly #instance: Instance;
  readonly #made: (fn: Function, currentBindings: () => unknown[]) => void;
  #value: Function | undefined;

  /** @param made told once, with the function and a way to read what its captured names hold now. */
  constructor(
    unit: CodeUnit,
    factory: InstanceFactory,
    made: (fn: Function, currentBindings: () => unknown[]) => void,
  ) {
    this.#unit = unit;
    this.#instance = factory();
    this.#made = made;
  }

  set(index: number, value: unknown): void {
    this.#instance.set(index, value);
  }

  value(): Function {
    if (this.#value === undefined) {
      const made = this.#instance.make();
      const fn = (this.#unit.kind === "method" ? onlyMethod(made) : made) as Function;
      this.#value = fn;
      this.#made(fn, this.#instance.get);
    }
    return this.#value;
  }
}

function onlyMethod(object: object): unknown {
  const [key] = Reflect.ownKeys(object);
  return key === undefined ? undefined : Reflect.get(object, key);
}
