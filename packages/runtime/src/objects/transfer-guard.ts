/**
 * Keeps mapped buffers from being moved: a moved buffer would outlive its mapping, and a touch of it kill the process.
 *
 * `structuredClone` and `postMessage` refuse to transfer them, as they refuse all memory that is not V8's own.
 * `transfer` copies instead; so does a byte stream that is handed one; a byte stream refuses to read into one.
 */

const mapped: unique symbol = Symbol.for("iono.mapped") as never;

let guarded = false;

/** Ties `owner` to the life of `buffer`, and keeps the buffer in its place. */
export function keepInPlace(buffer: ArrayBuffer, owner: object): void {
  Object.defineProperty(buffer, mapped, { value: owner });
  if (!guarded) guardPrototypes();
  guarded = true;
}

export function isMapped(buffer: ArrayBufferLike): boolean {
  return mapped in buffer;
}

function guardPrototypes(): void {
  for (const name of ["transfer", "transferToFixedLength"] as const) {
    const original = ArrayBuffer.prototype[name];
    replace(ArrayBuffer.prototype, name, function (this: ArrayBuffer, newLength?: number) {
      return isMapped(this)
        ? original.call(this.slice(), newLength ?? this.byteLength)
        : original.apply(this, newLength === undefined ? [] : [newLength]);
    });
  }
  const enqueue = ReadableByteStreamController.prototype.enqueue;
  replace(
    ReadableByteStreamController.prototype,
    "enqueue",
    function (this: ReadableByteStreamController, chunk: ArrayBufferView) {
      const copied =
        ArrayBuffer.isView(chunk) && isMapped(chunk.buffer)
          ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice()
          : chunk;
      return enqueue.call(this, copied as never);
    },
  );
  const read = ReadableStreamBYOBReader.prototype.read;
  replace(
    ReadableStreamBYOBReader.prototype,
    "read",
    function (this: ReadableStreamBYOBReader, view: ArrayBufferView, ...rest: unknown[]) {
      if (ArrayBuffer.isView(view) && isMapped(view.buffer)) {
        return Promise.reject(
          new TypeError(
            "cannot read a stream into an array of the object store: its memory cannot be moved; use a copy",
          ),
        );
      }
      return read.call(this, view as never, ...(rest as []));
    },
  );
}

function replace(prototype: object, name: string, value: Function): void {
  Object.defineProperty(value, "name", { value: name });
  Object.defineProperty(prototype, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: Object.getOwnPropertyDescriptor(prototype, name)?.enumerable ?? false,
  });
}
