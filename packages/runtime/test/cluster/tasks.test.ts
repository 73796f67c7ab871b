/** The same program on several nodes: tasks. */
import { startCluster, type TestCluster } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cancel, get, init, nodes, remote, runtimeContext, shutdown } from "../../src/index.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster([{ cpus: 1 }, { cpus: 1, labels: { zone: "b" }, resources: { disk: 1 } }]);
  await init({ address: cluster.address, token: cluster.token });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

const where = remote(() => runtimeContext().nodeId);

describe("tasks on several nodes", () => {
  test("run on all of them when there are many", async () => {
    const slow = remote(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return runtimeContext().nodeId;
    });
    const ids = await get(Array.from({ length: 200 }, () => slow.remote()));
    expect(new Set(ids)).toEqual(new Set(["node-1", "node-2"]));
  }, 60_000);

  test("go where their resources are", async () => {
    expect(await get(where.options({ resources: { disk: 1 } }).remote())).toBe("node-2");
  }, 60_000);

  test("go to the node that is named, by name or id", async () => {
    const named = [{ node: "node-a" }, { node: "node-b" }, { node: "node-2" }];
    const refs = named.map((scheduling) => where.options({ scheduling }).remote());
    expect(await get(refs)).toEqual(["node-1", "node-2", "node-2"]);
  }, 60_000);

  test("go where the labels are", async () => {
    expect(await get(where.options({ scheduling: { labels: { zone: "in(b)" } } }).remote())).toBe("node-2");
  }, 60_000);

  test("that name a node which is not there fail", async () => {
    const lost = where.options({ scheduling: { node: "nowhere" } }).remote();
    await expect(get(lost, { timeout: "20s" })).rejects.toMatchObject({ code: "Infeasible" });
  }, 60_000);

  test("throw the user's error, with the node it came from", async () => {
    const fails = remote(() => {
      throw new RangeError("too far");
    });
    const ref = fails.options({ scheduling: { node: "node-b" } }).remote();
    await expect(get(ref)).rejects.toMatchObject({ message: "too far", remote: { node: "node-2" } });
  }, 60_000);

  test("take refs of tasks of other nodes", async () => {
    const add = remote((a: number, b: number) => a + b);
    const on = (node: string) => add.options({ scheduling: { node } });
    const first = on("node-a").remote(1, 2);
    const second = on("node-b").remote(first, 10);
    expect(await get(on("node-a").remote(second, first))).toBe(16);
  }, 60_000);

  test("have children on other nodes", async () => {
    const child = remote((x: number) => [runtimeContext().nodeId, x * 2] as const);
    const parent = remote(async (x: number) =>
      get(child.options({ scheduling: { node: "node-a" } }).remote(x)),
    );
    expect(await get(parent.options({ scheduling: { node: "node-b" } }).remote(21))).toEqual(["node-1", 42]);
  }, 60_000);

  test("are cancelled", async () => {
    const forever = remote(async () => {
      const { signal } = runtimeContext();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const ref = forever.options({ scheduling: { node: "node-b" } }).remote();
    cancel(ref);
    await expect(get(ref)).rejects.toMatchObject({ code: "TaskCancelled" });
    // Its place is free again.
    expect(await get(where.options({ scheduling: { node: "node-b" } }).remote())).toBe("node-2");
  }, 60_000);

  test("yield items of a generator", async () => {
    const count = remote(function* (n: number) {
      for (let i = 0; i < n; i++) yield i;
    });
    const items: number[] = [];
    for await (const item of count.options({ scheduling: { node: "node-b" } }).remote(50))
      items.push(await get(item));
    expect(items).toEqual(Array.from({ length: 50 }, (_, i) => i));
  }, 60_000);

  test("whose worker is killed run again", async () => {
    const dies = remote(() => {
      if (runtimeContext().attempt === 0) process.kill(process.pid, "SIGKILL");
      return runtimeContext().attempt;
    });
    expect(await get(dies.options({ scheduling: { node: "node-b" } }).remote())).toBe(1);
  }, 60_000);

  test("see the cluster's nodes", async () => {
    const named = (await nodes()).map(({ id }) => id);
    expect(named).toEqual(expect.arrayContaining(["node-1", "node-2"]));
  }, 60_000);
});
