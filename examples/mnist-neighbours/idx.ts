const UNSIGNED_BYTE = 0x08;

/**
 * The values of an IDX file of unsigned bytes: a big-endian header (two zero bytes, type, number of
 * dimensions, then each dimension as uint32) and the values, first axis slowest.
 *
 * @param itemShape the dimensions after the first: [28, 28] for images, [] for labels
 * @param name said in errors
 * @throws when the header is not that of such a file, or the file is shorter or longer than it says
 */
export function parseIdx(file: Buffer, itemShape: number[], name: string): Uint8Array {
  const dimensions = 1 + itemShape.length;
  const headerBytes = 4 + 4 * dimensions;
  if (file.length < headerBytes)
    throw new Error(`${name}: ${file.length} bytes are too few for an IDX header`);
  const magic = file.readUInt32BE(0);
  const wanted = (UNSIGNED_BYTE << 8) | dimensions;
  if (magic !== wanted) {
    throw new Error(
      `${name}: begins with 0x${magic.toString(16)}, an IDX file like this with 0x${wanted.toString(16)}`,
    );
  }
  const shape = Array.from({ length: dimensions }, (_, i) => file.readUInt32BE(4 + 4 * i));
  if (itemShape.some((size, i) => shape[i + 1] !== size)) {
    throw new Error(`${name}: items are ${shape.slice(1).join("×")}, not ${itemShape.join("×")}`);
  }
  const values = shape.reduce((product, size) => product * size, 1);
  if (file.length !== headerBytes + values) {
    throw new Error(`${name}: ${file.length - headerBytes} values, but its header says ${values}`);
  }
  return file.subarray(headerBytes);
}
