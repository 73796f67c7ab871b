/** Copies of objects on several nodes: who keeps what, and what a lost node takes with it. */
import { startCluster, type TestCluster } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { get, init, objectLocations, put, remote, runtimeContext, shutdown, wait } from "../../src/index.ts";
import type { ObjectRef } from "../../src/index.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster([{ cpus: 1 }, { cpus: 1 }, { cpus: 1, maxWorkers: 1 }]);
  await init({ address: cluster.address, token: cluster.token });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

const on = (node: string) => ({ scheduling: { node } }) as const;
const make = remote((length: number, value: number) => new Float64Array(length).fill(value));
const read = remote((values: Float64Array) => [runtimeContext().nodeId, values.length, values.at(-1)]);
const million = 1_000_000;

describe("copies of objects", () => {
  test("reach every node from one that has the object", async () => {
    const ref = put(new Float64Array(3 * million).fill(4));
    const nodes = ["node-a", "node-b", "node-c"];
    const results = await get(nodes.map((node) => read.options(on(node)).remote(ref)));
    expect(results).toEqual([1, 2, 3].map((node) => [`node-${node}`, 3 * million, 4]));
  }, 60_000);

  test("are not what keeps the object: an actor elsewhere with a ref does", async () => {
    const Keeper = remote(
      class {
        kept: ObjectRef<Float64Array>[] = [];
        keep(list: ObjectRef<Float64Array>[]) {
          this.kept = list;
        }
        async first() {
          return (await get(this.kept[0]))[0];
        }
      },
    );
    const keeper = Keeper.options(on("node-b")).remote();
    const given = await (async () => {
      const ref = make.options(on("node-a")).remote(million, 11);
      await get(keeper.keep.remote([ref]));
      const [location] = await objectLocations([ref]);
      ref[Symbol.dispose]();
      return location;
    })();
    expect(given).toMatchObject({ state: "store", nodes: ["node-1"] });
    expect(await get(keeper.first.remote())).toBe(11);
  }, 60_000);

  test("of an argument are used again by the next task", async () => {
    const ref = make.options(on("node-b")).remote(million, 2);
    for (let i = 0; i < 5; i++)
      expect(await get(read.options(on("node-c")).remote(ref))).toEqual(["node-3", million, 2]);
  }, 60_000);

  test("that are on their way do not keep a worker from other tasks", async () => {
    const onC = on("node-c");
    const where = remote(() => runtimeContext().nodeId);
    const large = make.options(on("node-a")).remote(10 * million, 1);
    const small = make.options(on("node-a")).remote(100, 1);
    await get([where.options(onC).remote(), read.options(onC).remote(small)]);
    await wait([large]);
    const slow = read.options(onC).remote(large);
    const quick = where.options(onC).remote();
    const { ready } = await wait([slow, quick], { count: 1 });
    expect(ready).toEqual([quick]);
    expect(await get(slow)).toEqual(["node-3", 10 * million, 1]);
  }, 60_000);

  test("that do not come in time are a timeout of the get, which goes on to be possible", async () => {
    const ref = make.options(on("node-c")).remote(4 * million, 6);
    await wait([ref]);
    await expect(get(ref, { timeout: 0 })).rejects.toMatchObject({ code: "GetTimeout" });
    expect((await get(ref, { timeout: "30s" }))[7]).toBe(6);
  }, 60_000);

  test("that nobody has read are lost with the only node that had the object; others stay", async () => {
    const node = await cluster.add({ cpus: 1 });
    const lost = make.options(on(node.name)).remote(million, 1);
    const copied = make.options(on(node.name)).remote(million, 9);
    await wait([lost], { count: 1 });
    expect((await get(copied))[0]).toBe(9);
    node.supervisor.kill("SIGKILL");
    await expect(get(lost, { timeout: "40s" })).rejects.toMatchObject({
      code: "ObjectLost",
      message: expect.stringContaining("node-"),
    });
    expect((await get(copied))[million - 1]).toBe(9);
  }, 90_000);
});
