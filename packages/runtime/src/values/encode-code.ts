import { types } from "node:util";
import { writeIntrinsic, writeProxy, writeReference } from "./encode-named.ts";
import type { Encoder } from "./encode.ts";
import { isNativeFunction } from "./intrinsics.ts";
import { MapPlace, Place } from "./path.ts";
import type { RegisteredType } from "./registry.ts";
import { travelsByReference, type CodeUnit, type FunctionImage, type ImportedBinding } from "./seam.ts";
import {
  DEFER_DEPTH,
  PATCH_BINDING,
  PATCH_MAP_VALUE,
  PATCH_PROPERTY,
  TAG_CODE,
  TAG_CODE_AGAIN,
  TAG_CODE_KNOWN,
  TAG_FORCE,
  TAG_IMPORT,
  TAG_IMPORT_BINDING,
  TAG_LATER,
  TAG_PROTOTYPE_OF,
} from "./tags.ts";

/** Kinds of code units by number. Append only: the position is on the wire. */
export const unitKinds = ["function", "method", "class"] as const;

/** What a unit's flags say. */
export const UNIT_NAMED = 1;
export const UNIT_SLOPPY = 2;
export const UNIT_COMPILED = 4;

/** A free name of a function. */
class BindingPlace extends Place {
  readonly number: number;
  constructor(name: string, number: number) {
    super(name);
    this.number = number;
  }
}

/** A slot that gets its class when that class is complete. */
interface Patch {
  readonly owner: number;
  readonly place: unknown;
  readonly index: number;
}

/** A class or method whose bindings are being written. */
interface Opening {
  readonly index: number;
  readonly unit: CodeUnit;
  /** Which binding is the superclass; −1 once that is written, and when none is. */
  superclass: number;
  /** The receiver has been told to finish it early. */
  forced: boolean;
}

/** Functions, imports and registered types of one value. */
export class CodeTable {
  /** URLs that the value imports, each once. */
  readonly modules: string[] = [];
  readonly opening = new Map<object, Opening>();
  readonly patches: Patch[] = [];
  /** Instances of registered types whose data is being written. */
  readonly unpacking = new Set<object>();
  /** Functions and classes that are exports of Node's own modules. */
  readonly builtin = new Set<Function>();
  private readonly units = new Map<string, number>();
  private readonly registered = new Map<RegisteredType, number>();

  moduleNumber(encoder: Encoder, url: string): number {
    const known = this.modules.indexOf(url);
    if (known >= 0) return known;
    if (!encoder.writer.modules.includes(url)) encoder.writer.modules.push(url);
    return this.modules.push(url) - 1;
  }

  /** @returns the unit's number, or −1 after giving it the next. */
  unitNumber(id: string): number {
    const known = this.units.get(id);
    if (known !== undefined) return known;
    this.units.set(id, this.units.size);
    return -1;
  }

  /** @returns the type's number, or −1 after giving it the next. */
  typeNumber(type: RegisteredType): number {
    const known = this.registered.get(type);
    if (known !== undefined) return known;
    this.registered.set(type, this.registered.size);
    return -1;
  }
}

/** Writes a function or class, with what it captured. */
export function writeFunction(encoder: Encoder, fn: Function): void {
  const before = encoder.objects.remember(fn);
  if (before >= 0) return writeFunctionAgain(encoder, fn, before);
  const index = encoder.objects.latestIndex();
  if (types.isProxy(fn)) return writeProxy(encoder, fn);
  if (travelsByReference in fn) return writeReference(encoder, fn);
  if (isNativeFunction(fn)) {
    const name = encoder.intrinsics.names.get(fn);
    if (name !== undefined) return writeIntrinsic(encoder, name);
  }
  const image = encoder.host.image(fn, encoder.here());
  if (image.kind === "import") {
    writeImport(encoder, TAG_IMPORT, image);
    if (image.url.startsWith("node:")) encoder.code?.builtin.add(fn);
    return;
  }
  if (!Object.isExtensible(fn)) encoder.integrity(fn);
  writeImage(encoder, fn, index, image);
}

function writeImport(encoder: Encoder, tag: number, binding: ImportedBinding): void {
  const code = (encoder.code ??= new CodeTable());
  encoder.writer.byte(tag);
  encoder.writer.count(code.moduleNumber(encoder, binding.url));
  encoder.writer.string(binding.name);
}

/** A function met again; one that is still being built needs care. */
function writeFunctionAgain(encoder: Encoder, fn: Function, index: number): void {
  const opening = encoder.code?.opening.get(fn);
  if (opening === undefined || opening.forced) return encoder.again(fn, index);
  const depth = encoder.depth;
  const patch: Patch = { owner: encoder.owners[depth], place: encoder.steps[depth], index };
  if (mayComeLater(encoder, opening, patch.place)) {
    encoder.code?.patches.push(patch);
    encoder.writer.byte(TAG_LATER);
    return;
  }
  const steps: Step[] = [];
  collectForced(encoder, fn, steps);
  encoder.writer.byte(TAG_FORCE);
  encoder.writer.count(steps.length);
  for (const step of steps) {
    encoder.writer.count(step.index);
    encoder.writer.count(step.superclass < 0 ? 0 : step.superclass + 1);
  }
}

