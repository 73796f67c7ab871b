import { types } from "node:util";
import { BufferTable } from "./buffer-table.ts";
import type { Encoder } from "./encode.ts";
import { viewKind } from "./kinds.ts";
import { extraKeysOfTypedArray } from "./extra-keys.ts";
import { TAG_ARRAY_BUFFER, TAG_PREAMBLE, TAG_VIEW, TAG_WITH_PROPERTIES } from "./tags.ts";

/** Writes a typed array, Buffer or DataView; its bytes go to the table of buffers. */
export function writeView(encoder: Encoder, view: ArrayBufferView & object, index: number): void {
  const buffer = view.buffer;
  if (types.isSharedArrayBuffer(buffer)) encoder.refuse(sharedMemory);
  checkBuffer(encoder, buffer);
  const keys = types.isDataView(view) ? Reflect.ownKeys(view) : extraKeysOfTypedArray(view as Uint8Array);
  const writer = encoder.writer;
  if (keys.length > 0) writer.byte(TAG_WITH_PROPERTIES);
  const kind = viewKind(view);
  if (kind < 0) encoder.refuse(`a ${Object.prototype.toString.call(view).slice(8, -1)} cannot travel`);
  encoder.buffers ??= new BufferTable();
  const elementBytes = types.isDataView(view) ? 1 : (view as Uint8Array).BYTES_PER_ELEMENT;
  const number = encoder.buffers.addView(buffer, view.byteOffset, view.byteLength, elementBytes);
  writer.byte(TAG_VIEW);
  writer.byte(kind);
  writer.count(number);
  writer.count(view.byteOffset);
  writer.count(view.byteLength);
  if (keys.length > 0) encoder.properties(view, keys, index);
}

const sharedMemory =
  "a SharedArrayBuffer cannot travel: other processes would get a copy that shares nothing; copy it into an ArrayBuffer with slice()";

function checkBuffer(encoder: Encoder, buffer: ArrayBuffer): void {
  if (buffer.resizable) encoder.refuse("a resizable ArrayBuffer cannot travel; copy it with slice()");
  if (buffer.detached) encoder.refuse("a detached ArrayBuffer (transferred elsewhere) cannot travel");
}

/** Writes an ArrayBuffer itself; all of it travels. */
export function writeArrayBuffer(encoder: Encoder, buffer: ArrayBufferLike, index: number): void {
  if (types.isSharedArrayBuffer(buffer)) encoder.refuse(sharedMemory);
  checkBuffer(encoder, buffer);
  const keys = Reflect.ownKeys(buffer);
  const writer = encoder.writer;
  if (keys.length > 0) writer.byte(TAG_WITH_PROPERTIES);
  writer.byte(TAG_ARRAY_BUFFER);
  encoder.buffers ??= new BufferTable();
  writer.count(encoder.buffers.addWhole(buffer));
  if (keys.length > 0) encoder.properties(buffer, keys, index);
}

/**
 * Puts what must be known before the value in front of it: the modules it imports and its raw buffers.
 * Only then is either complete; moving the value's bytes costs less than walking the value twice.
 */
export function insertPreamble(encoder: Encoder, start: number): void {
  const writer = encoder.writer;
  const end = writer.position;
  const modules = encoder.code?.modules ?? [];
  if (modules.length === 0 && encoder.buffers === undefined) return;
  writer.byte(TAG_PREAMBLE);
  writer.count(modules.length);
  for (const url of modules) writer.string(url);
  if (encoder.buffers === undefined) writer.count(0);
  else encoder.buffers.write(writer);
  const preamble = Uint8Array.prototype.slice.call(writer.buffer, end, writer.position);
  writer.buffer.copyWithin(start + preamble.length, start, end);
  writer.buffer.set(preamble, start);
}
