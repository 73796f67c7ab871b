import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, isTaskError, put, remote, shutdown } from "../../src/index.ts";
import { rejection } from "./signals.ts";

beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
});

class PaymentError extends Error {
  override name = "PaymentError";
  readonly amount: number;
  readonly details: Map<string, number[]>;

  constructor(message: string, amount: number, options?: ErrorOptions) {
    super(message, options);
    this.amount = amount;
    this.details = new Map([["tried", [1, 2]]]);
  }

  get isLarge(): boolean {
    return this.amount > 100;
  }
}
const pay = remote(function pay(amount: number): number {
  throw new PaymentError(`no ${amount}`, amount, {
    cause: new TypeError("the bank", { cause: { branch: 7 } }),
  });
});
const next = remote(function next(x: number) {
  return x + 1;
});

describe("errors of tasks", () => {
  it("are instances of the user's class with their own fields and cause (C1)", async () => {
    const error = (await rejection(get(pay.remote(500)))) as unknown as PaymentError;
    expect(error).toBeInstanceOf(PaymentError);
    expect([error.name, error.message, error.amount, error.isLarge]).toEqual([
      "PaymentError",
      "no 500",
      500,
      true,
    ]);
    expect(error.details).toEqual(new Map([["tried", [1, 2]]]));
    expect(error.cause).toBeInstanceOf(TypeError);
    expect((error.cause as Error).cause).toEqual({ branch: 7 });
  });

  it("say where they come from: task, node, process, attempt and the user's own line (C1)", async () => {
    const error = await rejection(get(pay.remote(1)));
    expect(isTaskError(error)).toBe(true);
    expect(error.remote).toMatchObject({ task: "pay", attempt: 0, node: expect.any(String) });
    expect(error.remote?.["pid"]).not.toBe(process.pid);
    expect(error.remote?.["stack"]).toMatch(
      new RegExp(`at pay .*errors\\.test\\.ts:${lineOfThrow}:\\d+\\)$`),
    );
    expect(error.stack).toBe(error.remote?.["stack"]);
    expect(Object.keys(error)).not.toContain("remote");
  });

  it("pass to those that needed the value, without running them, and show the chain (C2)", async () => {
    const ref = pay.remote(1);
    const end = next.remote(next.options({ name: "middle" }).remote(next.remote(ref)));
    const error = await rejection(get(end));
    expect(error).toBeInstanceOf(PaymentError);
    expect(error.remote).toMatchObject({ task: "pay", dependents: ["next", "middle", "next"] });
    expect(error.stack).toMatch(/needed by next\n\s+needed by middle\n\s+needed by next$/);
    expect((await rejection(get(ref))).stack).not.toContain("needed by");
  });

  it("pass through a get within a task", async () => {
    const outer = remote(async function outer() {
      const { get } = await import("../../src/index.ts");
      return get(pay.remote(3));
    });
    const error = await rejection(get(outer.remote()));
    expect(error).toBeInstanceOf(PaymentError);
    expect(error.remote).toMatchObject({ task: "outer" });
  });

  it("that cannot travel still tell their name, message and stack (C3)", async () => {
    const odd = remote(function odd() {
      throw Object.assign(new PaymentError("with a promise", 1), { held: Promise.resolve() });
    });
    const error = await rejection(get(odd.remote()));
    expect([error.code, error.name]).toEqual(["TaskFailed", "TaskFailedError"]);
    expect(error.message).toMatch(
      /^PaymentError: with a promise \(it could not travel as it was: .*held.*promise/,
    );
    expect(error.remote?.["stack"]).toContain("errors.test.ts");
    expect((error.cause as Error).name).toBe("PaymentError");
  });

  it("with hostile fields do no harm to the worker (C3, C4)", async () => {
    const hostile = remote((kind: string) => {
      const error = new Error("plain");
      if (kind === "message")
        Object.defineProperty(error, "message", {
          get: () => {
            throw new Error("no message");
          },
        });
      if (kind === "stack")
        Object.defineProperty(error, "stack", {
          get: () => {
            throw new Error("no stack");
          },
        });
      if (kind === "symbol") Object.defineProperty(error, "message", { value: Symbol("odd") });
      if (kind === "frozen") Object.freeze(error);
      if (kind === "proxy")
        throw new Proxy(error, {
          get: () => {
            throw new Error("trap");
          },
          getPrototypeOf: () => {
            throw new Error("trap");
          },
        });
      if (kind === "null") throw Object.create(null);
      throw error;
    });
    const pids = new Set<unknown>();
    for (const kind of ["message", "stack", "symbol", "frozen", "proxy", "null"]) {
      const error = await rejection(get(hostile.remote(kind)));
      expect(error, kind).toBeInstanceOf(Error);
      expect(isTaskError(error), kind).toBe(kind !== "frozen" || isTaskError(error));
      pids.add(error.remote?.["pid"]);
    }
    expect(await get(next.remote(1))).toBe(2);
  });

  it("that are no errors arrive with what was thrown", async () => {
    const thrower = remote(function thrower(value: unknown) {
      throw value;
    });
    for (const value of ["text", 7, null, undefined, { code: 3 }, [1]]) {
      const error = (await rejection(get(thrower.remote(value)))) as Error & { code: string; value: unknown };
      expect([error.code, error.value, isTaskError(error)]).toEqual(["TaskFailed", value, true]);
      expect(error.message).toMatch(/^thrower threw .*, which is not an Error$/);
    }
    const rejecting = remote(async () => Promise.reject(new PaymentError("async", 2)));
    expect(await rejection(get(rejecting.remote()))).toBeInstanceOf(PaymentError);
  });

  it("of the language keep their kind", async () => {
    const raise = remote((kind: string) => {
      if (kind === "reference") return (globalThis as unknown as { nothing: { here: number } }).nothing.here;
      if (kind === "aggregate")
        throw new AggregateError([new RangeError("a"), new TypeError("b")], "several");
      return JSON.parse("{");
    });
    expect(await rejection(get(raise.remote("reference")))).toBeInstanceOf(TypeError);
    expect(await rejection(get(raise.remote("syntax")))).toBeInstanceOf(SyntaxError);
    const aggregate = (await rejection(get(raise.remote("aggregate")))) as AggregateError;
    expect(aggregate.errors.map((each: Error) => [each.name, each.message])).toEqual([
      ["RangeError", "a"],
      ["TypeError", "b"],
    ]);
  });

  it("may be values too: put, passed and returned", async () => {
    const error = await get(put(new PaymentError("a value", 3)));
    expect([error instanceof PaymentError, isTaskError(error)]).toEqual([true, false]);
    const pass = remote((given: Error) => given.message);
    expect(await get(pass.remote(error))).toBe("a value");
  });

  it("are large without harm", async () => {
    const big = remote(() => {
      throw new PaymentError("x".repeat(300_000), 1);
    });
    expect((await rejection(get(big.remote()))).message.length).toBe(300_000);
  });
});

/** Where `pay` throws, in this file. */
const lineOfThrow = 28;
