import { describe, expect, it } from "vitest";
import { processNumber } from "../ids.ts";
import { noResources, parseResources, type ResourceVector } from "../resources.ts";
import type { LeaseInstruction } from "./lease-events.ts";
import { LeaseDriver } from "./lease.test-driver.ts";

const cpus = (numCpus: number): ResourceVector => parseResources({ numCpus });

function node(numCpus: number): LeaseDriver {
  return new LeaseDriver({ total: cpus(numCpus), maxWorkers: 16, firstWorker: 2, idleWorkers: 2 });
}

function said<T extends LeaseInstruction["type"]>(
  d: LeaseDriver,
  type: T,
): Extract<LeaseInstruction, { type: T }>[] {
  return d.said.filter((each): each is Extract<LeaseInstruction, { type: T }> => each.type === type);
}

describe("jobs", () => {
  it("never share a worker; the same job uses it again", () => {
    const d = node(1);
    d.demand(100, cpus(1), 1, { job: "a" });
    d.deliverAll();
    expect(said(d, "grant")).toMatchObject([{ owner: 100, worker: 2, job: "a", shape: "CPU=1" }]);
    d.demand(100, cpus(1), 0, { job: "a" });
    d.release(100, 2);
    d.deliverAll();
    d.demand(200, cpus(1), 1, { job: "b" });
    d.deliverAll();
    expect(said(d, "grant").at(-1)).toMatchObject({ owner: 200, worker: 3, job: "b" });
    d.demand(200, cpus(1), 0, { job: "b" });
    d.release(200, 3);
    d.deliverAll();
    d.demand(101, cpus(1), 1, { job: "a" });
    d.deliverAll();
    expect(said(d, "grant").at(-1)).toMatchObject({ owner: 101, worker: 2, job: "a" });
    expect(said(d, "spawn").map(({ job }) => job)).toEqual(["a", "b"]);
  });

  it("take a worker that was started for none", () => {
    const d = node(2);
    d.start(2);
    d.deliverAll();
    d.demand(100, cpus(1), 1, { job: "a" });
    d.request(50, cpus(1), noResources, { job: "b" });
    expect(said(d, "bind")).toEqual([
      { type: "bind", worker: 2, job: "a" },
      { type: "bind", worker: 3, job: "b" },
    ]);
    expect(said(d, "spawn").length).toBe(2);
  });

  it("share a node fairly, though they ask for the same resources", () => {
    const d = node(2);
    d.demand(100, cpus(1), 9, { job: "a" });
    d.deliverAll();
    d.demand(200, cpus(1), 9, { job: "b" });
    for (let i = 0; i < 20; i++) {
      d.handle({ type: "tick" });
      d.deliverAll();
    }
    const jobs = [...d.workers.values()].filter(({ grants }) => grants.size > 0).map(({ job }) => job);
    expect(jobs.toSorted()).toEqual(["a", "b"]);
  });

  it("leave nothing when they end but detached actors", () => {
    const d = node(4);
    d.request(50, cpus(1), noResources, { job: "a" });
    d.request(51, cpus(1), noResources, { job: "a", detached: true });
    d.demand(100, cpus(1), 9, { job: "a" });
    d.demand(200, cpus(1), 1, { job: "b" });
    d.deliverAll();
    d.request(52, cpus(64), cpus(64), { job: "a" });
    const detached = [...d.workers.values()].find(({ actor }) => actor === 51)?.number ?? 0;
    d.demand(detached, cpus(1), 1, { job: "a" });
    d.endJob("a");
    expect(said(d, "stop").every(({ force }) => force)).toBe(true);
    d.deliverAll();
    d.deliverAll();
    expect(d.machine.demands()).toEqual([{ shape: "CPU=1", count: 2 }]);
    const left = d.machine.states().map(({ job, state }) => `${job} ${state}`);
    expect(left.toSorted()).toEqual(["a actor", "a leased", "b leased"]);
  });

  it("keep what the owners use that outlive them", () => {
    const d = node(2);
    d.demand(100, cpus(1), 1, { job: "a" });
    d.demand(300, cpus(1), 1, { job: "a" });
    d.deliverAll();
    d.endJob("a", [300]);
    expect(said(d, "stop").length).toBe(1);
    d.deliverAll();
    expect(d.machine.demands()).toEqual([{ shape: "CPU=1", count: 1 }]);
  });

  it("of tags, each has workers of its own for the time", () => {
    const d = node(2);
    d.demand(100, cpus(1), 1);
    d.demand(100, cpus(1), 1, { tag: "spread" });
    d.deliverAll();
    const keys = said(d, "grant").map(({ worker, shape }) => `${worker} ${shape}`);
    expect(keys).toEqual(["2 CPU=1", "3 CPU=1|spread"]);
    d.demand(100, cpus(1), 0);
    d.release(100, 2);
    d.deliverAll();
    d.demand(100, cpus(1), 2, { tag: "spread" });
    d.deliverAll();
    expect(said(d, "grant").at(-1)).toMatchObject({ worker: 2, shape: "CPU=1|spread" });
  });
});

it("the owners of a node that is lost want and hold nothing", () => {
  const d = node(2);
  const far = processNumber(7, 3);
  d.demand(far, cpus(1), 5);
  d.demand(100, cpus(1), 1);
  d.deliverAll();
  d.handle({ type: "node lost", node: 7 });
  expect(d.machine.demands()).toEqual([{ shape: "CPU=1", count: 1 }]);
  expect(d.machine.states().flatMap(({ owners }) => owners)).toEqual([100]);
});
