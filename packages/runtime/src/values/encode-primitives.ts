import type { Encoder } from "./encode.ts";
import { TAG_BIGINT, TAG_BIGINT64, TAG_SYMBOL_FOR, TAG_SYMBOL_WELL_KNOWN, wellKnownSymbols } from "./tags.ts";
import type { ValueWriter } from "./writer.ts";

export function writeBigint(writer: ValueWriter, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    writer.byte(TAG_BIGINT64);
    writer.view.setBigInt64(writer.position, value, true);
    writer.position += 8;
    return;
  }
  const digits = (value < 0n ? -value : value).toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  writer.byte(TAG_BIGINT);
  writer.byte(value < 0n ? 1 : 0);
  writer.count(bytes.length);
  writer.raw(bytes);
}

export function writeSymbol(encoder: Encoder, value: symbol): void {
  const writer = encoder.writer;
  const registered = Symbol.keyFor(value);
  if (registered !== undefined) {
    writer.byte(TAG_SYMBOL_FOR);
    return writer.string(registered);
  }
  const wellKnown = wellKnownSymbols.indexOf(value);
  if (wellKnown < 0) encoder.refuse(`a unique symbol, ${String(value)}, cannot travel; use Symbol.for()`);
  writer.byte(TAG_SYMBOL_WELL_KNOWN);
  writer.byte(wellKnown);
}
