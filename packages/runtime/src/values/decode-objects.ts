import { readArrayBuffer, readView } from "./decode-buffers.ts";
import { readCode, readForced, readImport, readPrototypeOf, readRegistered } from "./decode-code.ts";
import type { Decoder } from "./decode.ts";
import {
  TAG_ARRAY,
  TAG_ARRAY_BUFFER,
  TAG_ARRAY_SPARSE,
  TAG_AGAIN,
  TAG_BOXED,
  TAG_CODE,
  TAG_CODE_AGAIN,
  TAG_CODE_KNOWN,
  TAG_DATE,
  TAG_DOM_EXCEPTION,
  TAG_ERROR,
  TAG_FORCE,
  TAG_IMPORT,
  TAG_INTRINSIC,
  TAG_LATER,
  TAG_MAP,
  TAG_OBJECT,
  TAG_OBJECT_OF_PROTOTYPE,
  TAG_OF_PROTOTYPE,
  TAG_PROTOTYPE_OF,
  TAG_REFERENCE,
  TAG_REGEXP,
  TAG_REGISTERED,
  TAG_REGISTERED_AGAIN,
  TAG_SET,
  TAG_URL,
  TAG_URL_SEARCH_PARAMS,
  TAG_VIEW,
  TAG_WITH_PROPERTIES,
} from "./tags.ts";
import { unfinished } from "./unfinished.ts";

/** Reads what is neither a primitive nor an ordinary object or array. @param later true when the contents come at the end. */
export function readExoticObject(decoder: Decoder, tag: number, later: boolean): unknown {
  switch (tag) {
    case TAG_OBJECT: {
      const object = {};
      const index = decoder.add(object);
      return contents(decoder, later, index, object, () => decoder.readProperties(object, true));
    }
    case TAG_ARRAY: {
      const array: unknown[] = [];
      const index = decoder.add(array);
      return contents(decoder, later, index, array, () => decoder.readElements(array));
    }
    case TAG_ARRAY_SPARSE: {
      const array: unknown[] = [];
      const index = decoder.add(array);
      return contents(decoder, later, index, array, () => decoder.readSparseElements(array));
    }
    case TAG_MAP: {
      const map = new Map<unknown, unknown>();
      const index = decoder.add(map);
      return contents(decoder, later, index, map, () => readMap(decoder, map));
    }
    case TAG_SET: {
      const set = new Set<unknown>();
      const index = decoder.add(set);
      return contents(decoder, later, index, set, () => readSet(decoder, set));
    }
    case TAG_OBJECT_OF_PROTOTYPE:
      return readObjectOfPrototype(decoder, later);
    case TAG_CODE:
    case TAG_CODE_KNOWN:
    case TAG_CODE_AGAIN:
      return readCode(decoder, tag, later);
    default:
      if (later) return decoder.reader.malformed(`tag ${tag} cannot be deferred`);
      return readBuiltin(decoder, tag);
  }
}

function contents<T>(decoder: Decoder, later: boolean, index: number, object: T, read: () => void): T {
  if (later) decoder.deferContents(index, read);
  else read();
  return object;
}

function readBuiltin(decoder: Decoder, tag: number): unknown {
  const reader = decoder.reader;
  switch (tag) {
    case TAG_DATE: {
      const date = new Date(reader.float64());
      decoder.add(date);
      return date;
    }
    case TAG_REGEXP:
      return readRegExp(decoder);
    case TAG_URL:
      return readUrl(decoder);
    case TAG_URL_SEARCH_PARAMS:
      return readUrlSearchParams(decoder);
    case TAG_BOXED:
      return readBoxed(decoder);
    case TAG_ARRAY_BUFFER:
      return readArrayBuffer(decoder);
    case TAG_VIEW:
      return readView(decoder);
    case TAG_ERROR:
      return readError(decoder);
    case TAG_DOM_EXCEPTION:
      return readDomException(decoder);
    case TAG_WITH_PROPERTIES: {
      const object = decoder.readFreshObject(tag);
      decoder.readProperties(object, false);
      return object;
    }
    case TAG_OF_PROTOTYPE: {
      const object = decoder.readFreshObject(tag);
      decoder.enter();
      setPrototype(decoder, object, decoder.read());
      decoder.depth--;
      return object;
    }
    case TAG_REFERENCE: {
      const reference = decoder.host.reference(reader.count());
      decoder.add(reference);
      return reference;
    }
    case TAG_INTRINSIC: {
      const name = reader.string();
      const intrinsic = decoder.intrinsics.values.get(name);
      if (intrinsic === undefined) reader.malformed(`${name}, which this version of Node does not have`);
      decoder.add(intrinsic);
      return intrinsic;
    }
    case TAG_PROTOTYPE_OF:
      return readPrototypeOf(decoder);
    case TAG_IMPORT:
      return readImport(decoder);
    case TAG_FORCE:
      return readForced(decoder);
    case TAG_LATER:
      // A patch sets the slot.
      return undefined;
    case TAG_REGISTERED:
    case TAG_REGISTERED_AGAIN:
      return readRegistered(decoder, tag);
    default:
      return reader.malformed(`tag ${tag}`);
  }
}

