import type { Encoder } from "./encode.ts";
import { prototypeOwner } from "./instances.ts";
import { primitiveOf } from "./kinds.ts";
import { MapPlace, Place } from "./path.ts";
import {
  DEFER_DEPTH,
  TAG_BOXED,
  TAG_DATE,
  TAG_DOM_EXCEPTION,
  TAG_ERROR,
  TAG_MAP,
  TAG_REGEXP,
  TAG_SET,
  TAG_URL,
  TAG_URL_SEARCH_PARAMS,
} from "./tags.ts";

const prototypePlace = new Place("(prototype)");

export function writeDate(encoder: Encoder, value: Date): void {
  encoder.writer.byte(TAG_DATE);
  // NaN for an invalid date; never -0.
  encoder.writer.float64(Date.prototype.getTime.call(value));
}

const sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "source")?.get;
const flagsOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "flags")?.get;

export function writeRegExp(encoder: Encoder, value: RegExp, index: number): void {
  encoder.writer.byte(TAG_REGEXP);
  encoder.writer.string(String(sourceOf?.call(value)));
  encoder.writer.string(String(flagsOf?.call(value)));
  // Any value may be assigned to it.
  encoder.inPlace(index, "lastIndex", () => encoder.write(value.lastIndex));
}

export function writeMap(encoder: Encoder, value: Map<unknown, unknown>, index: number): void {
  const contents = (): void => {
    const depth = encoder.enter(index);
    encoder.writer.count(value.size);
    let entry = 0;
    for (const [key, item] of Map.prototype.entries.call(value) as Iterable<[unknown, unknown]>) {
      encoder.steps[depth] = new MapPlace(key, "key", entry);
      encoder.write(key);
      encoder.steps[depth] = new MapPlace(key, "value", entry++);
      encoder.write(item);
    }
    encoder.depth = depth - 1;
  };
  if (encoder.depth >= DEFER_DEPTH) return encoder.deferral.defer(TAG_MAP, index, contents);
  encoder.writer.byte(TAG_MAP);
  contents();
}

export function writeSet(encoder: Encoder, value: Set<unknown>, index: number): void {
  const contents = (): void => {
    const depth = encoder.enter(index);
    encoder.writer.count(value.size);
    for (const member of Set.prototype.values.call(value) as Iterable<unknown>) {
      encoder.steps[depth] = new MapPlace(member, "key", 0);
      encoder.write(member);
    }
    encoder.depth = depth - 1;
  };
  if (encoder.depth >= DEFER_DEPTH) return encoder.deferral.defer(TAG_SET, index, contents);
  encoder.writer.byte(TAG_SET);
  contents();
}

export function writeUrl(encoder: Encoder, value: URL): void {
  const href = value.href;
  if (!URL.canParse(href) || new URL(href).href !== href)
    encoder.refuse(`a URL that does not parse to itself cannot travel: ${href}`);
  encoder.writer.byte(TAG_URL);
  encoder.writer.string(href);
  // Its searchParams is an object tied to it: met later in the value, it is the same object again.
  if (encoder.objects.remember(value.searchParams) >= 0) {
    encoder.refuse("a URL cannot travel behind its own searchParams; put the URL first, or pass one of them");
  }
}

export function writeUrlSearchParams(encoder: Encoder, value: URLSearchParams): void {
  const entries = [...(URLSearchParams.prototype.entries.call(value) as Iterable<[string, string]>)];
  encoder.writer.byte(TAG_URL_SEARCH_PARAMS);
  encoder.writer.count(entries.length);
  for (const [name, item] of entries) {
    encoder.writer.string(name);
    encoder.writer.string(item);
  }
}

export function writeBoxed(encoder: Encoder, value: object): void {
  encoder.writer.byte(TAG_BOXED);
  encoder.write(primitiveOf(value));
}

/** Message, cause, errors, code and whatever else are properties; only the stack is more than that. */
export function writeError(encoder: Encoder, value: Error, index: number): void {
  encoder.writer.byte(TAG_ERROR);
  const prototype = Object.getPrototypeOf(value) as object | null;
  const owner = prototype === null ? undefined : prototypeOwner(prototype);
  const reason = owner === undefined ? undefined : encoder.instanceRefusal(owner, true);
  if (reason !== undefined) encoder.refuse(reason);
  encoder.inPlace(index, prototypePlace, () => encoder.write(prototype));
  writeStackAndProperties(encoder, value, index);
}

export function writeDomException(encoder: Encoder, value: DOMException, index: number): void {
  encoder.writer.byte(TAG_DOM_EXCEPTION);
  encoder.writer.string(value.message);
  encoder.writer.string(value.name);
  writeStackAndProperties(encoder, value, index);
}

function writeStackAndProperties(encoder: Encoder, value: Error, index: number): void {
  const keys = Reflect.ownKeys(value);
  // V8 makes the stack a property with a getter (or something that looks like a value, in older
  // versions); reading it formats it, which may run the program's own Error.prepareStackTrace.
  const hasStack = keys.includes("stack");
  encoder.inPlace(index, "stack", () => encoder.write(hasStack ? value.stack : undefined));
  encoder.properties(
    value,
    keys.filter((key) => key !== "stack"),
    index,
  );
}
