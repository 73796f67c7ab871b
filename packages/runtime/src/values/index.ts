export { ValueWriter } from "./writer.ts";
export { ValueReader } from "./reader.ts";
export { encode, writeValue } from "./encode.ts";
export { decode, readValue } from "./decode.ts";
export { requiredModules } from "./decode-buffers.ts";
export { valueTable, valuesMarkdown } from "./table.ts";
export type { ValueKind } from "./table.ts";
export { registerType } from "./registry.ts";
export type { TypeCodec } from "./registry.ts";
export { MemoryHost } from "./memory-host.ts";
export type { MemoryCapture } from "./memory-host.ts";
export { rejectingDecodeHost, rejectingEncodeHost } from "./hosts.ts";
export { travelsByReference } from "./seam.ts";
export type {
  CodeUnit,
  DecodeHost,
  EncodeHost,
  Encoded,
  FunctionImage,
  ImportedBinding,
  PendingFunction,
} from "./seam.ts";
