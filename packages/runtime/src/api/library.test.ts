import { runProgram } from "@iono/testing";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("map, Queue and ActorPool work on a local cluster", async () => {
  const file = fileURLToPath(new URL("fixtures/library-program.ts", import.meta.url));
  const { stdout, stderr, exitCode } = await runProgram({ file });
  expect({ exitCode, stdout: stdout.slice(0, 1), stderr }).toMatchObject({ exitCode: 0, stdout: "{" });
  expect(stderr).toMatch(/^map done: 3 in /);
  const full = "the queue holds 2 of at most 2 items";
  expect(JSON.parse(stdout)).toEqual({
    maps: {
      tasks: [10, 20, 30],
      unordered: 3,
      actors: [2, 4, 6],
      replaced: [1, 3],
      broken: expect.stringMatching(/^IonoError ActorDied .*no model/),
      failed: "RangeError  bad 1",
      short: expect.stringMatching(
        /^IonoError WrongResultCount map with batch: the function was given 2 items/,
      ),
      left: [1, 2, 3, 4, 5],
      freed: { done: true },
    },
    queues: {
      fromTask: 42,
      cancelled: expect.stringMatching(/^IonoError TaskCancelled /),
      full: `IonoError QueueFull ${full}`,
      items: [1, 2],
      empty: "IonoError QueueEmpty the queue holds 0 of at most 2 items after 10ms",
      aborted: "Error  enough",
      many: true,
      last: "IonoError QueueShutDown the queue was shut down",
      after: "IonoError QueueShutDown the queue was shut down, or its actor died",
    },
    pools: { mapped: [2, 4, 6, 8], taken: [10, 12, 14], free: true },
  });
});
