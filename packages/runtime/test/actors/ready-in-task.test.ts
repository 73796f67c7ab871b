import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, remote, shutdown } from "../../src/index.ts";

beforeAll(async () => {
  await init({ numCpus: 1 });
});
afterAll(shutdown);

const seed = remote(() => 20);
class Sum {
  readonly total: number;
  constructor(first: number) {
    this.total = first;
  }
  plus(x: number): number {
    return this.total + x;
  }
}

describe("handle.ready() in a task", () => {
  it("gives up the task's CPU, which the actor needs to start", async () => {
    const whole = remote(Sum, { numCpus: 1 });
    const parent = remote(async () => {
      const sum = whole.remote(1);
      await sum.ready();
      return get(sum.plus.remote(2));
    });
    expect(await get(parent.remote())).toBe(3);
  });

  it("lets a child task run that the constructor waits for", async () => {
    const parent = remote(async () => {
      const sum = remote(Sum, { numCpus: 0 }).remote(seed.remote());
      await sum.ready();
      return get(sum.plus.remote(2));
    });
    expect(await get(parent.remote())).toBe(22);
  });
});
