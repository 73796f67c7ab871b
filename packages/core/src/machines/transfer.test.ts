import { describe, expect, it } from "vitest";
import { FakeCluster, mebibyte } from "./transfer.test-driver.ts";

const process = 7;
const nothing = { receiving: 0, queued: 0, sending: 0, receivingBytes: 0, unsealed: 0, opens: 0 };

function outcomes(cluster: FakeCluster): string[] {
  return [...cluster.nodes.values()].flatMap((node) => [...node.outcomes.values()]);
}

function expectQuiet(cluster: FakeCluster): void {
  for (const node of cluster.nodes.values()) expect(node.leftovers, `node ${node.node}`).toEqual(nothing);
}

describe("TransferMachine", () => {
  it("brings a copy, holds it for whoever asked, and pulls it once for many", () => {
    const cluster = new FakeCluster(2);
    const object = cluster.node(1).put(3.5 * mebibyte);
    const other = cluster.node(2);
    for (const each of [1, 2, 3]) other.fetch(each, object);
    cluster.settle(1);
    other.fetch(4, object);
    expect(outcomes(cluster)).toEqual(["held", "held", "held", "held"]);
    expect(cluster.node(1).sentBytes).toBe(3.5 * mebibyte);
    expect(other.machine.stats()).toMatchObject({ copies: 1, receivedBytes: 3.5 * mebibyte });
    expectQuiet(cluster);
  });

  it("costs the home one send for many nodes, however they ask", () => {
    for (const together of [true, false]) {
      const cluster = new FakeCluster(17, { receivingBytes: 1000 * mebibyte });
      const object = cluster.node(1).put(64 * mebibyte);
      for (let node = 2; node <= 17; node++) {
        cluster.node(node).fetch(process, object);
        if (!together) for (let i = 0; i < 100; i++) cluster.step(i);
      }
      cluster.settle(3);
      expect(outcomes(cluster)).toEqual(Array.from({ length: 16 }, () => "held"));
      expect(cluster.node(1).sentBytes).toBe(64 * mebibyte);
      expectQuiet(cluster);
    }
  });

  it("sends in a tree when there are more nodes than pieces", () => {
    const cluster = new FakeCluster(40);
    const object = cluster.node(1).put(4 * mebibyte);
    for (let node = 2; node <= 40; node++) cluster.node(node).fetch(process, object);
    cluster.settle(3);
    expect(outcomes(cluster).every((outcome) => outcome === "held")).toBe(true);
    const most = Math.max(...[...cluster.nodes.values()].map((node) => node.sentBytes));
    expect(most).toBeLessThanOrEqual(3 * 4 * mebibyte);
    expectQuiet(cluster);
  });

  it("takes from those who have it when they are lost, refuse or stall, without repeating what is there", () => {
    const cluster = new FakeCluster(4, { receivingBytes: 1000 * mebibyte });
    const object = cluster.node(1).put(32 * mebibyte);
    for (const node of [2, 3, 4]) cluster.node(node).fetch(process, object);
    for (let i = 0; i < 150; i++) cluster.step(i);
    const there = cluster.node(3).machine.stats().receivedBytes;
    expect(there).toBeGreaterThan(0);
    expect(there).toBeLessThan(32 * mebibyte);
    cluster.lose(2);
    cluster.settle();
    expect(outcomes(cluster)).toEqual(["held", "held"]);
    expect(cluster.node(3).machine.stats().receivedBytes).toBe(32 * mebibyte);
    expectQuiet(cluster);
  });

  it("gives up a node that stalls, and asks the home for another", () => {
    const cluster = new FakeCluster(3);
    const object = cluster.node(1).put(8 * mebibyte);
    cluster.node(2).fetch(process, object);
    for (let i = 0; i < 30; i++) cluster.step(i);
    cluster.node(3).fetch(process, object);
    // Node 2 says nothing more.
    const mute = cluster.node(2);
    mute.handle = () => {};
    cluster.settle();
    expect(cluster.node(3).outcomes.get(1)).toBe("held");
  });

  it("says why: freed, lost, unknown, no room, the home gone", () => {
    const cluster = new FakeCluster(3, { receivingCount: 1 });
    const home = cluster.node(1);
    const reader = cluster.node(2);
    const freed = home.put(mebibyte);
    home.free(freed.block);
    reader.fetch(process, freed);
    reader.fetch(process, { home: 1, block: 99, generation: 1, sizeBytes: 10 });
    cluster.settle(2);
    const third = home.put(2 * mebibyte);
    reader.fetch(process, third);
    reader.finishAllocation(0, "outOfDisk");
    reader.fetch(process, third);
    cluster.lose(1);
    reader.fetch(process, third);
    cluster.settle(2);
    expect([...reader.outcomes.values()]).toEqual(["freed", "stale", "outOfDisk", "nodeLost", "nodeLost"]);
    expectQuiet(cluster);
  });

  it("gives up waiting for room when the store makes no progress, here and at the home", () => {
    const cluster = new FakeCluster(2);
    const object = cluster.node(1).put(mebibyte);
    const reader = cluster.node(2);
    reader.finishAllocation = ((finish) => (index: number, reason?: "full") => {
      if (reason !== undefined) finish(index, reason);
    })(reader.finishAllocation.bind(reader));
    reader.fetch(process, object);
    for (let i = 0; i < 15; i++) cluster.tick(1_000);
    cluster.step(0);
    expect(reader.outcomes.get(1)).toBe("full");
    expect(reader.leftovers).toEqual(nothing);
  });

  it("tells those who have copies that the object is gone", () => {
    const cluster = new FakeCluster(2);
    const object = cluster.node(1).put(100);
    const reader = cluster.node(2);
    reader.fetch(process, object);
    cluster.settle(1);
    cluster.node(1).free(object.block);
    cluster.settle(1);
    expect(reader.machine.stats().copies).toBe(0);
    reader.fetch(process, object);
    cluster.settle(1);
    expect(reader.outcomes.get(2)).toBe("freed");
  });

  it("receives what running tasks wait for first, and no more at once than allowed", () => {
    const cluster = new FakeCluster(2, { receivingBytes: 4 * mebibyte });
    const home = cluster.node(1);
    const reader = cluster.node(2);
    const sizes = [3, 3, 3, 20].map((size) => home.put(size * mebibyte));
    reader.fetch(1, sizes[0], false);
    reader.fetch(2, sizes[1], false);
    reader.fetch(3, sizes[3], false);
    reader.fetch(4, sizes[2], true);
    cluster.settle(1);
    expect([...reader.outcomes.keys()]).toEqual([1, 4, 2, 3]);
    expectQuiet(cluster);
  });

  it("stops receiving when nobody waits any more", () => {
    const cluster = new FakeCluster(2);
    const object = cluster.node(1).put(64 * mebibyte);
    cluster.node(2).fetch(process, object);
    for (let i = 0; i < 20; i++) cluster.step(i);
    cluster.node(2).handle({ kind: "processEnded", process });
    cluster.settle(1);
    expect(cluster.node(1).sentBytes).toBeLessThan(64 * mebibyte);
    expectQuiet(cluster);
  });
});
