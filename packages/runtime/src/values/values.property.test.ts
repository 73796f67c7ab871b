import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, readValue } from "./decode.ts";
import { requiredModules } from "./decode-buffers.ts";
import { difference } from "./difference.ts";
import { encode, writeValue } from "./encode.ts";
import { rejectingDecodeHost, rejectingEncodeHost } from "./hosts.ts";
import { ValueReader } from "./reader.ts";
import type { Encoded } from "./seam.ts";
import { ValueWriter } from "./writer.ts";

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary", maxLength: 90 }),
  fc.string({ unit: fc.constantFrom("\ud800", "\udc00", "é", "z"), maxLength: 90 }),
);
const key = fc.oneof(
  text,
  fc.constantFrom("__proto__", "constructor", "0", "7", "length"),
  fc.constantFrom(Symbol.for("k"), Symbol.iterator, Symbol.toStringTag),
);

const primitive = fc.oneof(
  fc.constantFrom(undefined, null, true, false, -0, NaN, Infinity, Symbol.for("x"), Symbol.asyncIterator),
  fc.integer(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  text,
);

const binary = fc
  .record({ size: fc.nat(200), big: fc.boolean(), offset: fc.nat(3), fill: fc.nat(255) })
  .map(({ size, big, offset, fill }) => {
    const buffer = new Uint8Array((big ? 5000 : 0) + 8 * (size + offset)).fill(fill).buffer;
    return fc.constantFrom(
      new Float64Array(buffer, 8 * offset),
      new Uint8Array(buffer, offset),
      new Int16Array(buffer, 2 * offset, size),
      new DataView(buffer, offset, size),
      Buffer.from(buffer, offset, size),
      buffer,
    );
  })
  .chain((arbitrary) => arbitrary);

const leaf = fc.oneof(
  primitive,
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(/a/g, /\//u).map((r) => new RegExp(r)),
  fc.webUrl().map((url) => new URL(url)),
  primitive.filter((p) => p !== null && p !== undefined).map((p) => Object(p) as object),
  binary,
);

/** Properties set one by one, so that `__proto__` is an own key like the others. */
function withProperties(
  target: object,
  entries: readonly (readonly [string | symbol, unknown])[],
  attributes: number,
): object {
  for (const [name, value] of entries) {
    const writable = (attributes & 1) === 0;
    const enumerable = (attributes & 2) === 0;
    Reflect.defineProperty(target, name, { value, writable, enumerable, configurable: true });
  }
  return target;
}

const anyValue = fc.letrec<{ value: unknown }>((tie) => {
  const value = tie("value");
  const entries = fc.array(fc.tuple(key, value), { maxLength: 5 });
  const object = fc
    .record({
      entries,
      attributes: fc.constantFrom(0, 0, 0, 1, 2, 3),
      bare: fc.boolean(),
      level: fc.constantFrom(0, 0, 0, 1, 2, 3),
    })
    .map((made) => {
      const target = withProperties(
        made.bare ? (Object.create(null) as object) : {},
        made.entries,
        made.attributes,
      );
      if (made.level === 1) Object.preventExtensions(target);
      if (made.level === 2) Object.seal(target);
      if (made.level === 3) Object.freeze(target);
      return target;
    });
  const array = fc.array(fc.tuple(fc.boolean(), value), { maxLength: 40, size: "small" }).map((items) => {
    const made: unknown[] = [];
    for (const [present, item] of items) {
      if (present) made.push(item);
      else made.length++;
    }
    return made;
  });
  const shared = value.map((item) => ({ first: item, second: [item, new Map([[item, item]])] }));
  const cyclic = object.map((item) => {
    if (Object.isExtensible(item)) Reflect.set(item, "itself", [item]);
    return item;
  });
  const error = fc
    .record({ message: fc.string(), cause: value, extra: entries })
    .map(({ message, cause, extra }) =>
      withProperties(
        new RangeError(message, { cause }),
        extra.filter(([name]) => name !== "stack"),
        0,
      ),
    );
  return {
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      object,
      array,
      shared,
      cyclic,
      error,
      fc.array(fc.tuple(value, value), { maxLength: 4 }).map((pairs) => new Map(pairs)),
      fc.array(value, { maxLength: 4 }).map((members) => new Set(members)),
    ),
  };
}).value;

function roundTrip(value: unknown): unknown {
  return decode(encode(value, rejectingEncodeHost), rejectingDecodeHost);
}

function outcome(act: () => unknown): string {
  try {
    act();
    return "no error";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Copies of the parts: what arrives is never the sender's memory. */
function arrived({ bytes, parts }: Encoded): Encoded {
  return { bytes: bytes.slice(), parts: parts.map((part) => part.slice()) };
}

describe("any value", () => {
  it("arrives exactly", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(difference(value, roundTrip(value))).toBeUndefined();
      }),
      { numRuns: 600 },
    );
  });

  it("arrives exactly beside others, from a writer and a reader that are used again", () => {
    const writer = new ValueWriter(64);
    const reader = new ValueReader(new Uint8Array(0));
    fc.assert(
      fc.property(fc.array(anyValue, { minLength: 1, maxLength: 4 }), (values) => {
        writer.reset();
        writer.position = 3;
        for (const value of values) writeValue(writer, value, rejectingEncodeHost);
        reader.reset(writer.buffer, 3, writer.position, writer.parts);
        for (const value of values)
          expect(difference(value, readValue(reader, rejectingDecodeHost))).toBeUndefined();
        expect(reader.position).toBe(writer.position);
      }),
      { numRuns: 200 },
    );
  });

  it("is a copy: the encoded form keeps nothing of the value but its large raw data", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const encoded = arrived(encode(value, rejectingEncodeHost));
        const first = decode(encoded, rejectingDecodeHost);
        expect(difference(first, decode(arrived(encoded), rejectingDecodeHost))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});

describe("malformed input", () => {
  /** @returns false for anything but a value or the one error: a stack overflow, or a TypeError from within the codec. */
  const settles = (bytes: Uint8Array, parts: readonly Uint8Array[] = []): boolean => {
    const message = outcome(() => {
      requiredModules(bytes);
      decode({ bytes, parts }, rejectingDecodeHost);
    });
    return message === "no error" || message.startsWith("malformed value");
  };

  it("of random bytes throws or is a value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => settles(bytes)),
      { numRuns: 3000 },
    );
  });

  it("of random tags throws or is a value", () => {
    // Mostly tags and small counts, so that the bytes get further than the first few.
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 48 }),
      fc.constantFrom(0x80, 0x40, 0x41, 0xff, 0x7f, 1, 2, 3),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 120 }), (bytes) => settles(Uint8Array.from(bytes))),
      { numRuns: 6000 },
    );
  });

  it("of a value with bytes changed throws or is a value", () => {
    fc.assert(
      fc.property(
        anyValue,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (value, changes) => {
          const { bytes, parts } = encode(value, rejectingEncodeHost);
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          return settles(bytes, parts);
        },
      ),
      { numRuns: 800 },
    );
  });

  it("of a value cut off anywhere throws", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const { bytes, parts } = encode(value, rejectingEncodeHost);
        for (let end = 0; end < bytes.length; end += end < 64 ? 1 : 61) {
          expect(
            outcome(() => decode({ bytes: bytes.subarray(0, end), parts }, rejectingDecodeHost)),
          ).toMatch(/^malformed value/);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("allocates no more than the input justifies", () => {
    const count = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    const before = process.memoryUsage();
    for (let tag = 0; tag < 64; tag++) {
      settles(Uint8Array.from([tag, ...count, ...count, 1, 2, 3]));
      settles(Uint8Array.from([tag, 0, ...count, ...count, 1, 2, 3]));
      settles(Uint8Array.from([45, 0, 1, tag & 3, 0, ...count, 1, 2, 3]));
    }
    const after = process.memoryUsage();
    expect(after.heapTotal + after.external - before.heapTotal - before.external).toBeLessThan(64 << 20);
  });
});
