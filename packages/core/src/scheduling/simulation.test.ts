import { describe, expect, it } from "vitest";
import { parseResources, type ResourceVector } from "../resources.ts";
import { Simulation } from "./simulation.test-driver.ts";

const cpus = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });

describe("nodes, leases and routers together", () => {
  it("use all of a cluster for many tasks, with few messages (M11)", () => {
    const cluster = new Simulation([cpus(2), cpus(4), cpus(2), cpus(8)]);
    const owner = cluster.submit(1, { resources: cpus(1), count: 320, taskMs: 100 });
    const ms = cluster.finish(10_000);
    // 320 × 100 ms on 16 CPUs are 2 s; workers have to start first.
    expect(ms).toBeLessThan(2600);
    expect(cluster.messages).toBeLessThan(40);
    for (const [node, count] of [...owner.ranOn]) expect([node, count > 20]).toEqual([node, true]);
  });

  it("serve a driver whose own node has nothing", () => {
    const cluster = new Simulation([{}, cpus(2), cpus(2)]);
    cluster.submit(1, { resources: cpus(1), count: 40, taskMs: 100 });
    expect(cluster.finish(10_000)).toBeLessThan(1600);
  });

  it("one long task on each node (M6)", () => {
    const cluster = new Simulation([cpus(4), cpus(4), cpus(4), cpus(4)]);
    const owner = cluster.submit(2, { resources: cpus(1), strategy: "spread", count: 4, taskMs: 2000 });
    cluster.finish(5000);
    expect(Object.fromEntries(owner.ranOn)).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 });
  });

  it("two jobs that want everything each get a part of it, and both end", () => {
    const cluster = new Simulation([cpus(2), cpus(2), cpus(4)]);
    const a = cluster.submit(1, { resources: cpus(1), job: "a", count: 160, taskMs: 100 });
    cluster.run(500);
    const b = cluster.submit(2, { resources: cpus(1), job: "b", count: 160, taskMs: 100 });
    cluster.run(1500);
    expect(b.done).toBeGreaterThan(20);
    expect(a.done).toBeGreaterThan(20);
    // 320 × 100 ms on 8 CPUs are 4 s.
    expect(cluster.finish(10_000)).toBeLessThan(4500);
  });

  it("take a node into use that joins while work waits", () => {
    const cluster = new Simulation([cpus(1)]);
    const owner = cluster.submit(1, { resources: cpus(1), count: 100, taskMs: 100 });
    cluster.run(1000);
    cluster.join(cpus(8));
    cluster.finish(4000);
    expect(owner.ranOn.get(2)).toBeGreaterThan(50);
  });

  it("wait for what no node has, and run it when one joins", () => {
    const cluster = new Simulation([cpus(2), cpus(2)]);
    cluster.submit(1, { resources: cpus(1, 1), count: 3, taskMs: 100 });
    cluster.run(2000);
    cluster.join(cpus(2, 1));
    expect(cluster.finish(2000)).toBeLessThan(1000);
  });

  it("move what waits behind long tasks to where there is room", () => {
    const cluster = new Simulation([cpus(2), cpus(2)]);
    cluster.submit(1, { resources: cpus(1), strategy: "node=node-2", count: 2, taskMs: 3000 });
    cluster.submit(1, { resources: cpus(1), strategy: "node=node-1", count: 2, taskMs: 600 });
    cluster.run(400);
    const owner = cluster.submit(2, { resources: cpus(1), count: 4, taskMs: 100 });
    cluster.run(1500);
    expect(owner.done).toBe(4);
  });
});
