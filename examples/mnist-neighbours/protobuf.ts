/** As much of the protocol buffers wire format as an ONNX model needs: each function writes one field. */

/** Several fields, one after the other: the content of a message. */
export function message(...fields: Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field that holds a whole number, 0 or greater. */
export function integer(field: number, value: number): Uint8Array {
  return message(varint(field << 3), varint(value));
}

/** A field that holds bytes or another message. */
export function bytes(field: number, value: Uint8Array): Uint8Array {
  return message(varint((field << 3) | 2), varint(value.length), value);
}

/** A field that holds a string. */
export function text(field: number, value: string): Uint8Array {
  return bytes(field, Buffer.from(value));
}

/** A field that holds a 32-bit float. */
export function float(field: number, value: number): Uint8Array {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return message(varint((field << 3) | 5), content);
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Uint8Array.of(...out, rest);
}
