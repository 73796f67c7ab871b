/** Nodes that end and come back. */
import { startCluster, type TestCluster } from "@iono/testing";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { get, init, nodes, remote, runtimeContext, shutdown } from "../../src/index.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster([{ cpus: 1 }, { cpus: 1 }]);
  await init({ address: cluster.address, token: cluster.token });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

/** The agent that a supervisor has started. */
function agentOf(supervisor: number): number {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, "utf8"))?.[1]);
      const title = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (parent === supervisor && title.startsWith("iono agent")) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return 0;
}

const where = remote(() => runtimeContext().nodeId);
const onB = { scheduling: { node: "node-b" } } as const;

describe("a node whose agent is killed", () => {
  test("joins anew at once, under its name, and its tasks run again", async () => {
    const [, b] = cluster.nodes;
    expect(await get(where.options(onB).remote())).toBe("node-2");
    const dies = remote((supervisor: number, agent: number) => {
      if (runtimeContext().attempt > 0) return [runtimeContext().nodeId, supervisor] as const;
      process.kill(agent, "SIGKILL");
      for (;;);
    });
    const supervisor = b.supervisor.pid ?? 0;
    const [node] = await get(dies.options({ ...onB, retries: 5 }).remote(supervisor, agentOf(supervisor)));
    expect(node).not.toBe("node-2");
    expect(node).not.toBe("node-1");
    const names = (await nodes()).map(({ name }) => name);
    expect(names.toSorted()).toEqual(["node-a", "node-b"]);
  }, 60_000);
});

describe("infeasible work", () => {
  test("waits, and runs when a node that fits joins", async () => {
    const ref = where.options({ resources: { rocket: 1 } }).remote();
    await expect(get(ref, { timeout: "300ms" })).rejects.toMatchObject({ code: "GetTimeout" });
    const late = await cluster.add({ name: "late", resources: { rocket: 1 } });
    expect(await get(ref)).toBe(`node-${late.node.toString(36)}`);
  }, 60_000);

  test("of an actor, too", async () => {
    const Pilot = remote(
      class {
        node(): string {
          return runtimeContext().nodeId;
        }
      },
    );
    const pilot = Pilot.options({ resources: { jet: 1 } }).remote();
    const late = await cluster.add({ name: "later", resources: { jet: 1 } });
    expect(await get(pilot.node.remote())).toBe(`node-${late.node.toString(36)}`);
  }, 60_000);
});
