/** Where in a value something stands, as words. */

/** A place that is neither an array index nor a property. */
export class Place {
  readonly words: string;
  constructor(words: string) {
    this.words = words;
  }
}

/** A key of a Map or the value behind it; worded only when it is needed. */
export class MapPlace {
  readonly key: unknown;
  readonly part: "key" | "value";
  /** Position of the entry in the Map. */
  readonly entry: number;
  constructor(key: unknown, part: "key" | "value", entry: number) {
    this.key = key;
    this.part = part;
    this.entry = entry;
  }
}

/** The path to a container whose contents are written later: its own step, and those before it. */
export interface Prefix {
  readonly before: Prefix | undefined;
  readonly steps: readonly unknown[];
}

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** One step as a segment of CannotTravelError.path: `db`, `[2]`, `["odd key"]`, `get("key")`. */
export function segment(step: unknown): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step === "string") return identifier.test(step) ? step : `[${JSON.stringify(step)}]`;
  if (typeof step === "symbol") return `[${String(step)}]`;
  if (step instanceof MapPlace)
    return step.part === "key" ? `key ${brief(step.key)}` : `get(${brief(step.key)})`;
  if (step instanceof Place) return step.words;
  return String(step);
}

function brief(key: unknown): string {
  if (typeof key === "string")
    return key.length > 40 ? `${JSON.stringify(key.slice(0, 40))}…` : JSON.stringify(key);
  if (typeof key === "bigint") return `${key}n`;
  if (typeof key === "function") return "a function";
  if (typeof key === "object" && key !== null) return Array.isArray(key) ? "an array" : "an object";
  return String(key);
}

/** All segments of a prefix, outermost first, appended to `segments`. */
export function appendPrefix(segments: string[], prefix: Prefix | undefined): void {
  const chain: Prefix[] = [];
  for (let at = prefix; at !== undefined; at = at.before) chain.push(at);
  for (const link of chain.reverse()) for (const step of link.steps) segments.push(segment(step));
}
