import { describe, expect, it } from "vitest";
import { noResources, parseResources, type ResourceVector } from "../resources.ts";
import type { LeaseInstruction, LeaseSettings } from "./lease-events.ts";
import { LeaseDriver, driver } from "./lease.test-driver.ts";

const shape = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });

function node(total: ResourceVector, over: Partial<LeaseSettings> = {}): LeaseDriver {
  return new LeaseDriver({ total, maxWorkers: 16, firstWorker: 2, idleWorkers: 2, ...over });
}

function said<T extends LeaseInstruction["type"]>(
  d: LeaseDriver,
  type: T,
): Extract<LeaseInstruction, { type: T }>[] {
  return d.said.filter((each): each is Extract<LeaseInstruction, { type: T }> => each.type === type);
}

/** Owner and worker of every lease there is. */
function leases(d: LeaseDriver): string[] {
  return [...d.workers.values()].flatMap((worker) =>
    [...worker.grants].map(([owner, { shape: key }]) => `${owner}→${worker.number} ${key}`),
  );
}

function ticks(d: LeaseDriver, count: number): void {
  for (let i = 0; i < count; i++) d.handle({ type: "tick" });
}

describe("leases", () => {
  it("ten tasks of a tenth of a CPU fit one CPU exactly", () => {
    const d = node(shape(1));
    d.demand(driver, shape(0.1), 11);
    for (let i = 0; i < 20; i++) d.deliverAll();
    expect(leases(d).length).toBe(10);
    expect(d.machine.available()["CPU"]).toBe(0);
  });

  it("workers of one shape serve all its owners, each up to its demand", () => {
    const d = node(shape(2));
    d.demand(driver, shape(1), 5);
    d.demand(100, shape(1), 1);
    d.deliverAll();
    expect(leases(d).toSorted()).toEqual(["100→2 CPU=1", "1→2 CPU=1", "1→3 CPU=1"].toSorted());
    expect(said(d, "recall")).toEqual([]);
  });

  it("two CPUs for one task come from two busy workers of another shape, once these have had some time", () => {
    const d = node(shape(2));
    d.demand(driver, shape(1), 100);
    d.deliverAll();
    d.demand(driver, shape(2), 1);
    expect(said(d, "recall")).toEqual([]);
    ticks(d, 3);
    expect(said(d, "recall").length).toBe(2);
    d.deliverAll();
    expect(leases(d).filter((lease) => lease.endsWith("CPU=2")).length).toBe(1);
    // And back: the shape that has nothing now is the one that waits longest.
    ticks(d, 3);
    d.deliverAll();
    d.demand(driver, shape(2), 0);
    d.deliverAll();
    expect(leases(d)).toEqual(["1→2 CPU=1", "1→3 CPU=1"]);
  });

  it("are told as unserved when no worker serves or will serve them", () => {
    const d = node(shape(2));
    d.demand(driver, shape(1), 5);
    d.request(50, shape(1), shape(1));
    expect(d.machine.unserved()).toBe(4);
    d.deliverAll();
    expect(d.machine.unserved()).toBe(4);
    d.withdraw(50);
    d.demand(driver, shape(1), 2);
    expect(d.machine.unserved()).toBe(0);
  });

  it("what actors hold is waited for without stopping the others", () => {
    const d = node(shape(2));
    d.request(50, shape(1), shape(1));
    d.demand(driver, shape(2), 1);
    d.demand(driver, shape(1), 3);
    d.deliverAll();
    ticks(d, 20);
    expect(leases(d)).toEqual(["1→3 CPU=1"]);
  });

  it("a shape that wants more takes from a shape that has more, and no further", () => {
    const d = node(shape(4));
    d.demand(driver, shape(1), 100);
    d.deliverAll();
    ticks(d, 5);
    d.demand(100, shape(0.5), 100);
    for (let i = 0; i < 40; i++) {
      ticks(d, 1);
      d.deliverAll();
    }
    const ones = leases(d).filter((lease) => lease.endsWith("CPU=1")).length;
    const halves = leases(d).filter((lease) => lease.endsWith("CPU=0.5")).length;
    expect([ones, halves]).toEqual([2, 4]);
    const before = d.said.length;
    ticks(d, 50);
    expect(d.said.length).toBe(before);
  });

  it("a blocked worker lends its CPU to other shapes, not to its own", () => {
    const d = node(shape(1));
    d.demand(driver, shape(1), 1);
    d.deliverAll();
    d.handle({ type: "worker blocked", worker: 2, blocked: true });
    d.demand(2, shape(1), 4);
    d.deliverAll();
    expect(leases(d)).toEqual(["1→2 CPU=1"]);
    d.demand(2, shape(0.5), 1);
    d.deliverAll();
    expect(leases(d)).toContain("2→3 CPU=0.5");
  });

  it("GPUs come back when the process is gone, also of an actor that was withdrawn while it started", () => {
    const d = node(shape(1, 1));
    d.request(50, noResources, shape(0, 1));
    d.withdraw(50);
    d.deliver(0);
    d.request(51, noResources, shape(0, 1));
    expect(said(d, "spawn").length).toBe(1);
    d.deliverAll();
    expect(said(d, "place actor")).toEqual([{ type: "place actor", request: 51, worker: 3, gpuIds: [0] }]);
  });

  it("shares of a GPU are packed; none is put where it does not fit", () => {
    const d = node(shape(8, 2));
    for (const [i, gpus] of [0.6, 0.3, 0.6, 0.3].entries()) d.request(50 + i, noResources, shape(0, gpus));
    d.deliverAll();
    expect(said(d, "place actor").map((each) => each.gpuIds[0])).toEqual([0, 0, 1, 1]);
    d.request(60, noResources, shape(0, 0.2));
    expect(d.requests.has(60)).toBe(true);
  });

  it("an actor gets a process that never ran tasks, though all there may be have", () => {
    const d = node(shape(2), { maxWorkers: 2 });
    d.demand(driver, shape(1), 2);
    d.deliverAll();
    d.demand(driver, shape(1), 0);
    d.request(50, noResources, noResources);
    d.deliverAll();
    expect(said(d, "place actor").map((each) => each.worker)).toEqual([4]);
  });

  it("ten thousand actors that wait for a process hold up nobody, and go on when some end", () => {
    const d = node(shape(2), { maxWorkers: 4 });
    const settle = (): void => {
      for (let i = 0; i < 20; i++) {
        d.deliverAll();
        d.handle({ type: "tick" });
      }
    };
    const hosted = (): number[] =>
      [...d.workers.values()].map((worker) => worker.actor).filter((actor) => actor > 0);
    for (let request = 1000; request < 11_000; request++) d.request(request, shape(1), shape(0));
    settle();
    expect(hosted()).toEqual([1000, 1001, 1002, 1003]);
    for (let request = 1004; request < 10_990; request++) d.withdraw(request);
    for (const number of [...d.workers.keys()]) d.die(number);
    settle();
    expect(hosted()).toEqual([10_990, 10_991, 10_992, 10_993]);
  });

  it("workers that cannot start are tried less and less often", () => {
    const d = node(shape(1));
    d.demand(driver, shape(1), 1);
    for (let i = 0; i < 300; i++) {
      for (const worker of [...d.workers.keys()]) d.die(worker);
      d.pending.length = 0;
      ticks(d, 1);
    }
    expect(said(d, "spawn").length).toBeLessThan(12);
    ticks(d, 600);
    d.deliverAll();
    expect(leases(d).length).toBe(1);
  });

  it("what never fits is said once for each that asks, and again for nobody", () => {
    const d = node(shape(1));
    d.demand(driver, shape(4), 1);
    d.demand(driver, shape(4), 2);
    d.demand(100, shape(4), 1);
    ticks(d, 3);
    expect(d.infeasible.map((each) => [each.owner, each.missing])).toEqual([
      [1, "4 CPU asked for, 1 there"],
      [100, "4 CPU asked for, 1 there"],
    ]);
  });

  it("a late release of an old lease does not touch the new one", () => {
    const d = node(shape(1));
    d.demand(driver, shape(1), 1);
    d.deliverAll();
    const [{ lease }] = said(d, "grant");
    d.release(driver, 2);
    d.deliverAll();
    expect(leases(d)).toEqual(["1→2 CPU=1"]);
    d.handle({ type: "released", owner: driver, worker: 2, lease, isLost: true });
    expect(leases(d)).toEqual(["1→2 CPU=1"]);
    expect(said(d, "stop")).toEqual([]);
  });

  it("the tasks of shape {} have no more processes than may start at a time, until these are up", () => {
    const d = node(shape(2));
    d.demand(driver, noResources, 1000);
    expect(said(d, "spawn").length).toBe(2);
  });
});
