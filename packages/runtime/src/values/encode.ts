import { types } from "node:util";
import { CannotTravelError } from "@iono/core";
import { Deferral } from "./deferral.ts";
import { insertPreamble } from "./encode-buffers.ts";
import type { BufferTable } from "./buffer-table.ts";
import { writeFunction, type CodeTable } from "./encode-code.ts";
import { writeProxy } from "./encode-named.ts";
import { writeExoticObject } from "./encode-objects.ts";
import { writeBigint, writeSymbol } from "./encode-primitives.ts";
import { extraKeys, hasOnlyElements } from "./extra-keys.ts";
import { instanceRefusal } from "./instances.ts";
import { collectIntrinsics, type Intrinsics } from "./intrinsics.ts";
import { ObjectTable } from "./object-table.ts";
import type { EncodeHost, Encoded } from "./seam.ts";
import {
  CONFIGURABLE,
  DEFER_DEPTH,
  ENUMERABLE,
  FROZEN,
  MAX_DEPTH,
  NOT_EXTENSIBLE,
  SEALED,
  TAG_AGAIN,
  TAG_ARRAY,
  TAG_ARRAY_SPARSE,
  TAG_ATTRIBUTES,
  TAG_FALSE,
  TAG_HOLE,
  TAG_INTEGRITY,
  TAG_NULL,
  TAG_OBJECT,
  TAG_TRUE,
  TAG_UNDEFINED,
  TAG_WITH_PROPERTIES,
  WRITABLE,
} from "./tags.ts";
import { ValueWriter } from "./writer.ts";

const { isProxy } = types;
const {
  getOwnPropertyDescriptor,
  getOwnPropertyNames,
  getOwnPropertySymbols,
  getPrototypeOf,
  isExtensible,
  keys: enumerableKeys,
} = Object;
const noPath: readonly string[] = [];

/** Nesting for which memory is kept from value to value. */
const STEPS_KEPT = 16;
/** A path longer than this is shortened in the middle. */
const PATH_MAX = 48;

/**
 * Appends one value, complete in itself, at `writer.position`.
 * @param path where the value stands, outermost first; only for errors.
 * @throws CannotTravelError naming the path. The writer is then as it was before.
 */
export function writeValue(
  writer: ValueWriter,
  value: unknown,
  host: EncodeHost,
  path: readonly string[] = noPath,
): void {
  switch (typeof value) {
    case "number":
      return writer.number(value);
    case "string":
      return writer.string(value);
    case "undefined":
      return writer.byte(TAG_UNDEFINED);
    case "boolean":
      return writer.byte(value ? TAG_TRUE : TAG_FALSE);
    default:
      if (value === null) return writer.byte(TAG_NULL);
      (writer.encoder ??= new Encoder(writer)).message(value, host, path);
  }
}

/**
 * One value, encoded by itself.
 * @throws CannotTravelError naming the path.
 */
export function encode(value: unknown, host: EncodeHost, options?: { path?: readonly string[] }): Encoded {
  const writer = new ValueWriter(256);
  writeValue(writer, value, host, options?.path);
  return writer.take();
}

/** Between values: a host keeps the refs and handles that it met. */
const noHost: EncodeHost = { reference: outsideOfValue, image: outsideOfValue, knows: outsideOfValue };

function outsideOfValue(): never {
  throw new Error("nothing is being encoded");
}

/** The state of one value being encoded; kept by the writer and used again. */
export class Encoder {
  readonly writer: ValueWriter;
  host: EncodeHost = noHost;
  readonly objects = new ObjectTable();
  /** Raw buffers of this value; created when the first is met. */
  buffers: BufferTable | undefined;
  /** Functions, imports and registered types of this value; created when the first is met. */
  code: CodeTable | undefined;
  depth = 0;
  /** steps[d]: the element or property being written in the container at depth d. */
  readonly steps: unknown[] = [undefined];
  /** owners[d]: index of the container at depth d. */
  readonly owners: number[] = [-1];
  readonly deferral: Deferral;
  private path: readonly string[] = noPath;
  private intrinsicsFound: Intrinsics | undefined;
  /** Classes judged before: ordinary instances, instances of built-in kinds. "" = they travel. */
  private readonly verdicts = [new WeakMap<Function, string>(), new WeakMap<Function, string>()] as const;

  constructor(writer: ValueWriter) {
    this.writer = writer;
    this.deferral = new Deferral(this);
  }

