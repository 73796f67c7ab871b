import type { CodeUnit, PendingFunction } from "../values/seam.ts";
import { compileUnit, OpenInstance } from "./compile.ts";
import { processCode } from "./process-code.ts";

/** Compiled units kept; the oldest is dropped beyond, and compiled again when it comes back. */
const maxFactories = 10_000;
const maxUnits = 100_000;

/**
 * Compiles a unit (once by id) and opens an instance of it, its bindings unset.
 * @throws SyntaxError when this Node cannot parse the source.
 */
export function instantiate(unit: CodeUnit, origin?: string): PendingFunction {
  const code = processCode();
  rememberUnit(unit);
  const known = origin === undefined ? undefined : code.origins.known(origin);
  if (known !== undefined) return { isKnown: true, set: () => {}, value: () => known };
  let factory = code.factories.get(unit.id);
  if (factory === undefined) {
    factory = compileUnit(unit);
    if (code.factories.size >= maxFactories) {
      const [oldest] = code.factories.keys();
      if (oldest !== undefined) code.factories.delete(oldest);
    }
    code.factories.set(unit.id, factory);
  }
  return new OpenInstance(unit, factory, (fn, bindings) => {
    code.decoded.set(fn, { unit, bindings, origin });
    const place = unit.entryPlace ?? (unit.url === code.entryGuard?.entryUrl ? unit : undefined);
    if (place !== undefined) code.entryGuard?.offer(place.line, place.column, fn);
    // A class is one class wherever it arrives, or `instanceof` would fail between two messages; functions are decoded afresh (I3).
    if (origin !== undefined && unit.kind === "class") code.origins.remember(origin, fn);
  });
}

/** Keeps a unit that arrived, so that later messages may name it by id. The oldest goes beyond the limit. */
function rememberUnit(unit: CodeUnit): void {
  const { units } = processCode();
  if (units.has(unit.id)) return;
  if (units.size >= maxUnits) {
    const [oldest] = units.keys();
    if (oldest !== undefined) units.delete(oldest);
  }
  units.set(unit.id, unit);
}

/**
 * The unit with this id, instantiated earlier in this process.
 * @throws Error when it was not, or is forgotten
 */
export function unitById(id: string): CodeUnit {
  const unit = processCode().units.get(id);
  if (unit === undefined) throw new Error(`no code with id ${id} has arrived here`);
  return unit;
}

/** The key that names a function or class across processes; made at the first call in the process that owns it. */
export function originOf(fn: Function): string {
  return processCode().origins.of(fn);
}

/** The function of this key that lives in this process: the original, or a class that arrived before. */
export function knownFunction(origin: string): Function | undefined {
  return processCode().origins.known(origin);
}

/** Notes that a function decoded here stands for the one of this key. `instantiate` does so itself. */
export function rememberOrigin(origin: string, fn: Function): void {
  processCode().origins.remember(origin, fn);
}
