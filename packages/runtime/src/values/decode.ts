import { readPreamble, type DecodedBuffers } from "./decode-buffers.ts";
import type { CodeReader } from "./decode-code.ts";
import { readExoticObject } from "./decode-objects.ts";
import { collectIntrinsics, type Intrinsics } from "./intrinsics.ts";
import { readBigint, readSymbol } from "./decode-primitives.ts";
import { CACHED_KEY_MAX, KeyCache } from "./key-cache.ts";
import { ValueReader } from "./reader.ts";
import type { DecodeHost, Encoded } from "./seam.ts";
import {
  CONFIGURABLE,
  ENUMERABLE,
  FROZEN,
  MAX_DEPTH,
  NOT_EXTENSIBLE,
  SEALED,
  SHORT_STRING,
  SMALL_INT,
  TAG_AGAIN,
  TAG_ARRAY,
  TAG_ARRAY_SPARSE,
  TAG_ATTRIBUTES,
  TAG_BIGINT,
  TAG_BIGINT64,
  TAG_DEFERRED,
  TAG_FALSE,
  TAG_FLOAT64,
  TAG_FORCE,
  TAG_HOLE,
  TAG_INT32,
  TAG_IMPORT,
  TAG_INTEGRITY,
  TAG_INTRINSIC,
  TAG_LATER,
  TAG_NULL,
  TAG_OBJECT,
  TAG_OF_PROTOTYPE,
  TAG_PREAMBLE,
  TAG_PROTOTYPE_OF,
  TAG_REFERENCE,
  TAG_SYMBOL_FOR,
  TAG_SYMBOL_WELL_KNOWN,
  TAG_TRUE,
  TAG_UNDEFINED,
  TAG_UTF16,
  TAG_LATIN1,
  TAG_WITH_PROPERTIES,
  WRITABLE,
} from "./tags.ts";
import { unfinished } from "./unfinished.ts";

/** Objects that other values or the program itself hold as well. */
const sharedTags: ReadonlySet<number> = new Set([
  TAG_AGAIN,
  TAG_INTRINSIC,
  TAG_REFERENCE,
  TAG_IMPORT,
  TAG_PROTOTYPE_OF,
  TAG_FORCE,
]);

/** Tags that add something to the object behind them, in the order they are written. */
const additions: readonly number[] = [TAG_INTEGRITY, TAG_OF_PROTOTYPE, TAG_WITH_PROPERTIES];

/** Objects a table keeps its memory for, from value to value. */
const TABLE_KEPT = 64;

/**
 * Reads the value at the reader's position and moves the position behind it.
 * Modules that `requiredModules` names must have been imported.
 * @throws Error ("malformed value …") for bytes that no encoder wrote.
 */
export function readValue(reader: ValueReader, host: DecodeHost): unknown {
  return (reader.decoder ??= new Decoder(reader)).message(host);
}

/** The value that `encode` made. @throws Error ("malformed value …") also for bytes behind the value. */
export function decode(encoded: Encoded, host: DecodeHost): unknown {
  const reader = new ValueReader(encoded.bytes, 0, encoded.bytes.length, encoded.parts);
  const value = readValue(reader, host);
  if (reader.position !== reader.end) reader.malformed(`${reader.end - reader.position} bytes are left over`);
  return value;
}

/** The state of one value being decoded; kept by the reader and used again. */
export class Decoder {
  readonly reader: ValueReader;
  host!: DecodeHost;
  /** Objects by index, in the order their encoding began. */
  objects: unknown[] = [];
  depth = 0;
  buffers: DecodedBuffers | undefined;
  code: CodeReader | undefined;
  /** Containers whose contents come at the end, by index: the reader of the contents. */
  private pending: Map<number, () => void> | undefined;
  private intrinsicsFound: Intrinsics | undefined;
  private integrity: { object: object; level: number }[] | undefined;
  private readonly keys = new KeyCache();

  constructor(reader: ValueReader) {
    this.reader = reader;
  }

  message(host: DecodeHost): unknown {
    const reader = this.reader;
    this.host = host;
    if (reader.position < reader.end) {
      const tag = reader.buffer[reader.position];
      if (tag >= SMALL_INT) {
        reader.position++;
        return tag - SMALL_INT;
      }
      if (tag === TAG_PREAMBLE) readPreamble(this);
    }
    try {
      const value = this.read();
      if (this.pending !== undefined)
        while (this.pending.size > 0) this.readContents(this.reader.count() - 1);
      if (this.integrity !== undefined) this.applyIntegrity();
      return value;
    } finally {
      if (this.objects.length > 0) this.forget();
      this.buffers = undefined;
      this.code = undefined;
      this.depth = 0;
    }
  }

