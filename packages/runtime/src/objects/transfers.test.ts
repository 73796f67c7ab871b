import { describe, expect, it } from "vitest";
import { TestNodes, type TestNode } from "./testing/nodes.ts";

const mebibyte = 1024 * 1024;

function expectNothingLeft(nodes: TestNodes): void {
  expect(nodes.leftovers()).toEqual([...nodes.all.keys()].map((node) => ({ node, under: 0 })));
}

/** Everything that processes hold is let go; then only unpinned copies may be left. */
async function expectEmpty(nodes: TestNodes): Promise<void> {
  for (const node of nodes.all.values()) {
    for (const count of [1, 2, 3]) {
      node.store.processDied(node.process(count));
      node.transfers.processEnded(node.process(count));
    }
  }
  await nodes.settle();
  expectNothingLeft(nodes);
  for (const { store } of nodes.all.values()) {
    // The disk may still be writing what has just been let go.
    await expect.poll(() => stillUsed(store)).toEqual({ pinned: 0, diskBytes: 0, waiting: 0 });
  }
}

function stillUsed(store: TestNode["store"]): object {
  const { usedBytes, cachedBytes, diskBytes, waiting } = store.stats();
  return { pinned: usedBytes - cachedBytes, diskBytes, waiting };
}

describe("Transfers", () => {
  it("bring 64 MiB to 8 nodes for little more than one send of the source, in little more than its time", async () => {
    await using nodes = new TestNodes();
    const size = 64 * mebibyte;
    const home = nodes.add(1, 80 * mebibyte);
    const readers: TestNode[] = [];
    for (let node = 2; node <= 9; node++) readers.push(nodes.add(node, 80 * mebibyte));
    const location = await home.put(size, 1);
    const fetches = readers.map((node) => node.transfers.fetch(location, node.process(1), "argument"));
    const { rounds, value: copies } = await nodes.run(Promise.all(fetches));
    expect(home.sentBytes).toBeLessThan(1.05 * size);
    expect(rounds).toBeLessThan(1.3 * 64);
    for (const [i, node] of readers.entries()) {
      expect(copies[i].node).toBe(node.node);
      expect(await node.has(copies[i], 1)).toBe(true);
    }
    await nodes.settle();
    expectNothingLeft(nodes);
    await expectEmpty(nodes);
  }, 60_000);

  it("pull an object once for all who want it, and use the copy again as long as it is there", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const location = await home.put(5 * mebibyte + 3, 2);
    const fetch = (count: number): ReturnType<typeof reader.transfers.fetch> =>
      reader.transfers.fetch(location, reader.process(count), "read");
    const { value } = await nodes.run(Promise.all([fetch(1), fetch(2), fetch(2)]));
    expect(new Set(value.map(({ block }) => block)).size).toBe(1);
    const sent = home.sentBytes;
    const local = reader.store.local;
    local.letGo(value[0], reader.process(1));
    local.letGo(value[0], reader.process(2));
    expect(reader.store.stats().cachedBytes).toBeGreaterThan(5 * mebibyte);
    const again = await fetch(3);
    expect(again.block).toBe(value[0].block);
    expect(await reader.has(again, 2)).toBe(true);
    expect(home.sentBytes).toBe(sent);
    await expectEmpty(nodes);
  });

  it("hold objects for processes elsewhere until those release them, end, or their node is lost", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 16 * mebibyte);
    const other = nodes.add(2, 16 * mebibyte);
    nodes.add(3, 16 * mebibyte);
    const third = nodes.node(3);
    const location = await home.put(mebibyte, 3);
    const holds = [1, 2].map((count) => other.transfers.hold(location, other.process(count)));
    await nodes.run(Promise.all([...holds, third.transfers.hold(location, third.process(1))]));
    home.store.local.letGo(location, home.process(1));
    const isThere = (): boolean => home.store.stats().blocks > 0;
    other.transfers.release(location, other.process(1));
    await nodes.settle();
    expect(isThere()).toBe(true);
    other.transfers.processEnded(other.process(2));
    await nodes.settle();
    expect(isThere()).toBe(true);
    await nodes.lose(3);
    expect(isThere()).toBe(false);
    const late = other.transfers.hold(location, other.process(3));
    await expect(nodes.run(late)).rejects.toMatchObject({ code: "ObjectLost" });
    await expectEmpty(nodes);
  });

  it("write results for a process of another node that was introduced", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 16 * mebibyte);
    const owner = nodes.add(2, 16 * mebibyte);
    owner.transfers.meet(owner.process(1), 1);
    await nodes.settle();
    const location = await home.store.local.allocate(mebibyte, owner.process(1));
    home.store.local.seal(location);
    expect(home.store.stats().blocks).toBe(1);
    owner.transfers.release(location, owner.process(1));
    await nodes.settle();
    expect(home.store.stats().blocks).toBe(0);
  });

  it("go on from another node when the one that sends is lost", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 128 * mebibyte);
    for (const node of [2, 3, 4]) nodes.add(node, 128 * mebibyte);
    const location = await home.put(48 * mebibyte, 4);
    const fetch = (node: number): Promise<unknown> =>
      nodes.node(node).transfers.fetch(location, nodes.node(node).process(1), "argument");
    const lost = fetch(2);
    lost.catch(() => {});
    const rest = Promise.all([fetch(3), fetch(4)]);
    let isLost = false;
    await nodes.run(rest, (round) => {
      if (round !== 20) return;
      isLost = true;
      void nodes.lose(2);
    });
    expect(isLost).toBe(true);
    await expect(lost).rejects.toMatchObject({ code: "ShutDown" });
    expect(nodes.node(3).transfers.stats().receivedBytes).toBe(48 * mebibyte);
    expect(home.sentBytes).toBeLessThan(1.5 * 48 * mebibyte);
    await expectEmpty(nodes);
  });

  it("do again what was on a link that ended", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const location = await home.put(24 * mebibyte, 13);
    const holding = reader.transfers.hold(location, reader.process(2));
    await Promise.resolve();
    nodes.reconnect(1, 2); // with the hold on its way
    const fetching = reader.transfers.fetch(location, reader.process(1), "read");
    const { value } = await nodes.run(Promise.all([fetching, holding]), (round) => {
      if (round % 7 === 0) nodes.reconnect(1, 2); // with pieces on their way
    });
    expect(await reader.has(value[0], 13)).toBe(true);
    expect(home.sentBytes).toBeLessThan(3 * 24 * mebibyte);
    home.store.local.letGo(location, home.process(1));
    expect(home.store.stats().blocks).toBe(1); // held for the reader
    await expectEmpty(nodes);
  });

  it("say which node an object was lost with", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const location = await home.put(8 * mebibyte, 5);
    const fetching = reader.transfers.fetch(location, reader.process(1), "read");
    const holding = reader.transfers.hold(location, reader.process(1));
    for (let i = 0; i < 3; i++) nodes.round();
    await nodes.lose(1, "no answer for 10 s");
    for (const promise of [fetching, holding]) {
      await expect(promise).rejects.toMatchObject({
        code: "ObjectLost",
        message: expect.stringMatching(/of node-1 .*no answer for 10 s/),
      });
    }
    await expect(reader.transfers.fetch(location, reader.process(1), "read")).rejects.toThrow("node-1");
    await expectEmpty(nodes);
  });

  it("send what is on the disk of its home", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 16 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const locations = [];
    for (let i = 0; i < 4; i++) locations.push(await home.put(6 * mebibyte, 10 + i));
    expect(home.store.stats().diskBytes).toBeGreaterThan(0);
    const fetches = locations.map((each) => reader.transfers.fetch(each, reader.process(1), "argument"));
    const { value } = await nodes.run(Promise.all(fetches));
    for (const [i, copy] of value.entries()) expect(await reader.has(copy, 10 + i)).toBe(true);
    await expectEmpty(nodes);
  });

  it("wait for room in the store, and fail when none comes", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 16 * mebibyte, { fullMs: 1_500 });
    const [first, second] = [await home.put(12 * mebibyte, 6), await home.put(12 * mebibyte, 7)];
    const { value: copy } = await nodes.run(reader.transfers.fetch(first, reader.process(1), "argument"));
    const mapped = await reader.store.local.pin(copy);
    const refused = reader.transfers.fetch(second, reader.process(2), "argument");
    await expect(nodes.run(refused)).rejects.toMatchObject({ code: "ObjectStoreFull" });
    const waits = nodes.run(reader.transfers.fetch(second, reader.process(2), "argument"));
    await nodes.settle();
    reader.store.local.unpin(mapped);
    expect(await reader.has((await waits).value, 7)).toBe(true);
    await expect(
      nodes.run(reader.transfers.fetch(await home.put(20 * mebibyte, 8), reader.process(1), "read")),
    ).rejects.toThrow(/larger than the object store/);
    await expectEmpty(nodes);
  });

  it("say that an object was freed, before, while and after it is sent", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const fetch = (location: Awaited<ReturnType<typeof home.put>>): Promise<unknown> =>
      reader.transfers.fetch(location, reader.process(1), "read");
    const whole = await home.put(2 * mebibyte, 9);
    await nodes.run(fetch(whole));
    reader.transfers.free(whole);
    await nodes.settle();
    await expect(nodes.run(fetch(whole))).rejects.toMatchObject({ code: "ObjectLost" });
    const under = await home.put(24 * mebibyte, 9);
    const fetching = fetch(under);
    await expect(
      nodes.run(fetching, (round) => {
        if (round === 4) home.transfers.free(under);
      }),
    ).rejects.toMatchObject({ code: "ObjectFreed" });
    await expectEmpty(nodes);
  });

  it("ask again when a piece arrives damaged", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const location = await home.put(8 * mebibyte, 11);
    let payloads = 0;
    nodes.tamper = (pieces) => {
      if (++payloads === 3) pieces[pieces.length >> 1] ^= 1;
    };
    const { value } = await nodes.run(reader.transfers.fetch(location, reader.process(1), "read"));
    expect(await reader.has(value, 11)).toBe(true);
    await expectEmpty(nodes);
  });

  it("stop when the process that wanted it ends", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    const location = await home.put(48 * mebibyte, 12);
    const fetching = reader.transfers.fetch(location, reader.process(1), "argument");
    const ended = nodes.run(fetching, (round) => {
      if (round === 5) {
        reader.store.processDied(reader.process(1));
        reader.transfers.processEnded(reader.process(1));
      }
    });
    await expect(ended).rejects.toMatchObject({ code: "ShutDown" });
    await nodes.settle();
    expect(home.sentBytes).toBeLessThan(24 * mebibyte);
    expect(reader.store.stats()).toMatchObject({ blocks: 0 });
    await expectEmpty(nodes);
  });

  it("carry many small objects in few payloads", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 64 * mebibyte);
    const reader = nodes.add(2, 64 * mebibyte);
    // Pages that are warm are given at once.
    reader.store.local.letGo(await reader.put(20 * mebibyte, 0), reader.process(1));
    const locations = [];
    for (let i = 0; i < 300; i++) locations.push(await home.put(40_000 + i, i));
    const fetches = locations.map((each) => reader.transfers.fetch(each, reader.process(1), "argument"));
    const { rounds, value } = await nodes.run(Promise.all(fetches));
    expect(rounds).toBeLessThan(60);
    for (const [i, copy] of value.entries()) if (i % 50 === 0) expect(await reader.has(copy, i)).toBe(true);
    await expectEmpty(nodes);
  });

  it("refuse what is no message, and a node that speaks for another's process", async () => {
    await using nodes = new TestNodes();
    const home = nodes.add(1, 16 * mebibyte);
    const stranger = nodes.add(2, 16 * mebibyte).process(1);
    expect(() => home.transfers.onMessages(3, [{ t: "meet", process: stranger }])).toThrow("speaks for");
    for (const messages of [
      null,
      {},
      [null],
      [{ t: "hold" }],
      [{ t: "want", pull: -1 }],
      [{ t: "toString" }],
    ])
      expect(() => home.transfers.onMessages(2, messages)).toThrow(/message/);
    expect(() => home.transfers.onPieces(2, new Uint8Array(30))).toThrow("malformed");
  });
});
