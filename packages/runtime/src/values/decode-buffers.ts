import { BUFFER_EMBEDDED, BUFFER_EXPOSED, BUFFER_PART } from "./buffer-table.ts";
import type { Decoder } from "./decode.ts";
import { viewConstructors, viewKinds } from "./kinds.ts";
import { ValueReader } from "./reader.ts";
import { TAG_PREAMBLE } from "./tags.ts";

/** Memory for one ArrayBuffer of the value. */
interface Memory {
  readonly buffer: ArrayBuffer;
  /** Where in `buffer` the bytes begin. */
  readonly offset: number;
  /** Which byte of the sender's buffer that was. */
  readonly start: number;
  readonly length: number;
  /** `buffer` has exactly the sender's length and may be handed out. */
  readonly exposed: boolean;
}

/** The raw buffers of one value, and the modules it names. */
export class DecodedBuffers {
  readonly memories: Memory[] = [];
  readonly modules: string[] = [];
}

/** Reads the preamble at the reader's position. */
export function readPreamble(decoder: Decoder): void {
  const reader = decoder.reader;
  reader.position++;
  const preamble = new DecodedBuffers();
  readModules(reader, preamble.modules);
  const count = reader.countOfThings();
  for (let i = 0; i < count; i++) preamble.memories.push(readMemory(reader));
  decoder.buffers = preamble;
}

function readModules(reader: ValueReader, modules: string[]): void {
  const count = reader.countOfThings();
  for (let i = 0; i < count; i++) modules.push(reader.string());
}

/**
 * URLs of the modules that must be imported before the value at `position` is decoded.
 * Takes constant time for a value that imports nothing.
 * @throws Error ("malformed value …")
 */
export function requiredModules(bytes: Uint8Array, position = 0): string[] {
  const modules: string[] = [];
  if (bytes[position] === TAG_PREAMBLE) readModules(new ValueReader(bytes, position + 1), modules);
  return modules;
}

function readMemory(reader: ValueReader): Memory {
  const flags = reader.byte();
  if (flags > (BUFFER_PART | BUFFER_EXPOSED)) reader.malformed(`buffer flags ${flags}`);
  const exposed = (flags & BUFFER_EXPOSED) !== 0;
  const start = reader.count();
  const length = reader.count();
  if (exposed && start !== 0) reader.malformed("a whole buffer that does not start at 0");
  if ((flags & BUFFER_PART) === BUFFER_EMBEDDED) {
    // A memory of its own, so that every alignment is right and the message's memory can go.
    const buffer = new ArrayBuffer(bytesPresent(reader, length));
    reader.copyTo(new Uint8Array(buffer));
    return { buffer, offset: 0, start, length, exposed };
  }
  const part = reader.parts[reader.partsTaken++];
  if (part === undefined) return reader.malformed(`part ${reader.partsTaken - 1} of ${reader.parts.length}`);
  if (part.byteLength !== length)
    reader.malformed(`a part of ${part.byteLength} bytes where ${length} were written`);
  const memory = part.buffer;
  const fits = part.byteOffset % 8 === 0 && memory instanceof ArrayBuffer;
  const whole = part.byteOffset === 0 && memory.byteLength === length;
  if (fits && (!exposed || whole)) return { buffer: memory, offset: part.byteOffset, start, length, exposed };
  // Misaligned, or the value holds the ArrayBuffer itself and the part is only a piece of one.
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(part);
  return { buffer: copy, offset: 0, start, length, exposed };
}

function bytesPresent(reader: ValueReader, length: number): number {
  reader.need(length);
  return length;
}

/** Reads a typed array, Buffer or DataView behind its tag. */
export function readView(decoder: Decoder): object {
  const reader = decoder.reader;
  const kind = reader.byte();
  const memory = readMemoryNumber(decoder);
  const byteOffset = reader.count();
  const byteLength = reader.count();
  if (byteOffset < memory.start || byteOffset + byteLength > memory.start + memory.length) {
    reader.malformed(`a view of bytes ${byteOffset} to ${byteOffset + byteLength} beyond its buffer`);
  }
  const view = makeView(reader, kind, memory.buffer, memory.offset + byteOffset - memory.start, byteLength);
  decoder.add(view);
  return view;
}

/** Reads an ArrayBuffer behind its tag. */
export function readArrayBuffer(decoder: Decoder): ArrayBuffer {
  const memory = readMemoryNumber(decoder);
  if (!memory.exposed) decoder.reader.malformed("an ArrayBuffer of which only a piece was sent");
  decoder.add(memory.buffer);
  return memory.buffer;
}

function readMemoryNumber(decoder: Decoder): Memory {
  const number = decoder.reader.count();
  const memory = decoder.buffers?.memories[number];
  return memory ?? decoder.reader.malformed(`raw buffer ${number}, which was not sent`);
}

function makeView(
  reader: ValueReader,
  kind: number,
  buffer: ArrayBuffer,
  byteOffset: number,
  byteLength: number,
): object {
  if (kind === 0) return Buffer.from(buffer, byteOffset, byteLength);
  const constructor = viewConstructors[kind];
  if (constructor === undefined)
    return reader.malformed(
      `${viewKinds[kind] ?? "an unknown kind of view"}, which this version of Node does not have`,
    );
  // A DataView counts in bytes.
  const size = constructor.BYTES_PER_ELEMENT ?? 1;
  if (byteOffset % size !== 0 || byteLength % size !== 0) reader.malformed(`a misaligned ${viewKinds[kind]}`);
  return new constructor(buffer, byteOffset, byteLength / size);
}
