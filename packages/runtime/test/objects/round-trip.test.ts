import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { get, init, put, registerType, remote, shutdown, type ObjectRef } from "../../src/index.ts";
import { difference } from "../../src/values/difference.ts";
import { closeSamples, openSamples, samples } from "../../src/values/table-samples.ts";
import { valueTable, type ValueKind } from "../../src/values/table.ts";

beforeAll(async () => {
  await openSamples();
  await init({ numCpus: 1, objectStore: "128MiB" });
});
afterAll(async () => {
  await shutdown();
  await closeSamples();
});

const echo = remote((value: unknown) => value, { name: "echo" });
const kinds = Object.entries(valueTable) as [ValueKind, (typeof valueTable)[ValueKind]][];
/** Their samples stand for refs, or belong to the test's own process: refs and handles have tests of their own. */
const elsewhere = new Set<ValueKind>([
  "refs and handles",
  "functions",
  "classes",
  "imports",
  "instances of classes",
  "instances of registered types",
]);

describe("through a task and back", () => {
  it.each(kinds.filter(([kind, row]) => row.verdict === "exact" && !elsewhere.has(kind)))(
    "%s: exact",
    async (kind) => {
      for (const sample of samples[kind]())
        expect(difference(sample, await get(echo.remote(sample)))).toBeUndefined();
    },
  );

  it.each(kinds.filter(([, row]) => row.verdict === "refused"))("%s: refused with the path", (kind) => {
    for (const sample of samples[kind]()) {
      expect(() => echo.remote({ cfg: [sample] })).toThrow(/^argument 0 → cfg → \[0\]/);
      expect(() => put({ cfg: [sample] })).toThrow(/^cfg → \[0\]/);
    }
  });

  it("any nested plain value, as an argument, as a result and in the store", async () => {
    const leaf = fc.oneof(
      fc.constantFrom(undefined, null, -0, Number.NaN, Number.POSITIVE_INFINITY, ""),
      fc.boolean(),
      fc.double(),
      fc.bigInt(),
      fc.string({ unit: "binary" }),
      fc.date({ noInvalidDate: false }),
      fc.uint8Array(),
      fc.float64Array(),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("value"), { maxLength: 4 }),
        fc.sparseArray(tie("value"), { maxNumElements: 3 }),
        fc.dictionary(fc.string(), tie("value"), { maxKeys: 4 }),
        fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
        fc.array(tie("value"), { maxLength: 3 }).map((items) => new Set(items)),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 10, maxLength: 30 }), async (values) => {
        const shared = { values, again: values, pad: new Uint8Array(200_000) };
        expect(difference(shared, await get(echo.remote(shared)))).toBeUndefined();
        expect(difference(shared, await get(put(shared)))).toBeUndefined();
        expect(difference(values, await get(echo.remote(values)))).toBeUndefined();
      }),
      { numRuns: 8 },
    );
  });

  it("instances of classes, errors with causes, functions, refs and handles at any depth", async () => {
    class Point {
      readonly x: number;
      readonly y: number;
      constructor(x: number, y: number) {
        this.x = x;
        this.y = y;
      }
      norm() {
        return Math.hypot(this.x, this.y);
      }
    }
    class NotFound extends RangeError {
      status = 404;
    }
    const Counter = remote(
      class {
        n = 0;
        add(k: number) {
          return (this.n += k);
        }
      },
    );
    const counter = Counter.remote();
    const twice = remote((x: number) => 2 * x);
    const use = remote(
      async (box: {
        deep: [
          Map<
            string,
            {
              point: Point;
              error: NotFound;
              scale: (x: number) => number;
              ref: ObjectRef<number>;
              counter: typeof counter;
              twice: typeof twice;
            }
          >,
        ];
      }) => {
        const all = box.deep[0].get("all")!;
        const { cause } = all.error as { cause?: Error };
        return {
          point: all.point,
          norm: all.point.norm(),
          error: all.error,
          text: `${all.error.status} ${cause?.message}`,
          numbers: [
            all.scale(2),
            await get(all.ref),
            await get(all.counter.add.remote(5)),
            await get(all.twice.remote(4)),
          ],
        };
      },
    );
    const factor = 3;
    const all = {
      point: new Point(3, 4),
      error: new NotFound("gone", { cause: new Error("why") }),
      scale: (x: number) => x * factor,
      ref: put(7),
      counter,
      twice,
    };
    const back = await get(use.remote({ deep: [new Map([["all", all]])] }));
    expect(back.point).toBeInstanceOf(Point);
    expect(back.error).toBeInstanceOf(NotFound);
    expect(back.error.status).toBe(404);
    expect([back.norm, back.text, back.numbers]).toEqual([5, "404 why", [6, 7, 5, 8]]);
    expect(await get(counter.add.remote(1))).toBe(6);
  });

  it("instances of registered types, which travel with the code", async () => {
    class Money {
      #cents: number;
      constructor(cents: number) {
        this.#cents = cents;
      }
      get cents() {
        return this.#cents;
      }
    }
    expect(() => put({ price: new Money(5) })).toThrow(/^price: .*#private/);
    registerType(Money, { encode: (money) => money.cents, decode: (cents: number) => new Money(cents) });
    const add = remote((a: Money, list: Money[]) => new Money(a.cents + list[0].cents));
    const sum = await get(add.remote(new Money(200), [new Money(50)]));
    expect(sum).toBeInstanceOf(Money);
    expect(sum.cents).toBe(250);
  });
});
