import type { Decoder } from "./decode.ts";
import { UNIT_COMPILED, UNIT_NAMED, UNIT_SLOPPY, unitKinds } from "./encode-code.ts";
import type { ValueReader } from "./reader.ts";
import { adoptType, type RegisteredType } from "./registry.ts";
import type { CodeUnit, PendingFunction } from "./seam.ts";
import {
  PATCH_BINDING,
  PATCH_MAP_VALUE,
  PATCH_PROPERTY,
  TAG_CODE,
  TAG_CODE_AGAIN,
  TAG_IMPORT_BINDING,
  TAG_REGISTERED_AGAIN,
} from "./tags.ts";
import { unfinished } from "./unfinished.ts";

/** Functions and registered types of the value being decoded. */
export class CodeReader {
  readonly units: CodeUnit[] = [];
  /** Undefined while the type itself is being read. */
  readonly types: (RegisteredType | undefined)[] = [];
  /** Classes and methods whose bindings are being read, by index. */
  readonly opening = new Map<number, PendingFunction>();
  /** Every function opened, by index: patches set bindings of finished ones. */
  readonly functions = new Map<number, PendingFunction>();
  /** Properties that wait for a patch and are not ordinary. */
  readonly late: {
    readonly object: object;
    readonly key: string | symbol;
    readonly writable: boolean;
    readonly configurable: boolean;
  }[] = [];
}

function codeOf(decoder: Decoder): CodeReader {
  return (decoder.code ??= new CodeReader());
}

/** Reads a function, method or class behind its tag. */
export function readCode(decoder: Decoder, tag: number, later: boolean): Function {
  const code = codeOf(decoder);
  const unit = readUnit(decoder, code, tag);
  const origin = decoder.reader.string();
  const pending = decoder.host.instantiate(unit, origin === "" ? undefined : origin);
  if (unit.kind !== "function") {
    if (later) decoder.reader.malformed("a class cannot be deferred");
    return readBuilt(decoder, code, unit, pending);
  }
  const fn = pending.value();
  const index = decoder.add(fn);
  code.functions.set(index, pending);
  const contents = (): void => {
    readBindings(decoder, unit, pending);
    readFunctionProperties(decoder, fn, unit, pending);
  };
  if (later) decoder.deferContents(index, contents);
  else contents();
  return fn;
}

function readUnit(decoder: Decoder, code: CodeReader, tag: number): CodeUnit {
  const reader = decoder.reader;
  if (tag === TAG_CODE_AGAIN) {
    const number = reader.count();
    return code.units[number] ?? reader.malformed(`code unit ${number} of ${code.units.length}`);
  }
  const id = reader.string();
  const unit = tag === TAG_CODE ? readNewUnit(decoder, id) : decoder.host.unit(id);
  code.units.push(unit);
  return unit;
}

function readNewUnit(decoder: Decoder, id: string): CodeUnit {
  const reader = decoder.reader;
  const url = reader.string();
  const line = reader.count();
  const column = reader.count();
  const kind = unitKinds[reader.byte()];
  if (kind === undefined) reader.malformed("an unknown kind of code");
  const source = reader.string();
  const count = reader.countOfThings();
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(reader.string());
  const flags = reader.byte();
  const name = (flags & UNIT_NAMED) === 0 ? undefined : reader.string();
  const entryPlace =
    (flags & UNIT_COMPILED) === 0 ? undefined : { line: reader.count(), column: reader.count() };
  const unit = { id, url, line, column, kind, source, names };
  return {
    ...unit,
    ...(name === undefined ? {} : { name }),
    ...(entryPlace === undefined ? {} : { entryPlace }),
    ...((flags & UNIT_SLOPPY) === 0 ? {} : { sloppy: true }),
  };
}

/** A class or method: its value exists when its bindings do, or earlier when something asks for it. */
function readBuilt(decoder: Decoder, code: CodeReader, unit: CodeUnit, pending: PendingFunction): Function {
  const index = decoder.add(unfinished);
  code.opening.set(index, pending);
  code.functions.set(index, pending);
  readBindings(decoder, unit, pending);
  decoder.readDeferredSection();
  code.opening.delete(index);
  if (decoder.objects[index] === unfinished) decoder.objects[index] = pending.value();
  if (code.opening.size === 0) readPatches(decoder, code);
  const fn = decoder.objects[index] as Function;
  readFunctionProperties(decoder, fn, unit, pending);
  return fn;
}

/** A class that is needed while its own bindings are still being read; its superclass may have to come first. */
export function readForced(decoder: Decoder): Function {
  const reader: ValueReader = decoder.reader;
  const count = reader.countOfThings();
  let latest: Function | undefined;
  for (let i = 0; i < count; i++) {
    const index = reader.count();
    const superclass = reader.count() - 1;
    const pending = decoder.code?.opening.get(index);
    if (pending === undefined) reader.malformed(`object ${index} is not being built`);
    if (superclass >= 0) pending.set(superclass, latest);
    if (decoder.objects[index] === unfinished) decoder.objects[index] = pending.value();
    latest = decoder.objects[index] as Function;
  }
  return latest ?? reader.malformed("nothing to finish early");
}

