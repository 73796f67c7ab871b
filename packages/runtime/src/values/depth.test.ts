import { describe, expect, it } from "vitest";
import { CannotTravelError } from "@iono/core";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import { MemoryHost } from "./memory-host.ts";

const host = new MemoryHost();
const arrive = <T>(value: T): T => decode(encode(value, host), host) as T;
const DEEP = 100_000;

class Link {
  next: unknown;
  constructor(next: unknown) {
    this.next = next;
  }
}
host.capture(Link);

/** Wraps `DEEP` times and counts how often what arrived can be unwrapped. */
function depthOf(wrap: (inner: unknown) => object, unwrap: (outer: never) => unknown): number {
  let value: unknown = "end";
  for (let i = 0; i < DEEP; i++) value = wrap(value);
  let at: unknown = arrive(value);
  let depth = 0;
  for (; typeof at === "object" && at !== null; depth++) at = unwrap(at as never);
  expect(at).toBe("end");
  return depth;
}

describe("values 100,000 levels deep", () => {
  it("arrive when they are objects, arrays, Maps, Sets and instances", () => {
    expect(
      depthOf(
        (next) => ({ next, other: [1] }),
        (o: { next: unknown }) => o.next,
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => [inner],
        (a: unknown[]) => a[0],
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => new Map([["k", inner]]),
        (m: Map<string, unknown>) => m.get("k"),
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => new Set([inner]),
        (s: Set<unknown>) => [...s][0],
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => new Link(inner),
        (l: Link) => l.next,
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => Object.freeze({ inner }),
        (o: { inner: unknown }) => o.inner,
      ),
    ).toBe(DEEP);
    expect(
      depthOf(
        (inner) => Object.assign(Object.create(null) as object, { inner }),
        (o: { inner: unknown }) => o.inner,
      ),
    ).toBe(DEEP);
  });

  it("keep shared and cyclic parts", () => {
    const shared = { n: 1 };
    let value: unknown = [shared];
    for (let i = 0; i < 1000; i++) value = [value, shared];
    let at = arrive(value) as [unknown, unknown];
    const last = at[1];
    for (let i = 0; i < 1000; i++) {
      expect(at[1]).toBe(last);
      at = at[0] as [unknown, unknown];
    }
    expect(at[0]).toBe(last);
  });

  it("are refused by name when they are built from the inside out", () => {
    let error = new Error("root");
    for (let i = 0; i < DEEP; i++) error = new Error("next", { cause: error });
    expect(() => encode(error, host, { path: ["argument 0"] })).toThrow(CannotTravelError);
    let chain = new Error("root");
    for (let i = 0; i < 300; i++) chain = new Error("next", { cause: chain });
    expect(arrive(chain)).toBeInstanceOf(Error);
  });

  it("name the path with its middle left out", () => {
    let value: unknown = Promise.resolve();
    for (let i = 0; i < DEEP; i++) value = { next: value };
    expect(() => encode({ cfg: value }, host, { path: ["argument 0"] })).toThrow(
      /^argument 0 → cfg → next.* more\) → .*next: a promise cannot travel/,
    );
  });

  it("that name so many levels in their bytes are malformed, not a stack overflow", () => {
    expect(() =>
      decode(
        { bytes: new Uint8Array(1e6).fill(46).map((byte, i) => (i % 2 === 0 ? byte : 1)), parts: [] },
        host,
      ),
    ).toThrow(/^malformed value/);
    for (let tag = 0; tag < 64; tag++) {
      try {
        decode({ bytes: new Uint8Array(1e5).fill(tag), parts: [] }, host);
      } catch (error) {
        expect((error as Error).message).toMatch(/^malformed value/);
      }
    }
  });
});
