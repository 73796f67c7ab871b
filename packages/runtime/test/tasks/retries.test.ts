import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, remote, runtimeContext, shutdown } from "../../src/index.ts";
import { note, notes, rejection, removeSignals, signalFolder } from "./signals.ts";

const folder = signalFolder();
beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

class Transient extends Error {
  readonly attempt: number;

  constructor(attempt: number) {
    super(`attempt ${attempt}`);
    this.attempt = attempt;
  }
}

/** Fails until `goodAttempt`. */
function flaky(list: string, goodAttempt: number): number {
  const { attempt } = runtimeContext();
  note(folder, list, String(attempt));
  if (attempt < goodAttempt) throw new Transient(attempt);
  return attempt;
}

describe("retries of application errors", () => {
  it("do not happen by default (C6)", async () => {
    const error = await rejection(get(remote(flaky).remote("default", 1)));
    expect([error instanceof Transient, notes(folder, "default")]).toEqual([true, ["0"]]);
  });

  it("happen for every error with true, up to retries (C7)", async () => {
    expect(await get(remote(flaky, { retryOn: true, retries: 2 }).remote("true", 2))).toBe(2);
    expect(notes(folder, "true")).toEqual(["0", "1", "2"]);
    const error = await rejection(get(remote(flaky, { retryOn: true, retries: 2 }).remote("too often", 9)));
    expect([error.message, error.remote?.["attempt"]]).toEqual(["attempt 2", 2]);
    expect(notes(folder, "too often")).toEqual(["0", "1", "2"]);
  });

  it("happen only for the classes that are named (C7)", async () => {
    expect(await get(remote(flaky, { retryOn: [RangeError, Transient] }).remote("class", 1))).toBe(1);
    await rejection(get(remote(flaky, { retryOn: [RangeError] }).remote("other class", 1)));
    expect([notes(folder, "class"), notes(folder, "other class")]).toEqual([["0", "1"], ["0"]]);
  });

  it("happen when the predicate says so; one that throws says no", async () => {
    const early = (error: unknown): boolean => error instanceof Transient && error.attempt < 2;
    expect(
      (await rejection(get(remote(flaky, { retryOn: early, retries: 9 }).remote("predicate", 9)))).message,
    ).toBe("attempt 2");
    expect(notes(folder, "predicate")).toEqual(["0", "1", "2"]);
    const broken = (): boolean => {
      throw new Error("the predicate");
    };
    expect((await rejection(get(remote(flaky, { retryOn: broken }).remote("broken", 1)))).message).toBe(
      "attempt 0",
    );
  });

  it("do not happen with retries: 0, and go on without limit with -1 (C7)", async () => {
    await rejection(get(remote(flaky, { retryOn: true, retries: 0 }).remote("none", 1)));
    expect(notes(folder, "none")).toEqual(["0"]);
    expect(await get(remote(flaky, { retryOn: true, retries: -1 }).remote("unlimited", 20))).toBe(20);
  });

  it("wait for retryDelay", async () => {
    const times = remote(
      () => {
        note(folder, "times", String(performance.timeOrigin + performance.now()));
        if (runtimeContext().attempt === 0) throw new Error("first");
        return 1;
      },
      { retryOn: true, retryDelay: "60ms" },
    );
    await get(times.remote());
    const [first, second] = notes(folder, "times").map(Number);
    expect(second - first).toBeGreaterThan(50);
  });

  it("happen for async functions and results that cannot travel alike", async () => {
    const later = remote(
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        const { attempt } = runtimeContext();
        if (attempt === 0) throw new Transient(0);
        return attempt === 1 ? { p: Promise.resolve() } : attempt;
      },
      { retryOn: true },
    );
    expect(await get(later.remote())).toBe(2);
  });

  it("are for errors of the task, not of its arguments", async () => {
    const failing = remote((): number => {
      throw new Transient(0);
    });
    const dependent = remote((x: number) => note(folder, "dependent", String(x)), { retryOn: true });
    await rejection(get(dependent.remote(failing.remote())));
    expect(notes(folder, "dependent")).toEqual([]);
  });
});
