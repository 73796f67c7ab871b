import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deque } from "./deque.ts";

interface Item {
  readonly number: number;
}

describe("Deque", () => {
  it("does what an array does, whatever is removed from its middle", () => {
    const operation = fc.oneof(
      { weight: 40, arbitrary: fc.constant({ type: "push", at: 0 } as const) },
      { weight: 10, arbitrary: fc.constant({ type: "unshift", at: 0 } as const) },
      { weight: 10, arbitrary: fc.constant({ type: "shift", at: 0 } as const) },
      { weight: 30, arbitrary: fc.record({ type: fc.constant("remove" as const), at: fc.nat(10_000) }) },
      { weight: 1, arbitrary: fc.constant({ type: "clear", at: 0 } as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 600, size: "max" }), (operations) => {
        const deque = new Deque<Item>();
        let array: Item[] = [];
        for (const [number, { type, at }] of operations.entries()) {
          if (type === "push") {
            const item = { number };
            deque.push(item);
            array.push(item);
          } else if (type === "unshift") {
            const item = { number };
            deque.unshift(item);
            array.unshift(item);
          } else if (type === "shift") {
            expect(deque.shift()).toBe(array.shift());
          } else if (type === "clear") {
            deque.clear();
            array = [];
          } else if (array.length > 0) {
            const [item] = array.splice(at % array.length, 1);
            expect(deque.remove(item)).toBe(true);
            expect(deque.remove(item)).toBe(false);
          }
          expect(deque.length).toBe(array.length);
          expect(deque.peek()).toBe(array[0]);
        }
        expect([...deque]).toEqual(array);
      }),
      { numRuns: 60 },
    );
  });

  it("a million items are removed in any order", () => {
    const count = 2 ** 20;
    const items = Array.from({ length: count }, (_, number) => ({ number }));
    const deque = new Deque<Item>();
    for (const item of items) deque.push(item);
    for (let i = 0; i < count; i++) deque.remove(items[(i * 7919) % count]);
    expect(deque.length).toBe(0);
    expect(deque.shift()).toBeUndefined();
  });
});
