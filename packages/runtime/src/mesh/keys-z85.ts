/** Z85 (ZeroMQ RFC 32): 4 bytes as 5 printable characters. CURVE keys are 32 bytes, so 40 characters. */

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const values = new Map(Array.from(alphabet, (char, value) => [char, value]));

/** @throws RangeError when the bytes are not a multiple of 4. */
export function encodeZ85(bytes: Uint8Array): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`Z85 needs a multiple of 4 bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const word = view.getUint32(at);
    for (let power = 85 ** 4; power >= 1; power /= 85) text += alphabet[Math.floor(word / power) % 85];
  }
  return text;
}

/** Undefined when the text is not Z85. */
export function decodeZ85(text: string): Buffer | undefined {
  if (text.length % 5 !== 0) return undefined;
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let at = 0; at < text.length; at += 5) {
    let word = 0;
    for (let i = 0; i < 5; i++) {
      const value = values.get(text[at + i]);
      if (value === undefined) return undefined;
      word = word * 85 + value;
    }
    if (word > 0xffff_ffff) return undefined;
    bytes.writeUInt32BE(word, (at / 5) * 4);
  }
  return bytes;
}