interface Step {
  readonly index: number;
  /** Binding that takes the class of the step before; −1 for none. */
  readonly superclass: number;
}

/** What has to be finished early for `fn` to be: its superclass first, if that is not finished either. */
function collectForced(encoder: Encoder, fn: object, steps: Step[]): void {
  const opening = encoder.code?.opening.get(fn);
  if (opening === undefined || opening.forced) return;
  opening.forced = true;
  const parent = Object.getPrototypeOf(fn) as object;
  const unset = opening.superclass >= 0 && encoder.code?.opening.has(parent) === true;
  if (unset && encoder.code?.opening.get(parent)?.forced === true) {
    // Finished before, but not yet set here: finishing it again only names it.
    steps.push({ index: encoder.code.opening.get(parent)?.index ?? 0, superclass: -1 });
  } else if (unset) collectForced(encoder, parent, steps);
  steps.push({ index: opening.index, superclass: unset ? opening.superclass : -1 });
}

/**
 * Two classes that name each other: one is finished first. A superclass always is. When the
 * definition of the later one runs code, what stands further up in the same file is, as it was
 * when the program defined them. Otherwise the one that was met later is, and gets the other through a patch.
 */
function mayComeLater(encoder: Encoder, opening: Opening, place: unknown): boolean {
  if (opening.unit.kind !== "class") return false;
  if (typeof place === "string" || typeof place === "symbol" || typeof place === "number") return true;
  if (place instanceof MapPlace) return place.part === "value";
  if (!(place instanceof BindingPlace)) return false;
  const inner = [...(encoder.code?.opening.entries() ?? [])].pop();
  if (inner === undefined || inner[1] === opening) return true;
  if (isSuperclass(encoder, opening, inner[0])) return false;
  const unit = inner[1].unit;
  return (
    unit.url !== opening.unit.url || !standsBefore(opening.unit, unit) || !/\bstatic\b/.test(unit.source)
  );
}

function isSuperclass(encoder: Encoder, opening: Opening, fn: object): boolean {
  const parent: unknown = Object.getPrototypeOf(fn);
  return typeof parent === "function" && encoder.code?.opening.get(parent) === opening;
}

function standsBefore(a: CodeUnit, b: CodeUnit): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}

function writeImage(encoder: Encoder, fn: Function, index: number, image: FunctionImage): void {
  const unit = image.unit;
  const code = (encoder.code ??= new CodeTable());
  if (image.bindings.length !== unit.names.length) {
    encoder.refuse(
      `the code of ${unit.url} has ${unit.names.length} free names, but ${image.bindings.length} values for them`,
    );
  }
  const known = code.unitNumber(unit.id);
  const tag = known >= 0 ? TAG_CODE_AGAIN : encoder.host.knows(unit) ? TAG_CODE_KNOWN : TAG_CODE;
  const header = (): void => {
    if (tag === TAG_CODE_AGAIN) encoder.writer.count(known);
    else if (tag === TAG_CODE_KNOWN) encoder.writer.string(unit.id);
    else writeUnit(encoder, unit);
    encoder.writer.string(image.origin ?? "");
  };
  if (unit.kind !== "function") {
    encoder.writer.byte(tag);
    header();
    return writeBuilt(encoder, code, fn, index, image);
  }
  const contents = (): void => {
    writeBindings(encoder, fn, index, image);
    writeFunctionProperties(encoder, fn, index, image);
  };
  if (encoder.depth >= DEFER_DEPTH) return encoder.deferral.defer(tag, index, contents, header);
  encoder.writer.byte(tag);
  header();
  contents();
}

function writeUnit(encoder: Encoder, unit: CodeUnit): void {
  const writer = encoder.writer;
  writer.string(unit.id);
  writer.string(unit.url);
  writer.count(unit.line);
  writer.count(unit.column);
  writer.byte(unitKinds.indexOf(unit.kind));
  writer.string(unit.source);
  writer.count(unit.names.length);
  for (const name of unit.names) writer.string(name);
  const { name, sloppy, entryPlace } = unit;
  writer.byte(
    (name === undefined ? 0 : UNIT_NAMED) |
      (sloppy ? UNIT_SLOPPY : 0) |
      (entryPlace === undefined ? 0 : UNIT_COMPILED),
  );
  if (name !== undefined) writer.string(name);
  if (entryPlace !== undefined) {
    writer.count(entryPlace.line);
    writer.count(entryPlace.column);
  }
}

