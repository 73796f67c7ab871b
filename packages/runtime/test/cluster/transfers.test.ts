/** One object for many nodes: who sends it, and what becomes of it when a node is lost meanwhile. */
import { startCluster, type TestCluster, type TestNode } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { get, init, nodes, remote, shutdown, wait } from "../../src/index.ts";

let cluster: TestCluster;
let source: TestNode;
let readers: readonly TestNode[];

const small = { cpus: 1, objectStore: "64MiB", maxWorkers: 2 } as const;
const on = (node: TestNode) => ({ scheduling: { node: node.name } }) as const;
const make = remote((length: number, value: number) => new Float64Array(length).fill(value));
const sum = remote((values: Float64Array) => values.reduce((total, each) => total + each, 0));
const length = 2_000_000;
const bytes = 8 * length;

beforeAll(async () => {
  cluster = await startCluster([small, { ...small, isProxied: true }]);
  source = cluster.nodes[1];
  readers = await Promise.all(Array.from({ length: 7 }, () => cluster.add(small)));
  await init({ address: cluster.address, token: cluster.token, objectStore: "64MiB" });
  // Every node has a worker, so that all ask at about the same time.
  await get(readers.map((node) => sum.options(on(node)).remote(new Float64Array(1))));
}, 120_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

async function movedBytes(): Promise<ReadonlyMap<string, { receivedBytes: number; sentBytes: number }>> {
  return new Map((await nodes()).map(({ name, moved }) => [name, moved]));
}

describe("one object for eight nodes", () => {
  test("leaves its node about once: those that have some of it pass it on", async () => {
    const ref = make.options(on(source)).remote(length, 1);
    await wait([ref]);
    const before = source.proxy?.counters.toTarget.received ?? 0;
    const sums = [...readers, cluster.nodes[0]].map((node) => sum.options(on(node)).remote(ref));
    expect(await get(sums)).toEqual(sums.map(() => length));
    const sent = (source.proxy?.counters.toTarget.received ?? 0) - before;
    expect(sent / bytes).toBeGreaterThan(1);
    expect(sent / bytes).toBeLessThan(1.3);
    const moved = await movedBytes();
    for (const { name } of readers) {
      // Once, with what an encoding adds to it.
      const received = (moved.get(name)?.receivedBytes ?? 0) / bytes;
      expect(received).toBeGreaterThanOrEqual(1);
      expect(received).toBeLessThan(1.01);
    }
  }, 60_000);

  test("arrives at the others when one that passes it on is killed meanwhile", async () => {
    const ref = make.options(on(source)).remote(length, 2);
    await wait([ref]);
    // Slow enough that it is still on its way: 16 MB at 8 MB/s.
    source.proxy?.set({ bytesPerSecond: bytes / 2 }, "toTarget");
    const [first, ...others] = readers;
    const before = (await movedBytes()).get(first.name)?.receivedBytes ?? 0;
    sum.options({ ...on(first), retries: 0 }).remote(ref);
    await expect
      .poll(async () => (await movedBytes()).get(first.name)?.receivedBytes, {
        timeout: 20_000,
        interval: 20,
      })
      .toBeGreaterThan(before);
    const sums = others.map((node) => sum.options(on(node)).remote(ref));
    first.supervisor.kill("SIGKILL");
    expect(await get(sums)).toEqual(others.map(() => 2 * length));
    source.proxy?.heal();
  }, 90_000);
});
