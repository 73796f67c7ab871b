import { describe, expect, it } from "vitest";
import { page, StoreDriver } from "./store.test-driver.ts";

describe("StoreMachine", () => {
  it("uses the pages of a released block again, under another generation, and refuses the stale location", () => {
    const store = new StoreDriver();
    const first = store.put(1, 4);
    store.unpin(1, first, false);
    const second = store.put(1, 4);
    expect(second.offset).toBe(first.offset);
    expect(second.generation).not.toBe(first.generation);
    expect(store.answers.get(store.pin(2, first))).toBe("stale");
    expect(store.log.filter(({ kind }) => kind === "commit")).toHaveLength(1);
  });

  it("keeps the pages of a mapped block when all holds are gone (I2)", () => {
    const store = new StoreDriver();
    const location = store.put(1, 16);
    store.pin(2, location);
    store.unpin(1, location, false);
    expect(store.answers.get(store.allocate(1, 1))).toBe("full");
    store.unpin(2, location);
    expect(typeof store.answers.get(store.allocate(1, 1))).toBe("object");
  });

  it("makes a hole of small warm ranges to commit a large one elsewhere", () => {
    const store = new StoreDriver();
    const blocks = [1, 2, 3, 4].map(() => store.put(1, 4));
    store.unpin(1, blocks[0], false);
    store.unpin(1, blocks[2], false);
    const large = store.put(1, 8);
    expect(large.size).toBe(8 * page);
    expect(store.log.filter(({ kind }) => kind === "release")).toHaveLength(2);
    expect(store.machine.stats().committedBytes).toBe(16 * page);
  });

  it("lengthens a warm range instead of committing all afresh", () => {
    const store = new StoreDriver();
    const first = store.put(1, 4);
    store.unpin(1, first, false);
    const longer = store.put(1, 6);
    expect(longer.offset).toBe(first.offset);
    expect(store.machine.stats().committedBytes).toBe(6 * page);
  });

  it("spills the coldest block nobody maps, and restores it for a pin", () => {
    const store = new StoreDriver();
    const cold = store.put(1, 8);
    const warm = store.put(1, 8);
    store.pin(2, warm);
    const third = store.put(1, 8, true);
    expect(third.offset).toBe(cold.offset);
    expect(store.machine.stats().spilledBytes).toBe(8 * page);
    const pin = store.pin(3, cold);
    expect(store.answers.has(pin)).toBe(false); // third is spilled for it
    store.finishAll();
    expect(store.located(pin).block).toBe(cold.block);
    expect(store.machine.stats().restoredBytes).toBe(8 * page);
  });

  it("drops the memory of a restored block at once when it is needed again: the copy on disk is still good", () => {
    const store = new StoreDriver();
    const first = store.put(1, 16);
    store.put(1, 16, true);
    const pin = store.pin(1, first);
    store.finishAll();
    store.unpin(1, store.located(pin));
    const spills = (): number => store.log.filter(({ kind }) => kind === "spill").length;
    const before = spills();
    store.put(1, 16, true);
    expect(spills()).toBe(before);
  });

  it("does not spill for a request that spilling cannot satisfy, and asks for collections once", () => {
    const store = new StoreDriver();
    const mapped = store.put(1, 12);
    store.pin(2, mapped);
    store.put(1, 4);
    store.allocate(1, 8, { patient: true });
    store.allocate(2, 8, { patient: true });
    expect(store.log.filter(({ kind }) => kind === "spill")).toHaveLength(0);
    expect(store.log.filter(({ kind }) => kind === "pressure")).toHaveLength(1);
  });

  it("answers a pin of a block that is being written when it is sealed", () => {
    const store = new StoreDriver();
    const ticket = store.allocate(1, 2);
    store.finishAll();
    const location = store.located(ticket);
    const pin = store.pin(2, location);
    expect(store.answers.has(pin)).toBe(false);
    store.seal(1, location);
    expect(store.located(pin)).toEqual(location);
  });

  it("loses a block whose writer dies, and refuses those who wait for it", () => {
    const store = new StoreDriver();
    const ticket = store.allocate(1, 2, { pinnedFor: 2 });
    store.finishAll();
    const pin = store.pin(3, store.located(ticket));
    store.send({ kind: "died", process: 1 });
    expect(store.answers.get(pin)).toBe("lost");
    expect(store.answers.get(store.pin(3, store.located(ticket)))).toBe("stale");
    expect(store.machine.stats().blocks).toBe(0);
  });

  it("drops a block written for a process that has died", () => {
    const store = new StoreDriver();
    store.send({ kind: "died", process: 2 });
    const ticket = store.allocate(1, 2, { pinnedFor: 2 });
    store.finishAll();
    store.seal(1, store.located(ticket));
    expect(store.machine.stats().blocks).toBe(0);
  });

  it("frees explicitly: holders lose it, mappings stay, pins are told", () => {
    const store = new StoreDriver();
    const location = store.put(1, 2);
    store.pin(2, location);
    store.send({ kind: "free", block: location.block, generation: location.generation });
    expect(store.answers.get(store.pin(3, location, false))).toBe("freed");
    expect(store.machine.stats().usedBytes).toBe(2 * page);
    store.unpin(2, location);
    expect(store.machine.stats().usedBytes).toBe(0);
  });

  it("tells the one who needed the room when the disk is full, and nobody else", () => {
    const store = new StoreDriver();
    store.put(1, 16);
    const first = store.allocate(1, 16, { patient: true });
    store.finish(0, false);
    expect(store.answers.get(first)).toBe("outOfDisk");
    const second = store.allocate(1, 16, { patient: true });
    store.finish(0);
    store.finishAll();
    expect(typeof store.answers.get(second)).toBe("object");
    const quota = new StoreDriver({ diskLimitBytes: page });
    quota.put(1, 16);
    expect(quota.answers.get(quota.allocate(1, 1, { patient: true }))).toBe("outOfDisk");
  });

  it("becomes a smaller store when the system refuses pages", () => {
    const store = new StoreDriver();
    const held = store.put(1, 4);
    const ticket = store.allocate(1, 12);
    store.finish(0, false);
    expect(store.answers.get(ticket)).toBe("full");
    expect(store.machine.stats().limitBytes).toBe(10 * page);
    store.unpin(1, held, false);
    expect(typeof store.answers.get(store.allocate(1, 4))).toBe("object");
  });

  it("refuses what never fits, and what waits too long when it gives up", () => {
    const store = new StoreDriver();
    expect(store.answers.get(store.allocate(1, 17, { patient: true }))).toBe("neverFits");
    store.pin(1, store.put(1, 16));
    const ticket = store.allocate(2, 1, { patient: true });
    store.send({ kind: "cancel", process: 2, ticket });
    expect(store.answers.get(ticket)).toBe("full");
  });

  it("lets small requests pass a large one that waits, but not for ever", () => {
    const store = new StoreDriver();
    store.pin(2, store.put(1, 12));
    const large = store.allocate(3, 8, { patient: true });
    let passed = 0;
    for (let i = 0; i < 200; i++) {
      const ticket = store.allocate(1, 4, { patient: true });
      store.finishAll();
      if (!store.answers.has(ticket)) break;
      passed++;
      store.seal(1, store.located(ticket));
      store.unpin(1, store.located(ticket), false);
    }
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(200);
    expect(store.answers.has(large)).toBe(false);
  });

  it("commits pages in advance while it grows", () => {
    const store = new StoreDriver({ prefaultBytes: 4 * page });
    store.put(1, 2);
    const commits = store.log.filter((instruction) => instruction.kind === "commit");
    expect(commits.map(({ prefault, bytes }) => [prefault, bytes / page])).toEqual([
      [false, 2],
      [true, 4],
    ]);
    expect(store.machine.stats().warmBytes).toBe(4 * page);
  });
});