function readPatches(decoder: Decoder, code: CodeReader): void {
  const reader: ValueReader = decoder.reader;
  const count = reader.countOfThings();
  for (let i = 0; i < count; i++) {
    const kind = reader.byte();
    const ownerIndex = reader.count();
    const owner = decoder.objects[ownerIndex];
    if (kind === PATCH_BINDING) {
      const number = reader.count();
      const pending = code.functions.get(ownerIndex);
      if (pending === undefined) reader.malformed(`object ${ownerIndex} is no function`);
      pending.set(number, decoder.readObjectByIndex());
    } else if (kind === PATCH_MAP_VALUE) {
      const entry = reader.count();
      if (!(owner instanceof Map) || entry >= owner.size) reader.malformed("a patch for a Map that is none");
      owner.set([...owner.keys()][entry], decoder.readObjectByIndex());
    } else if (kind === PATCH_PROPERTY) {
      if ((typeof owner !== "object" && typeof owner !== "function") || owner === null)
        reader.malformed("a patch for no object");
      const key = decoder.read();
      if (typeof key !== "string" && typeof key !== "number" && typeof key !== "symbol")
        reader.malformed("a patch for no property");
      const value = decoder.readObjectByIndex();
      if (code.functions.get(ownerIndex)?.isKnown !== true) patchProperty(decoder, code, owner, key, value);
    } else reader.malformed(`patch ${kind}`);
  }
}

function patchProperty(
  decoder: Decoder,
  code: CodeReader,
  owner: object,
  key: string | number | symbol,
  value: unknown,
): void {
  const late = code.late.find((slot) => slot.object === owner && slot.key === key);
  const attributes = late === undefined ? {} : { writable: late.writable, configurable: late.configurable };
  if (!Object.hasOwn(owner, key) || !Reflect.defineProperty(owner, key, { value, ...attributes })) {
    decoder.reader.malformed(`a patch for property ${String(key)}`);
  }
}

function readBindings(decoder: Decoder, unit: CodeUnit, pending: PendingFunction): void {
  const reader = decoder.reader;
  decoder.enter();
  for (let i = 0; i < unit.names.length; i++) {
    const number = reader.count();
    if (number >= unit.names.length) reader.malformed(`binding ${number} of ${unit.names.length}`);
    // A binding that a patch sets stays unset until then.
    if (reader.position < reader.end && reader.buffer[reader.position] === TAG_IMPORT_BINDING) {
      reader.position++;
      pending.set(number, readExport(decoder));
    } else if (!decoder.takeLater()) pending.set(number, decoder.read());
  }
  decoder.depth--;
}

function readFunctionProperties(
  decoder: Decoder,
  fn: Function,
  unit: CodeUnit,
  pending: PendingFunction,
): void {
  // One that this process has already keeps what it has: the properties are read and dropped.
  const target = pending.isKnown === true ? function known() {} : fn;
  decoder.readProperties(target, false);
  if (unit.kind !== "function") return;
  const extended = decoder.reader.byte();
  if (extended === 0) return;
  const prototype: unknown = Object.getOwnPropertyDescriptor(target, "prototype")?.value;
  if (typeof prototype !== "object" || prototype === null)
    return decoder.reader.malformed("a function without a prototype");
  decoder.enter();
  const parent = decoder.read();
  if (typeof parent !== "object" || !Reflect.setPrototypeOf(prototype, parent))
    decoder.reader.malformed("a prototype");
  decoder.readProperties(prototype, false);
  decoder.depth--;
}

/** Reads an imported function or class. */
export function readImport(decoder: Decoder): unknown {
  const value = readExport(decoder);
  decoder.add(value);
  return value;
}

function readExport(decoder: Decoder): unknown {
  const reader = decoder.reader;
  const number = reader.count();
  const url = decoder.buffers?.modules[number];
  if (url === undefined) return reader.malformed(`module ${number}, which was not named`);
  const name = reader.string();
  const namespace = decoder.host.module(url);
  if (name === "*") return namespace;
  if (!(name in namespace))
    throw new Error(
      `${url} has no export ${JSON.stringify(name)} here; the same version of the module is needed on both sides`,
    );
  return namespace[name];
}

/** Reads the prototype object of a class. */
export function readPrototypeOf(decoder: Decoder): object {
  const index = decoder.add(unfinished);
  decoder.enter();
  const owner = decoder.read();
  decoder.depth--;
  const prototype: unknown = typeof owner === "function" ? owner.prototype : undefined;
  if (typeof prototype !== "object" || prototype === null)
    return decoder.reader.malformed("the prototype of something that is no class");
  decoder.objects[index] = prototype;
  return prototype;
}

/** Reads an instance of a registered type. */
export function readRegistered(decoder: Decoder, tag: number): unknown {
  const reader = decoder.reader;
  const code = codeOf(decoder);
  const index = decoder.add(unfinished);
  decoder.enter();
  let type: RegisteredType;
  if (tag === TAG_REGISTERED_AGAIN) {
    const number = reader.count();
    type = code.types[number] ?? reader.malformed(`registered type ${number} of ${code.types.length}`);
  } else type = readType(decoder, code);
  const data = decoder.read();
  decoder.readDeferredSection();
  decoder.depth--;
  const value = type.decode(data);
  decoder.objects[index] = value;
  return value;
}

function readType(decoder: Decoder, code: CodeReader): RegisteredType {
  const name = decoder.reader.string();
  const place = code.types.push(undefined) - 1;
  const [Class, encode, decode] = [decoder.read(), decoder.read(), decoder.read()];
  if (typeof Class !== "function" || typeof encode !== "function" || typeof decode !== "function") {
    return decoder.reader.malformed("a registered type without class, encode or decode");
  }
  const type = adoptType({
    name: name === "" ? undefined : name,
    class: Class,
    encode: encode as RegisteredType["encode"],
    decode: decode as RegisteredType["decode"],
  });
  code.types[place] = type;
  return type;
}
