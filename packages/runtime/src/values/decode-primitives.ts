import type { ValueReader } from "./reader.ts";
import { TAG_SYMBOL_FOR, wellKnownSymbols } from "./tags.ts";

/** A bigint beyond 64 bits, behind its tag. */
export function readBigint(reader: ValueReader): bigint {
  const negative = reader.byte();
  const digits = reader.raw(reader.count()).toString("hex");
  if (digits.length === 0 || negative > 1) reader.malformed("a bigint");
  const magnitude = BigInt(`0x${digits}`);
  return negative === 1 ? -magnitude : magnitude;
}

/** A symbol behind its tag. */
export function readSymbol(reader: ValueReader, tag: number): symbol {
  if (tag === TAG_SYMBOL_FOR) return Symbol.for(reader.string());
  const position = reader.byte();
  return wellKnownSymbols[position] ?? reader.malformed(`well-known symbol ${position}`);
}