  message(value: unknown, host: EncodeHost, path: readonly string[]): void {
    const writer = this.writer;
    const start = writer.position;
    const partsBefore = writer.parts.length;
    this.host = host;
    this.path = path;
    let complete = false;
    try {
      this.write(value);
      if (this.deferral.waiting > 0) this.deferral.write(0);
      if (this.buffers !== undefined || this.code !== undefined) insertPreamble(this, start);
      complete = true;
    } finally {
      if (!complete) {
        writer.position = start;
        writer.parts.length = partsBefore;
      }
      this.forget();
    }
  }

  /** Lets go of the user's objects. */
  private forget(): void {
    this.host = noHost;
    this.objects.clear();
    this.depth = 0;
    this.buffers = undefined;
    this.code = undefined;
    this.deferral.clear();
    if (this.steps.length > STEPS_KEPT) {
      this.steps.length = 1;
      this.owners.length = 1;
    } else {
      for (let i = 0; i < this.steps.length; i++) this.steps[i] = undefined;
    }
  }

  /** Writes any value with its tag. */
  write(value: unknown): void {
    const writer = this.writer;
    switch (typeof value) {
      case "number":
        return writer.number(value);
      case "string":
        return writer.string(value);
      case "undefined":
        return writer.byte(TAG_UNDEFINED);
      case "boolean":
        return writer.byte(value ? TAG_TRUE : TAG_FALSE);
      case "object":
        if (value === null) return writer.byte(TAG_NULL);
        return this.object(value);
      case "function":
        return writeFunction(this, value);
      case "bigint":
        return writeBigint(writer, value);
      case "symbol":
        return writeSymbol(this, value);
    }
  }

  private object(value: object): void {
    const before = this.objects.remember(value);
    if (before >= 0) return this.again(value, before);
    const index = this.objects.latestIndex();
    if (isProxy(value)) return writeProxy(this, value);
    const prototype = getPrototypeOf(value);
    if (prototype === Object.prototype) return this.plainObject(value, index);
    if (prototype === Array.prototype && Array.isArray(value)) return this.array(value, index);
    writeExoticObject(this, value, prototype, index);
  }

  /** Writes an object met before. */
  again(value: object, index: number): void {
    if (this.code !== undefined && this.code.unpacking.size > 0) {
      if (this.code.unpacking.has(value))
        this.refuse("what the encode() of a registered type returns leads back to the instance itself");
      this.deferral.hasten(index);
    }
    this.writer.byte(TAG_AGAIN);
    this.writer.count(index);
  }

  private plainObject(value: object, index: number): void {
    const keys = enumerableKeys(value);
    if (
      isExtensible(value) &&
      getOwnPropertyNames(value).length === keys.length &&
      getOwnPropertySymbols(value).length === 0
    ) {
      if (this.depth >= DEFER_DEPTH)
        return this.deferral.defer(TAG_OBJECT, index, () => this.properties(value, keys, index));
      this.writer.byte(TAG_OBJECT);
      return this.properties(value, keys, index);
    }
    writeExoticObject(this, value, Object.prototype, index);
  }

  /** Writes own properties with these keys; what is not an ordinary data property is marked or refused. */
  properties(value: object, keys: readonly (string | symbol)[], index: number): void {
    const writer = this.writer;
    const depth = this.enter(index);
    writer.count(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      this.steps[depth] = key;
      const property = getOwnPropertyDescriptor(value, key);
      if (property === undefined) this.refuse("the property went away while the object was being encoded");
      if (!(property.writable && property.enumerable && property.configurable)) this.attributes(property);
      if (typeof key === "string") writer.string(key);
      else writeSymbol(this, key);
      this.write(property.value);
    }
    this.depth = depth - 1;
  }

  private attributes(property: PropertyDescriptor): void {
    if (property.get !== undefined || property.set !== undefined || !("value" in property)) {
      this.refuse(
        "a property with a getter or setter cannot travel; give it a plain value, or use registerType",
      );
    }
    this.writer.byte(TAG_ATTRIBUTES);
    this.writer.byte(
      (property.writable ? WRITABLE : 0) |
        (property.enumerable ? ENUMERABLE : 0) |
        (property.configurable ? CONFIGURABLE : 0),
    );
  }