/** The instance is made before its class is read: the class may hold the instance. */
function readObjectOfPrototype(decoder: Decoder, later: boolean): object {
  const reader = decoder.reader;
  if (reader.position < reader.end && reader.buffer[reader.position] === TAG_AGAIN) {
    const index = decoder.add(unfinished);
    const prototype = decoder.readObject("a prototype");
    const object = Object.create(prototype) as object;
    decoder.objects[index] = object;
    return contents(decoder, later, index, object, () => decoder.readProperties(object, false));
  }
  const object = {};
  const index = decoder.add(object);
  decoder.enter();
  setPrototype(decoder, object, decoder.read());
  decoder.depth--;
  return contents(decoder, later, index, object, () => decoder.readProperties(object, false));
}

function setPrototype(decoder: Decoder, object: object, prototype: unknown): void {
  if (typeof prototype !== "object" && typeof prototype !== "function")
    decoder.reader.malformed("a prototype that is no object");
  if (!Reflect.setPrototypeOf(object, prototype))
    decoder.reader.malformed("a prototype that leads to itself");
}

function readMap(decoder: Decoder, map: Map<unknown, unknown>): void {
  const count = decoder.reader.countOfThings();
  decoder.enter();
  for (let i = 0; i < count; i++) {
    const key = decoder.read();
    map.set(key, decoder.read());
  }
  decoder.depth--;
}

function readSet(decoder: Decoder, set: Set<unknown>): void {
  const count = decoder.reader.countOfThings();
  decoder.enter();
  for (let i = 0; i < count; i++) set.add(decoder.read());
  decoder.depth--;
}

function readRegExp(decoder: Decoder): RegExp {
  const source = decoder.reader.string();
  const flags = decoder.reader.string();
  const expression = attempt(decoder, "a regular expression", () => new RegExp(source, flags));
  decoder.add(expression);
  decoder.enter();
  expression.lastIndex = decoder.read() as number;
  decoder.depth--;
  return expression;
}

function readUrl(decoder: Decoder): URL {
  const href = decoder.reader.string();
  const url = attempt(decoder, "a URL", () => new URL(href));
  decoder.add(url);
  decoder.add(url.searchParams);
  return url;
}

function readUrlSearchParams(decoder: Decoder): URLSearchParams {
  const reader = decoder.reader;
  const parameters = new URLSearchParams();
  const count = reader.countOfThings();
  for (let i = 0; i < count; i++) {
    const name = reader.string();
    parameters.append(name, reader.string());
  }
  decoder.add(parameters);
  return parameters;
}

function readBoxed(decoder: Decoder): object {
  // The primitive inside takes no index.
  decoder.enter();
  const primitive = decoder.read();
  decoder.depth--;
  if (typeof primitive === "object" || typeof primitive === "function" || primitive === undefined) {
    return decoder.reader.malformed("a boxed value that is no primitive");
  }
  const boxed = Object(primitive) as object;
  decoder.add(boxed);
  return boxed;
}

function readError(decoder: Decoder): Error {
  const error = withoutStack(() => new Error());
  decoder.add(error);
  decoder.enter();
  setPrototype(decoder, error, decoder.read());
  decoder.depth--;
  readStackAndProperties(decoder, error);
  return error;
}

function readDomException(decoder: Decoder): DOMException {
  const message = decoder.reader.string();
  const name = decoder.reader.string();
  const exception = withoutStack(() => new DOMException(message, name));
  decoder.add(exception);
  readStackAndProperties(decoder, exception);
  return exception;
}

function readStackAndProperties(decoder: Decoder, error: Error): void {
  decoder.enter();
  const stack = decoder.read();
  decoder.depth--;
  if (stack === undefined) Reflect.deleteProperty(error, "stack");
  else error.stack = stack as string;
  decoder.readProperties(error, false);
}

/** Making a stack only to replace it would cost more than the rest. */
function withoutStack<T>(make: () => T): T {
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = 0;
  } catch {
    // A program may have frozen Error; the stack is made, then.
  }
  try {
    return make();
  } finally {
    if (Error.stackTraceLimit !== limit) Error.stackTraceLimit = limit;
  }
}

function attempt<T>(decoder: Decoder, what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    return decoder.reader.malformed(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