  private forget(): void {
    const objects = this.objects;
    if (objects.length > TABLE_KEPT) this.objects = [];
    else while (objects.length > 0) objects.pop();
    this.pending = undefined;
    this.integrity = undefined;
  }

  /** Reads any value with its tag. */
  read(): unknown {
    const reader = this.reader;
    if (reader.position >= reader.end) reader.malformed("it ends too early");
    const tag = reader.buffer[reader.position++];
    if (tag >= SMALL_INT) return tag - SMALL_INT;
    if (tag >= SHORT_STRING) return reader.shortString(tag - SHORT_STRING);
    switch (tag) {
      case TAG_UNDEFINED:
        return undefined;
      case TAG_NULL:
        return null;
      case TAG_FALSE:
        return false;
      case TAG_TRUE:
        return true;
      case TAG_INT32: {
        reader.need(4);
        const value = reader.view.getInt32(reader.position, true);
        reader.position += 4;
        return value;
      }
      case TAG_FLOAT64: {
        reader.need(8);
        const value = reader.view.getFloat64(reader.position, true);
        reader.position += 8;
        return value;
      }
      case TAG_OBJECT: {
        const object = {};
        this.objects.push(object);
        this.readProperties(object, true);
        return object;
      }
      case TAG_ARRAY: {
        const array: unknown[] = [];
        this.objects.push(array);
        this.readElements(array);
        return array;
      }
      case TAG_AGAIN:
        return this.readAgain();
      default:
        return this.readRare(tag);
    }
  }

  private readRare(tag: number): unknown {
    const reader = this.reader;
    if (tag <= TAG_UTF16 && tag >= TAG_LATIN1) return reader.longString(tag);
    switch (tag) {
      case TAG_BIGINT64: {
        reader.need(8);
        const value = reader.view.getBigInt64(reader.position, true);
        reader.position += 8;
        return value;
      }
      case TAG_BIGINT:
        return readBigint(reader);
      case TAG_SYMBOL_FOR:
      case TAG_SYMBOL_WELL_KNOWN:
        return readSymbol(this.reader, tag);
      case TAG_ARRAY_SPARSE: {
        const array: unknown[] = [];
        this.objects.push(array);
        this.readSparseElements(array);
        return array;
      }
      case TAG_DEFERRED:
        return readExoticObject(this, reader.byte(), true);
      case TAG_INTEGRITY:
        return this.readIntegrity();
      default:
        return readExoticObject(this, tag, false);
    }
  }

  /** Reads an object. @throws Error when it is none. */
  readObject(what: string): object {
    const value = this.read();
    if ((typeof value !== "object" && typeof value !== "function") || value === null)
      this.reader.malformed(`${what} expected`);
    return value;
  }

  /**
   * Reads the object behind a tag that adds to it. It has to be one that this value makes: nothing
   * else may be given properties, a prototype or integrity. Such tags have one order, so that they do not nest.
   */
  readFreshObject(addition: number): object {
    const reader = this.reader;
    const tag = reader.position < reader.end ? reader.buffer[reader.position] : TAG_UNDEFINED;
    if (sharedTags.has(tag))
      reader.malformed("an object of this value expected, not one that exists already");
    const rank = additions.indexOf(tag);
    if (rank >= 0 && rank <= additions.indexOf(addition)) reader.malformed(`tag ${tag} behind ${addition}`);
    return this.readObject("an object");
  }

  private readAgain(): unknown {
    const index = this.reader.count();
    if (index >= this.objects.length) this.reader.malformed(`object ${index} of ${this.objects.length}`);
    const value = this.objects[index];
    if (value === unfinished) this.reader.malformed(`object ${index} is used before it is complete`);
    return value;
  }

  /** An object by its index, as patches name it. */
  readObjectByIndex(): unknown {
    return this.readAgain();
  }

  /** True when the next slot is set by a patch; the mark is then behind the reader. */
  takeLater(): boolean {
    const reader = this.reader;
    if (reader.position >= reader.end || reader.buffer[reader.position] !== TAG_LATER) return false;
    reader.position++;
    return true;
  }

  /** What every realm has, by name. */
  get intrinsics(): Intrinsics {
    return (this.intrinsicsFound ??= collectIntrinsics());
  }

  /** Gives the next index to an object. */
  add(object: unknown): number {
    return this.objects.push(object) - 1;
  }

  enter(): void {
    if (++this.depth > MAX_DEPTH) this.reader.malformed(`nested more than ${MAX_DEPTH} deep`);
  }