  private array(value: unknown[], index: number): void {
    if (!isExtensible(value)) this.integrity(value);
    if (hasOnlyElements(value)) return this.elements(value, index);
    this.writer.byte(TAG_WITH_PROPERTIES);
    this.elements(value, index);
    this.properties(value, extraKeys(value), index);
  }

  /** Elements and length of an array, with its tag. */
  elements(value: readonly unknown[], index: number): void {
    const sparse = isSparse(value);
    const tag = sparse ? TAG_ARRAY_SPARSE : TAG_ARRAY;
    if (this.depth >= DEFER_DEPTH) {
      return this.deferral.defer(tag, index, () =>
        sparse ? this.sparseElements(value, index) : this.denseElements(value, index),
      );
    }
    this.writer.byte(tag);
    if (sparse) this.sparseElements(value, index);
    else this.denseElements(value, index);
  }

  private denseElements(value: readonly unknown[], index: number): void {
    const writer = this.writer;
    const length = value.length;
    const depth = this.enter(index);
    writer.count(length);
    for (let i = 0; i < length; i++) {
      const element = value[i];
      if (typeof element === "number") {
        writer.number(element);
        continue;
      }
      this.steps[depth] = i;
      if (element === undefined && !Object.hasOwn(value, i)) writer.byte(TAG_HOLE);
      else this.write(element);
    }
    this.depth = depth - 1;
  }

  private sparseElements(value: readonly unknown[], index: number): void {
    const writer = this.writer;
    const depth = this.enter(index);
    const present = Reflect.ownKeys(value);
    const count = present.indexOf("length");
    writer.count(value.length);
    writer.count(count);
    for (let i = 0; i < count; i++) {
      const at = Number(present[i]);
      this.steps[depth] = at;
      writer.count(at);
      this.write(value[at]);
    }
    this.depth = depth - 1;
  }

  /** Notes that the object about to be written is frozen, sealed or closed to new properties. */
  integrity(value: object): void {
    this.writer.byte(TAG_INTEGRITY);
    // The elements of a typed array cannot be frozen, whatever isFrozen says; its own properties carry their attributes.
    if (ArrayBuffer.isView(value)) return this.writer.byte(NOT_EXTENSIBLE);
    this.writer.byte(Object.isFrozen(value) ? FROZEN : Object.isSealed(value) ? SEALED : NOT_EXTENSIBLE);
  }

  /** Steps into the container with this index. @returns the depth its steps are noted at; leaving sets `depth` to one less. */
  enter(index: number): number {
    const depth = ++this.depth;
    if (depth > MAX_DEPTH) {
      this.depth = depth - 1;
      this.refuse(`errors, classes or registered types nested more than ${MAX_DEPTH} deep cannot travel`);
    }
    this.owners[depth] = index;
    return depth;
  }

  /** Runs `write` for something at one place within the object with this index. */
  inPlace(index: number, step: unknown, write: () => void): void {
    const depth = this.enter(index);
    this.steps[depth] = step;
    write();
    this.depth = depth - 1;
  }

  /** What every realm has, by identity. */
  get intrinsics(): Intrinsics {
    return (this.intrinsicsFound ??= collectIntrinsics());
  }

  /** Why an instance of this class cannot be taken apart; see instances.ts. */
  instanceRefusal(owner: Function, builtin: boolean): string | undefined {
    const verdicts = this.verdicts[builtin ? 1 : 0];
    let verdict = verdicts.get(owner);
    if (verdict === undefined) verdicts.set(owner, (verdict = instanceRefusal(owner, builtin) ?? ""));
    return verdict === "" ? undefined : verdict;
  }

  /** The path to where the encoder stands, shortened in the middle when it is very long. */
  here(): string[] {
    const segments = [...this.path];
    this.deferral.appendPath(segments);
    if (segments.length <= PATH_MAX) return segments;
    const half = PATH_MAX / 2;
    return [...segments.slice(0, half), `(${segments.length - PATH_MAX} more)`, ...segments.slice(-half)];
  }

  refuse(reason: string, options?: { cause?: unknown }): never {
    throw new CannotTravelError(this.here(), reason, options);
  }
}

/** True when listing the elements that exist is shorter than going through all of them. */
function isSparse(value: readonly unknown[]): boolean {
  const length = value.length;
  if (length <= 64) return false;
  const stride = length / 64;
  let found = 0;
  for (let i = 0; i < 64; i++) if (Object.hasOwn(value, Math.floor(i * stride))) found++;
  return found <= 32;
}
