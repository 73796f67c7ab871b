import { registerHooks } from "node:module";
import { IonoError } from "@iono/core";
import { entrySurface } from "./entry-surface.ts";
import type { EntrySurface } from "./entry-surface.ts";
import { processCode } from "./process-code.ts";
import { scriptUrl } from "./scripts.ts";

/** The stand-in for the program's entry in a worker. */
export interface EntryGuard {
  readonly entryUrl: string;
  /** Gives an export its value. Modules that imported it see the value at once. */
  provide(name: string, value: unknown): void;
  /** Gives whatever export starts at this 0-based place of the entry's text its value: a function or class that travelled. */
  offer(line: number, column: number, value: Function): void;
  remove(): void;
}

const registry = Symbol.for("iono.entry");
/** Functions kept for an entry that nobody has imported yet. */
const maxOffers = 10_000;

interface EntryRegistry {
  readonly setters: ((name: string, value: unknown) => void)[];
  readonly values: Map<string, unknown>;
}

/**
 * In a worker the program's entry is never run again. Whoever imports or requires it, directly or through a helper
 * module, gets a module with the same export names: each has the value that travelled here, or else raises a clear error
 * when it is used. What the entry re-exports from other modules is re-exported.
 */
export function installEntryGuard(entryUrl: string): EntryGuard {
  const code = processCode();
  code.entryGuard?.remove();
  const guard = new EntryStandIn(entryUrl, () => (code.entryGuard = undefined));
  code.entryGuard = guard;
  return guard;
}

class EntryStandIn implements EntryGuard {
  readonly entryUrl: string;
  readonly #entry: EntryRegistry = { setters: [], values: new Map() };
  readonly #offers = new Map<string, Function>();
  readonly #hooks: ReturnType<typeof registerHooks>;
  readonly #removed: () => void;
  /** Read when the entry is first imported; most programs' never is. */
  #surface: EntrySurface | undefined;

  constructor(entryUrl: string, removed: () => void) {
    this.entryUrl = entryUrl;
    this.#removed = removed;
    (globalThis as { [registry]?: EntryRegistry })[registry] = this.#entry;
    this.#hooks = registerHooks({
      load: (url, context, nextLoad) => {
        if (scriptUrl(url) !== entryUrl) return nextLoad(url, context);
        const surface = this.#open();
        const isCommonJs = !surface.isModule && !context.format?.startsWith("module");
        return isCommonJs
          ? { format: "commonjs", shortCircuit: true, source: commonJsStandIn(surface.names) }
          : { format: "module", shortCircuit: true, source: moduleStandIn(surface) };
      },
    });
  }

  provide(name: string, value: unknown): void {
    this.#entry.values.set(name, value);
    for (const set of this.#entry.setters) set(name, value);
  }

  offer(line: number, column: number, value: Function): void {
    const place = `${line}:${column}`;
    if (this.#surface === undefined) {
      if (this.#offers.size < maxOffers || this.#offers.has(place)) this.#offers.set(place, value);
      return;
    }
    for (const name of this.#surface.places.get(place) ?? []) this.provide(name, value);
  }

  remove(): void {
    this.#hooks.deregister();
    this.#removed();
  }

  #open(): EntrySurface {
    if (this.#surface !== undefined) return this.#surface;
    const surface = entrySurface(this.entryUrl);
    this.#surface = surface;
    const { values } = this.#entry;
    for (const name of surface.names)
      if (!values.has(name)) values.set(name, placeholder(name, this.entryUrl));
    for (const [place, value] of this.#offers)
      for (const name of surface.places.get(place) ?? []) values.set(name, value);
    this.#offers.clear();
    return surface;
  }
}

/** Gives an export of the program's entry its value in this worker; nothing where no entry is guarded. */
export function provideEntryExport(name: string, value: unknown): void {
  processCode().entryGuard?.provide(name, value);
}

function moduleStandIn({ names, reexports }: EntrySurface): string {
  const locals = names.map((_name, index) => `e${index}`);
  const cases = names
    .map((name, index) => `case ${JSON.stringify(name)}: e${index} = value; break;`)
    .join(" ");
  return [
    `const entry = globalThis[Symbol.for("iono.entry")];`,
    locals.length > 0
      ? `let ${names.map((name, index) => `e${index} = entry.values.get(${JSON.stringify(name)})`).join(", ")};`
      : "",
    `entry.setters.push((name, value) => { switch (name) { ${cases} } });`,
    `export { ${names.map((name, index) => `e${index} as ${JSON.stringify(name)}`).join(", ")} };`,
    ...reexports,
  ].join("\n");
}

function commonJsStandIn(names: readonly string[]): string {
  const getters = names
    .map((name) => `get ${JSON.stringify(name)}() { return entry.values.get(${JSON.stringify(name)}); }`)
    .join(", ");
  return `const entry = globalThis[Symbol.for("iono.entry")];\nmodule.exports = { ${getters} };`;
}

/** Stands for an export that did not travel: every use says so. */
function placeholder(name: string, entryUrl: string): unknown {
  const refuse = (): never => {
    throw new IonoError(
      "CannotTravel",
      `\`${name}\` of the program's entry ${entryUrl} does not exist in a worker, which never runs the entry: move it into a module of its own and import it from there`,
    );
  };
  return new Proxy(function unavailable() {}, {
    apply: refuse,
    construct: refuse,
    // Promises, inspection and module loading ask for these without meaning to use the value.
    get: (_target, key) => (typeof key === "symbol" || key === "then" ? undefined : refuse()),
    set: refuse,
    has: refuse,
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
    defineProperty: refuse,
    deleteProperty: refuse,
  });
}