  /** Contents of an array. */
  readElements(array: unknown[]): void {
    const reader = this.reader;
    const length = reader.countOfThings();
    this.enter();
    for (let i = 0; i < length; i++) {
      const tag = reader.position < reader.end ? reader.buffer[reader.position] : TAG_UNDEFINED;
      if (tag === TAG_FLOAT64) {
        // Here and not in `read`, so that the number goes into the array without an object around it.
        reader.position++;
        array.push(reader.float64());
      } else if (tag === TAG_HOLE) {
        reader.position++;
        array.length = i + 1;
      } else array.push(this.read());
    }
    this.depth--;
  }

  readSparseElements(array: unknown[]): void {
    const reader = this.reader;
    const length = reader.count();
    const count = reader.countOfThings();
    if (length > 2 ** 32 - 1) reader.malformed(`an array of length ${length}`);
    // So long that V8 keeps the elements in a dictionary; the real length then costs no memory either.
    array.length = 2 ** 32 - 1;
    array.length = length;
    this.enter();
    for (let i = 0; i < count; i++) {
      const at = reader.count();
      if (at >= length) reader.malformed(`element ${at} of an array of length ${length}`);
      array[at] = this.read();
    }
    this.depth--;
  }

  /** Properties, defined on `object` in order. @param bare true when nothing it has or inherits could take an assignment. */
  readProperties(object: object, bare: boolean): void {
    const reader = this.reader;
    const count = reader.countOfThings();
    this.enter();
    for (let i = 0; i < count; i++) {
      const tag = reader.byte();
      const length = tag - SHORT_STRING;
      if (length >= 0 && length <= CACHED_KEY_MAX) {
        const key = this.keys.read(reader, length);
        if (bare ? key !== "__proto__" : !(key in object)) {
          (object as Record<string, unknown>)[key] = this.read();
          continue;
        }
        this.define(object, key, WRITABLE | ENUMERABLE | CONFIGURABLE);
      } else if (tag === TAG_ATTRIBUTES) {
        const attributes = reader.byte();
        if (attributes > 7) reader.malformed(`property attributes ${attributes}`);
        this.define(object, this.readAnyKey(reader.byte()), attributes);
      } else this.define(object, this.readAnyKey(tag), WRITABLE | ENUMERABLE | CONFIGURABLE);
    }
    this.depth--;
  }

  private define(object: object, key: string | symbol, attributes: number): void {
    const reader = this.reader;
    // A slot that a patch sets later has to stay open until then; the patch knows the attributes.
    const later = this.takeLater();
    const value = later ? undefined : this.read();
    if (later) {
      this.code?.late.push({
        object,
        key,
        writable: (attributes & WRITABLE) !== 0,
        configurable: (attributes & CONFIGURABLE) !== 0,
      });
    }
    const defined = Reflect.defineProperty(object, key, {
      value,
      writable: (attributes & WRITABLE) !== 0,
      enumerable: (attributes & ENUMERABLE) !== 0,
      configurable: later || (attributes & CONFIGURABLE) !== 0,
    });
    if (!defined) reader.malformed(`property ${String(key)} cannot be defined`);
  }

  private readAnyKey(tag: number): string | symbol {
    const length = tag - SHORT_STRING;
    if (length >= 0 && tag < SMALL_INT) return this.reader.shortString(length);
    if (tag === TAG_SYMBOL_FOR || tag === TAG_SYMBOL_WELL_KNOWN) return readSymbol(this.reader, tag);
    return this.reader.longString(tag);
  }

  private readIntegrity(): object {
    const level = this.reader.byte();
    if (level < NOT_EXTENSIBLE || level > FROZEN) this.reader.malformed(`integrity level ${level}`);
    const object = this.readFreshObject(TAG_INTEGRITY);
    (this.integrity ??= []).push({ object, level });
    return object;
  }

  /** Last of all: contents that came late could not be set on a frozen object. */
  private applyIntegrity(): void {
    for (const { object, level } of this.integrity ?? []) {
      if (ArrayBuffer.isView(object) && level !== NOT_EXTENSIBLE)
        this.reader.malformed("a frozen typed array");
      if (level === FROZEN) Object.freeze(object);
      else if (level === SEALED) Object.seal(object);
      else Object.preventExtensions(object);
    }
  }

  /** Notes that the contents of object `index` come later. */
  deferContents(index: number, contents: () => void): void {
    (this.pending ??= new Map()).set(index, contents);
  }

  private readContents(index: number): void {
    const contents = this.pending?.get(index);
    if (contents === undefined)
      return this.reader.malformed(`contents for object ${index}, which waits for none`);
    this.pending?.delete(index);
    contents();
  }

  /** Contents that were deferred within something that must be complete now, ended by a zero. */
  readDeferredSection(): void {
    for (let next = this.reader.count(); next !== 0; next = this.reader.count()) this.readContents(next - 1);
  }
}
