import { existsSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { get, init, remote, shutdown } from "../../src/index.ts";

afterEach(shutdown);

// A process that has ended stays in /proc until its parent has asked how: the agent, or nobody at all.
describe.runIf(process.platform === "linux")("the processes of a program", () => {
  it("are gone, not even zombies, when shutdown has resolved", async () => {
    await init({ numCpus: 3 });
    class Where {
      pid(): number {
        return process.pid;
      }
    }
    const actors = [1, 2, 3].map(() => remote(Where).remote());
    const pids = await get(actors.map((actor) => actor.pid.remote()));
    pids.push(...(await get([1, 2, 3].map(() => remote(() => process.pid, { numCpus: 0 }).remote()))));
    pids.push(await get(remote(() => process.ppid, { numCpus: 0 }).remote()));
    expect(pids.every((pid) => existsSync(`/proc/${pid}`))).toBe(true);
    await shutdown();
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });
});
