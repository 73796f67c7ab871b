/** Objects that are on one node and wanted on another. */
import { startCluster, type TestCluster } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { free, get, init, put, remote, runtimeContext, shutdown, type ObjectRef } from "../../src/index.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster([
    { cpus: 1, objectStore: "96MiB" },
    { cpus: 1, objectStore: "96MiB" },
  ]);
  await init({ address: cluster.address, token: cluster.token, objectStore: "256MiB" });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

const onA = { scheduling: { node: "node-a" } } as const;
const onB = { scheduling: { node: "node-b" } } as const;
const sum = remote((values: Float64Array) => values.reduce((total, each) => total + each, 0));
const make = remote((length: number, value: number) => new Float64Array(length).fill(value));
const million = 1_000_000;

describe("objects on several nodes", () => {
  test("of the driver are arguments of tasks on every node", async () => {
    const ref = put(new Float64Array(million).fill(2));
    const sums = [sum.options(onA).remote(ref), sum.options(onB).remote(ref), sum.options(onA).remote(ref)];
    expect(await get(sums)).toEqual([2 * million, 2 * million, 2 * million]);
  }, 60_000);

  test("that a task returns are read by the driver and by tasks elsewhere", async () => {
    const made = make.options(onA).remote(million, 3);
    expect(await get(sum.options(onB).remote(made))).toBe(3 * million);
    const values = await get(made);
    expect([values.length, values[0], values[million - 1]]).toEqual([million, 3, 3]);
  }, 60_000);

  test("travel inside values as refs", async () => {
    const made = make.options(onA).remote(million, 1);
    const first = remote(async ({ list }: { list: ObjectRef<Float64Array>[] }) => (await get(list[0]))[5]);
    expect(await get(first.options(onB).remote({ list: [made] }))).toBe(1);
  }, 60_000);

  test("put by a task live on while its ref does, wherever that goes", async () => {
    const puts = remote(() => ({
      ref: put(new Float64Array(million).fill(7)),
      node: runtimeContext().nodeId,
    }));
    const { ref, node } = await get(puts.options(onB).remote());
    expect(node).toBe("node-2");
    expect(await get(sum.options(onA).remote(ref))).toBe(7 * million);
    expect((await get(ref))[0]).toBe(7);
  }, 60_000);

  test("do not overfill a store that is smaller than all of them", async () => {
    // 20 × 8 MB of arguments, one after the other, and 24 × 8 MB of results in a store of 96 MiB: some go to disk.
    const refs = Array.from({ length: 24 }, (_, i) => make.options(onA).remote(million, i));
    const sums = await get(refs.map((ref) => sum.options(onB).remote(ref)));
    expect(sums).toEqual(Array.from({ length: 24 }, (_, i) => i * million));
  }, 90_000);

  test("draw tasks to the node that has them", async () => {
    const where = remote((values: Float64Array) => [runtimeContext().nodeId, values.length]);
    for (const [on, id] of [
      [onA, "node-1"],
      [onB, "node-2"],
    ] as const) {
      const made = make.options(on).remote(million, 1);
      await get(sum.options(on).remote(made));
      // Soon: until others have let go of the node's CPU it is as well to run elsewhere.
      await expect.poll(async () => (await get(where.remote(made)))[0], { timeout: 20_000 }).toBe(id);
    }
  }, 60_000);

  test("that were freed are lost for those elsewhere too", async () => {
    const made = make.options(onA).remote(million, 1);
    await get(sum.options(onA).remote(made));
    free(made);
    await expect(get(made)).rejects.toMatchObject({ code: "ObjectFreed" });
  }, 60_000);
});
