import { afterAll, beforeAll, expect, it } from "vitest";
import { get, init, remote, shutdown } from "../../src/index.ts";
import { agentStatus, controlPath } from "../scheduling/agent-status.ts";

let path: string;

beforeAll(async () => {
  await init({ numCpus: 2, numGpus: 1, resources: { disk: 1 } });
  path = await controlPath();
});

afterAll(() => shutdown());

it("workers are killed all the time: every task gives its result, and nothing stays held", async () => {
  const leaf = async (i: number): Promise<number> => {
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, i % 17));
    return i;
  };
  const leaves = [
    remote(leaf, { retries: -1 }),
    remote(leaf, { retries: -1, numCpus: 2 }),
    remote(leaf, { retries: -1, numCpus: 0.5 }),
    remote(leaf, { retries: -1, numCpus: 0.25, resources: { disk: 1 } }),
    remote(leaf, { retries: -1, numCpus: 0, numGpus: 0.5, maxCalls: 0 }),
  ];
  const nested = remote(
    async (i: number): Promise<number> => {
      const children = [leaves[0].remote(i), leaves[2].remote(i + 1)];
      const [a, b] = await get(children);
      return b - a + i - 1;
    },
    { retries: -1 },
  );
  const count = 400;
  const refs = Array.from({ length: count }, (_, i) =>
    (i % 7 === 6 ? nested : leaves[i % leaves.length]).remote(i),
  );
  const all = get(refs);
  let isOver = false;
  void all.finally(() => (isOver = true));
  let killed = 0;
  for (let round = 0; !isOver && round < 40; round++) {
    const { workers } = await agentStatus(path);
    const victim = workers[(round * 7) % workers.length];
    try {
      if (victim !== undefined && victim.pid > 0) process.kill(victim.pid, "SIGKILL");
      killed++;
    } catch {
      // It had ended already.
    }
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(await all).toEqual(Array.from({ length: count }, (_, i) => i));
  expect(killed).toBeGreaterThan(3);
  await expect.poll(async () => (await agentStatus(path)).demand, { timeout: 5000 }).toEqual([]);
  // What idle workers of shapes hold is given to whoever asks: two CPUs and the GPU can be had at once.
  expect(
    await get(remote(() => "all of it", { numCpus: 2, numGpus: 1, resources: { disk: 1 } }).remote()),
  ).toBe("all of it");
});
