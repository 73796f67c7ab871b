import { writeArrayBuffer, writeView } from "./encode-buffers.ts";
import { writePrototypeOf } from "./encode-code.ts";
import { writeInstanceOfRegisteredType } from "./encode-registered.ts";
import {
  writeDate,
  writeDomException,
  writeError,
  writeMap,
  writeRegExp,
  writeSet,
  writeUrl,
  writeUrlSearchParams,
  writeBoxed,
} from "./encode-builtins.ts";
import { writeIntrinsic, writeReference } from "./encode-named.ts";
import type { Encoder } from "./encode.ts";
import { extraKeys, hasOnlyElements } from "./extra-keys.ts";
import { prototypeOwner } from "./instances.ts";
import { kindOf, naturalPrototypes, type BuiltinKind } from "./kinds.ts";
import { Place } from "./path.ts";
import { refusedKind } from "./refused.ts";
import { typeOfPrototype } from "./registry.ts";
import { travelsByReference } from "./seam.ts";
import {
  DEFER_DEPTH,
  TAG_OBJECT,
  TAG_OBJECT_OF_PROTOTYPE,
  TAG_OF_PROTOTYPE,
  TAG_WITH_PROPERTIES,
} from "./tags.ts";

/** Writes an object that is neither an ordinary plain object nor an ordinary array. */
export function writeExoticObject(
  encoder: Encoder,
  value: object,
  prototype: object | null,
  index: number,
): void {
  if (prototype !== null) {
    if (travelsByReference in value) return writeReference(encoder, value);
    const type = typeOfPrototype(prototype);
    if (type !== undefined) return writeInstanceOfRegisteredType(encoder, value, type);
  }
  const kind = kindOf(value);
  // Some built-in prototypes (Array.prototype) are of the kind they stand for.
  if (kind !== undefined && (kind === "Error" || prototype === naturalPrototypes[kind](value))) {
    return writeBuiltin(encoder, kind, value, index);
  }
  const intrinsic = encoder.intrinsics.names.get(value);
  if (intrinsic !== undefined) return writeIntrinsic(encoder, intrinsic);
  if (kind !== undefined) return writeBuiltinOfPrototype(encoder, kind, value, prototype, index);
  const reason = refusedKind(value);
  if (reason !== undefined) encoder.refuse(reason);
  const owner = prototypeOwner(value);
  if (owner !== undefined) return writePrototypeOf(encoder, owner);
  writeOrdinary(encoder, value, prototype, index);
}

/** An object without internal slots: a class instance, an object made from another, or one with unusual properties. */
function writeOrdinary(encoder: Encoder, value: object, prototype: object | null, index: number): void {
  const ownKeys = Reflect.ownKeys(value);
  const plain = prototype === Object.prototype;
  const tag = plain ? TAG_OBJECT : TAG_OBJECT_OF_PROTOTYPE;
  const owner = prototype === null || plain ? undefined : prototypeOwner(prototype);
  if (owner !== undefined) {
    const reason = encoder.instanceRefusal(owner, false);
    if (reason !== undefined) encoder.refuse(reason);
  }
  if (!Object.isExtensible(value)) encoder.integrity(value);
  const writePrototype = (): void =>
    plain ? undefined : encoder.inPlace(index, prototypePlace, () => encoder.write(prototype));
  if (encoder.depth >= DEFER_DEPTH) {
    return encoder.deferral.defer(
      tag,
      index,
      () => encoder.properties(value, ownKeys, index),
      writePrototype,
    );
  }
  encoder.writer.byte(tag);
  writePrototype();
  encoder.properties(value, ownKeys, index);
}

const prototypePlace = new Place("(prototype)");

function writeBuiltin(encoder: Encoder, kind: BuiltinKind, value: object, index: number): void {
  if (!Object.isExtensible(value)) encoder.integrity(value);
  writers[kind](encoder, value as never, index);
}

/** A built-in kind with another prototype: an instance of a class that extends Map, Array … */
function writeBuiltinOfPrototype(
  encoder: Encoder,
  kind: BuiltinKind,
  value: object,
  prototype: object | null,
  index: number,
): void {
  const owner = prototype === null ? undefined : prototypeOwner(prototype);
  const reason = owner === undefined ? undefined : encoder.instanceRefusal(owner, true);
  if (reason !== undefined) encoder.refuse(reason);
  if (!Object.isExtensible(value)) encoder.integrity(value);
  encoder.writer.byte(TAG_OF_PROTOTYPE);
  writers[kind](encoder, value as never, index);
  encoder.inPlace(index, prototypePlace, () => encoder.write(prototype));
}

/** Writes the properties that an object has besides what its kind implies; the tag before it says so. */
function withProperties(
  encoder: Encoder,
  value: object,
  keys: readonly (string | symbol)[],
  index: number,
  write: () => void,
): void {
  if (keys.length === 0) return write();
  encoder.writer.byte(TAG_WITH_PROPERTIES);
  write();
  encoder.properties(value, keys, index);
}

type Write = (encoder: Encoder, value: never, index: number) => void;

const withOwnKeys =
  (write: (encoder: Encoder, value: never, index: number) => void): Write =>
  (encoder, value, index) =>
    withProperties(encoder, value, Reflect.ownKeys(value), index, () => write(encoder, value, index));

const writers: Readonly<Record<BuiltinKind, Write>> = {
  Array: (encoder, value: unknown[], index) =>
    withProperties(encoder, value, hasOnlyElements(value) ? [] : extraKeys(value), index, () =>
      encoder.elements(value, index),
    ),
  ArrayBuffer: writeArrayBuffer,
  Boxed: (encoder, value: object, index) => {
    // A boxed string's characters and length are what it is, not properties it was given.
    const keys = Reflect.ownKeys(value);
    const implied = keys.indexOf("length") + 1;
    withProperties(encoder, value, value instanceof String ? keys.slice(implied) : keys, index, () =>
      writeBoxed(encoder, value),
    );
  },
  DOMException: writeDomException,
  Date: withOwnKeys(writeDate),
  Error: writeError,
  Map: withOwnKeys(writeMap),
  RegExp: (encoder, value: RegExp, index) =>
    withProperties(
      encoder,
      value,
      Reflect.ownKeys(value).filter((key) => key !== "lastIndex"),
      index,
      () => writeRegExp(encoder, value, index),
    ),
  Set: withOwnKeys(writeSet),
  URL: withOwnKeys(writeUrl),
  URLSearchParams: withOwnKeys(writeUrlSearchParams),
  View: writeView,
};