/** A class or method: it exists only once what its definition uses is there. */
function writeBuilt(
  encoder: Encoder,
  code: CodeTable,
  fn: Function,
  index: number,
  image: FunctionImage,
): void {
  const waiting = encoder.deferral.waiting;
  const superclass = image.unit.kind === "class" ? image.bindings.indexOf(Object.getPrototypeOf(fn)) : -1;
  code.opening.set(fn, { index, unit: image.unit, superclass, forced: false });
  writeBindings(encoder, fn, index, image);
  encoder.deferral.write(waiting);
  encoder.writer.byte(0);
  code.opening.delete(fn);
  if (code.opening.size === 0) writePatches(encoder, code);
  writeFunctionProperties(encoder, fn, index, image);
}

function writePatches(encoder: Encoder, code: CodeTable): void {
  const writer = encoder.writer;
  writer.count(code.patches.length);
  for (const { owner, place, index } of code.patches) {
    if (place instanceof BindingPlace) {
      writer.byte(PATCH_BINDING);
      writer.count(owner);
      writer.count(place.number);
    } else if (place instanceof MapPlace) {
      writer.byte(PATCH_MAP_VALUE);
      writer.count(owner);
      writer.count(place.entry);
    } else {
      writer.byte(PATCH_PROPERTY);
      writer.count(owner);
      encoder.write(place);
    }
    writer.count(index);
  }
  code.patches.length = 0;
}

function writeBindings(encoder: Encoder, fn: Function, index: number, image: FunctionImage): void {
  const writer = encoder.writer;
  const depth = encoder.enter(index);
  for (const number of bindingOrder(fn, image)) {
    const value = image.bindings[number];
    encoder.steps[depth] = new BindingPlace(image.unit.names[number], number);
    writer.count(number);
    if (isImportedBinding(value)) writeImport(encoder, TAG_IMPORT_BINDING, value);
    else encoder.write(value);
    const opening = encoder.code?.opening.get(fn);
    if (opening !== undefined && opening.superclass === number) opening.superclass = -1;
  }
  encoder.depth = depth - 1;
}

/**
 * The superclass first: without it the class cannot be built, whoever asks for it early. Other
 * classes late and those that extend this one last: they are the ones that ask.
 */
function bindingOrder(fn: Function, image: FunctionImage): number[] {
  const numbers = image.bindings.map((_, number) => number);
  if (image.unit.kind !== "class") return numbers;
  const parent: unknown = Object.getPrototypeOf(fn);
  const rank = (number: number): number => {
    const value = image.bindings[number];
    if (value === parent) return 0;
    if (typeof value !== "function") return 1;
    return isDerived(value, fn) ? 3 : Function.prototype.toString.call(value).startsWith("class") ? 2 : 1;
  };
  return numbers.sort((a, b) => rank(a) - rank(b) || a - b);
}

function isDerived(fn: Function, ancestor: Function): boolean {
  for (
    let at: unknown = Object.getPrototypeOf(fn);
    typeof at === "function";
    at = Object.getPrototypeOf(at)
  ) {
    if (at === ancestor) return true;
  }
  return false;
}

function isImportedBinding(value: unknown): value is ImportedBinding {
  if (typeof value !== "object" || value === null) return false;
  // By descriptor: a captured object may be a proxy that refuses names it does not know, as actor handles do.
  if (Object.getOwnPropertyDescriptor(value, "kind") === undefined) return false;
  const binding = value as Partial<ImportedBinding>;
  return binding.kind === "import" && typeof binding.url === "string" && typeof binding.name === "string";
}

/** Own properties, and for a constructor function what was put on its prototype. */
function writeFunctionProperties(encoder: Encoder, fn: Function, index: number, image: FunctionImage): void {
  const properties = image.properties ?? {};
  encoder.properties(properties, Object.keys(properties), index);
  if (image.unit.kind !== "function") return;
  const prototype: unknown = Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
  const extended = typeof prototype === "object" && prototype !== null && isExtended(prototype);
  encoder.writer.byte(extended ? 1 : 0);
  if (!extended) return;
  encoder.inPlace(index, new Place("prototype"), () => {
    encoder.write(Object.getPrototypeOf(prototype));
    encoder.properties(
      prototype,
      Reflect.ownKeys(prototype).filter((key) => key !== "constructor"),
      index,
    );
  });
}

/** True for the prototype of a constructor function that has more than it was born with. Generators have an empty one. */
function isExtended(prototype: object): boolean {
  const keys = Reflect.ownKeys(prototype);
  if (keys.length === 0) return false;
  return (
    keys.length > 1 || keys[0] !== "constructor" || Object.getPrototypeOf(prototype) !== Object.prototype
  );
}

/** Writes the prototype object of a class as "the prototype of" it. */
export function writePrototypeOf(encoder: Encoder, owner: Function): void {
  encoder.writer.byte(TAG_PROTOTYPE_OF);
  encoder.inPlace(encoder.objects.latestIndex(), new Place("(class)"), () => encoder.write(owner));
  if (encoder.code?.builtin.has(owner) && !(owner.prototype instanceof Error)) {
    encoder.refuse(`an instance of ${owner.name}, a class of Node's own, cannot travel`);
  }
}
