/** What cannot travel, and what its message says. */
import vm from "node:vm";
import { CannotTravelError } from "@iono/core";
import { describe, expect, test } from "vitest";
import { Shape } from "./fixtures/neighbour.ts";
import { imageOf } from "./index.ts";
import type { CaptureContext } from "./index.ts";

const context: CaptureContext = { entryUrl: undefined, warn: () => {} };

function refusal(fn: Function, at: readonly string[] = []): string {
  try {
    imageOf(fn, at, context);
  } catch (error) {
    if (error instanceof CannotTravelError) return error.message;
    throw error;
  }
  return "";
}

function named(): number {
  return 1;
}

describe("what cannot travel says why and what to do", () => {
  class Box extends Shape {
    #secret = 1;
    value = 2;
    arrow = () => this.value;
    get view(): number {
      return this.value;
    }
    static peek(box: Box): number {
      return box.#secret;
    }
    up(): string {
      return super.describe();
    }
  }
  function outer(this: unknown, ..._rest: unknown[]): Record<string, Function> {
    return {
      self: () => this,
      args: () => arguments,
      target: () => new.target,
      method() {
        return this;
      },
    };
  }
  const made = outer(1);
  const view = Object.getOwnPropertyDescriptor(Box.prototype, "view")?.get as Function;
  // What vitest's parser would object to.
  const sloppy = vm.runInThisContext(
    "[function evaluates() { return eval('1'); }, function within(o) { with (o) { return x; } }]",
  ) as Function[];

  test.each<[string, Function, RegExp]>([
    ["a native function", [].map.bind([]), /is bound: send an arrow/],
    ["a bound function", named.bind(null), /function `bound named` is bound/],
    ["a proxy", new Proxy(() => 1, {}), /native code or a Proxy/],
    ["an arrow with outer this", made.self, /`this` of the function around it/],
    ["an arrow in a field", new Box().arrow, /`this` of the function around it/],
    ["outer arguments", made.args, /`arguments` of the function around it/],
    ["outer new.target", made.target, /new.target/],
    ["a getter", view, /getter or setter/],
    ["super", Box.prototype.up, /super/],
    ["an outer #private", Box.peek, /#private/],
    ["eval", sloppy[0], /eval\(\)/],
    ["with", sloppy[1], /`with`/],
  ])("%s", (_what, fn, reason) => {
    expect(refusal(fn, ["argument 0", "callbacks"])).toMatch(reason);
    expect(refusal(fn, ["argument 0", "callbacks"])).toMatch(/^argument 0 → callbacks: /);
  });

  test("but a method's own this, and eval that is someone else's name, may", () => {
    expect(refusal(made.method)).toBe("");
    const [shadowed] = vm.runInThisContext("[function (eval) { return eval('1'); }]") as Function[];
    expect(refusal(shadowed)).toBe("");
  });

  test("a class changed after its definition", () => {
    class Patched {
      a(): number {
        return 1;
      }
    }
    Patched.prototype.a = () => 2;
    expect(refusal(Patched)).toMatch(/its prototype's `a` is not what its source says/);
  });

  test("a property under a symbol", () => {
    const fn = Object.assign(() => 1, { [Symbol("s")]: 1 });
    expect(refusal(fn)).toMatch(/^Symbol\(s\): .* under a symbol/);
  });

  test("an own getter", () => {
    const fn = Object.defineProperty(() => 1, "lazy", { get: () => 1, enumerable: true });
    expect(refusal(fn, ["f"])).toMatch(/^f → lazy: .*getter `lazy`/);
  });
});
