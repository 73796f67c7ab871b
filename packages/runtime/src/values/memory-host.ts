import { CannotTravelError } from "@iono/core";
import type {
  CodeUnit,
  DecodeHost,
  EncodeHost,
  FunctionImage,
  ImportedBinding,
  PendingFunction,
} from "./seam.ts";

/** How a function stands in for one that was captured. */
export interface MemoryCapture {
  /** Free names and their values. */
  readonly bindings?: Readonly<Record<string, unknown>>;
  readonly kind?: CodeUnit["kind"];
  readonly url?: string;
  readonly line?: number;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/**
 * Both hosts at once, in memory: for tests of what sends values, without capture or links.
 * What a function captured is told to it with `capture`; source text comes from the function itself.
 */
export class MemoryHost implements EncodeHost, DecodeHost {
  /** References met while encoding, by index. */
  readonly references: object[] = [];
  readonly modules = new Map<string, Record<string, unknown>>();
  readonly imports = new Map<Function, ImportedBinding>();
  /** Units that decoding has seen; `knows` answers by it when `remembersUnits` is set. */
  readonly units = new Map<string, CodeUnit>();
  remembersUnits = false;
  private readonly captures = new Map<Function, MemoryCapture>();

  /** Lets a function or class travel. @returns the function. */
  capture<F extends Function>(fn: F, capture: MemoryCapture = {}): F {
    this.captures.set(fn, capture);
    return fn;
  }

  reference(value: object): number;
  reference(index: number): object;
  reference(what: object | number): object | number {
    if (typeof what !== "number") return this.references.push(what) - 1;
    const value = this.references[what];
    if (value === undefined)
      throw new Error(`malformed value: reference ${what} of ${this.references.length}`);
    return value;
  }

  image(fn: Function, path: readonly string[]): FunctionImage | ImportedBinding {
    const imported = this.imports.get(fn);
    if (imported !== undefined) return imported;
    const capture = this.captures.get(fn);
    if (capture === undefined) throw new CannotTravelError(path, `function ${fn.name} was not captured`);
    const source = Function.prototype.toString.call(fn);
    const bindings = capture.bindings ?? {};
    const {
      url = "file:///memory.js",
      line = 0,
      kind = source.startsWith("class") ? "class" : "function",
    } = capture;
    const names = Object.keys(bindings);
    const unit: CodeUnit = {
      id: JSON.stringify([url, line, source, names]),
      url,
      line,
      column: 0,
      kind,
      source,
      names,
    };
    const image: FunctionImage = { kind: "code", unit, bindings: Object.values(bindings) };
    return capture.properties === undefined ? image : { ...image, properties: capture.properties };
  }

  knows(unit: CodeUnit): boolean {
    return this.remembersUnits && this.units.has(unit.id);
  }

  module(url: string): Record<string, unknown> {
    const namespace = this.modules.get(url);
    if (namespace === undefined) throw new Error(`${url} was not imported`);
    return namespace;
  }

  unit(id: string): CodeUnit {
    const unit = this.units.get(id);
    if (unit === undefined) throw new Error(`malformed value: no code ${id}`);
    return unit;
  }

  instantiate(unit: CodeUnit): PendingFunction {
    this.units.set(unit.id, unit);
    const slots: { isSet: boolean; value: unknown }[] = unit.names.map(() => ({
      isSet: false,
      value: undefined,
    }));
    const scope = new Proxy(Object.create(null) as object, {
      has: (_, name) => typeof name === "string" && unit.names.includes(name),
      get: (_, name) => {
        if (typeof name !== "string") return undefined;
        const slot = slots[unit.names.indexOf(name)];
        if (!slot.isSet) throw new ReferenceError(`Cannot access '${name}' before initialization`);
        return slot.value;
      },
    });
    const expression = unit.kind === "method" ? `Object.values({ ${unit.source} })[0]` : `(${unit.source})`;
    // Sloppy code, for `with` to stand in for the scope that was captured.
    // oxlint-disable-next-line typescript/no-implied-eval -- compiling source text is what this host is for
    const open = new Function(
      "scope",
      `with (scope) { return function () { "use strict"; return ${expression}; } }`,
    ) as (scope: object) => () => Function;
    const make = open(scope);
    let made: Function | undefined;
    return {
      set: (index, value) => {
        slots[index].isSet = true;
        slots[index].value = value;
        // What was captured travels on from here as well.
        if (made !== undefined) this.remember(made, unit, slots);
      },
      value: () => {
        if (made === undefined) {
          made = make();
          this.remember(made, unit, slots);
        }
        return made;
      },
    };
  }

  private remember(fn: Function, unit: CodeUnit, slots: readonly { value: unknown }[]): void {
    const bindings = Object.fromEntries(unit.names.map((name, i) => [name, slots[i].value]));
    this.captures.set(fn, { bindings, kind: unit.kind, url: unit.url, line: unit.line });
  }
}
