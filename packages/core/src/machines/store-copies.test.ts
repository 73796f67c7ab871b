import { describe, expect, it } from "vitest";
import { page, StoreDriver } from "./store.test-driver.ts";

const nobody = 99;

function copy(store: StoreDriver, pages: number): ReturnType<StoreDriver["located"]> {
  const ticket = store.allocate(1, pages, { patient: true, isCopy: true, pinnedFor: nobody });
  store.finishAll();
  const location = store.located(ticket);
  store.seal(1, location);
  return location;
}

function gone(store: StoreDriver): number[] {
  return store.log.flatMap((each) => (each.kind === "gone" ? [each.generation * 100 + each.block] : []));
}

describe("copies of other nodes' objects in the store", () => {
  it("stay without a pin, for a quarter of the store, the oldest going first", () => {
    const store = new StoreDriver();
    const first = copy(store, 2);
    const second = copy(store, 2);
    expect(store.machine.stats().cachedBytes).toBe(4 * page);
    copy(store, 1);
    expect(store.machine.whereIs(first.block, first.generation)).toBeUndefined();
    expect(store.machine.whereIs(second.block, second.generation)).toBe("memory");
    expect(gone(store)).toEqual([first.generation * 100 + first.block]);
  });

  it("make room before anything is written to disk", () => {
    const store = new StoreDriver();
    const kept = copy(store, 4);
    store.put(1, 8);
    expect(store.machine.whereIs(kept.block, kept.generation)).toBe("memory");
    store.put(2, 8);
    expect(store.machine.whereIs(kept.block, kept.generation)).toBeUndefined();
    expect(store.log.some(({ kind }) => kind === "spill")).toBe(false);
  });

  it("are ordinary objects while someone holds them, and are kept again afterwards", () => {
    const store = new StoreDriver();
    const location = copy(store, 4);
    expect(typeof store.answers.get(store.pin(1, location, false, 2))).toBe("object");
    expect(store.machine.stats().cachedBytes).toBe(0);
    store.unpin(2, location, false);
    expect(store.machine.stats().cachedBytes).toBe(4 * page);
    store.send({ ...location, kind: "disown" });
    expect(store.machine.stats()).toMatchObject({ blocks: 0, cachedBytes: 0, usedBytes: 0 });
  });

  it("are not held for a process that has ended", () => {
    const store = new StoreDriver();
    const location = copy(store, 1);
    store.send({ kind: "died", process: 2 });
    expect(store.answers.get(store.pin(1, location, false, 2))).toBe("stale");
    expect(store.machine.stats().cachedBytes).toBe(page);
  });
});

describe("a watched object", () => {
  it("is said to be gone once: freed, let go, or unknown", () => {
    const store = new StoreDriver();
    const freed = store.put(1, 1);
    const released = store.put(1, 1);
    for (const location of [freed, released]) store.send({ ...location, kind: "watch" });
    store.send({ ...freed, kind: "free" });
    store.unpin(1, released, false);
    expect(gone(store)).toEqual([freed, released].map((each) => each.generation * 100 + each.block));
    store.send({ ...freed, kind: "watch" });
    expect(gone(store)).toHaveLength(3);
  });
});
