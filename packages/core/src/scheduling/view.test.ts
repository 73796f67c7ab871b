import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Labels } from "../labels.ts";
import { hybridStrategy, parseStrategyKey } from "../options/scheduling.ts";
import { fits, parseResources, type ResourceVector } from "../resources.ts";
import { readViewDelta, type NodeChange, type ViewDelta } from "./node-view.ts";
import { ClusterView } from "./view.ts";

const cpus = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });

function delta(from: number, to: number, ...nodes: NodeChange[]): ViewDelta {
  return { epoch: 1, from, to, nodes };
}

function describeNodes(view: ClusterView): Record<number, unknown> {
  const nodes: Record<number, unknown> = {};
  for (const { node, total, available, isAlive, queued } of view.nodes())
    nodes[node] = { total, available, isAlive, queued };
  return nodes;
}

describe("deltas", () => {
  it("that come again, late, or after a gap", () => {
    const view = new ClusterView({ local: 1 });
    expect(view.isWhole).toBe(false);
    expect(view.apply(delta(3, 4, { node: 2, total: cpus(1) }))).toBe("gap");
    expect(view.apply(delta(0, 4, { node: 2, total: cpus(1), available: cpus(1) }))).toBe("applied");
    expect(view.apply(delta(0, 4, { node: 2, total: cpus(1) }))).toBe("stale");
    expect(view.apply(delta(4, 5, { node: 3, total: cpus(2) }))).toBe("applied");
    expect(view.apply(delta(4, 5, { node: 3, isGone: true }))).toBe("stale");
    expect(view.apply(delta(6, 7, { node: 4, total: cpus(2) }))).toBe("gap");
    expect(view.apply(delta(3, 6, { node: 3, isGone: true }))).toBe("applied");
    expect(describeNodes(view)).toEqual({
      2: { total: cpus(1), available: cpus(1), isAlive: true, queued: 0 },
    });
    expect(view.version).toBe(6);
  });

  it("of a new life of the head need the whole view first", () => {
    const view = new ClusterView();
    view.apply(delta(0, 9, { node: 1, total: cpus(1) }, { node: 2, total: cpus(1), queued: 5 }));
    expect(view.apply({ ...delta(1, 2), epoch: 2 })).toBe("gap");
    expect(view.apply({ ...delta(0, 2, { node: 2, total: cpus(3) }), epoch: 2 })).toBe("applied");
    expect(describeNodes(view)).toEqual({ 2: { total: cpus(3), available: {}, isAlive: true, queued: 0 } });
    expect(view.apply(delta(9, 10, { node: 1, total: cpus(1) }))).toBe("stale");
  });

  it("never change what the own node says of its use, nor remove it", () => {
    const view = new ClusterView({ local: 1 });
    view.own({ total: cpus(2), available: cpus(2), queued: 1 });
    view.apply(delta(0, 1, { node: 1, total: cpus(2), available: cpus(1), queued: 9, labels: { a: "b" } }));
    view.apply(delta(1, 2, { node: 1, isGone: true }));
    expect(view.get(1)).toMatchObject({ available: cpus(2), queued: 1, labels: { a: "b" } });
  });

  it("are read from what came over a link, or refused", () => {
    const good = {
      epoch: 1,
      from: 0,
      to: 1,
      nodes: [{ node: 2, total: { CPU: 5, x: -1 }, facts: { price: 1.5 } }],
    };
    expect(readViewDelta(structuredClone(good))).toEqual({
      ...good,
      nodes: [{ node: 2, total: { CPU: 5 }, facts: { price: 1.5 } }],
    });
    for (const bad of [
      null,
      5,
      {},
      { ...good, nodes: 3 },
      { ...good, nodes: [5] },
      { ...good, nodes: [{ node: -1 }] },
      { ...good, to: 0.5 },
      { ...good, from: 2 },
      { ...good, epoch: "1" },
    ])
      expect(readViewDelta(bad), JSON.stringify(bad)).toBeUndefined();
    expect(
      readViewDelta({ ...good, nodes: [{ node: 1, name: 5, labels: { a: 1 }, facts: { a: {} } }] }),
    ).toEqual({
      ...good,
      nodes: [{ node: 1, labels: {}, facts: {} }],
    });
  });
});

describe("a view", () => {
  it("finds nodes by name and id", () => {
    const view = new ClusterView();
    view.apply(delta(0, 1, { node: 35, name: "a" }, { node: 36, name: "a" }));
    const numbers = (name: string): number[] => view.named(name).map(({ node }) => node);
    expect([numbers("a"), numbers("node-z"), numbers("node-10"), numbers("b")]).toEqual([
      [35, 36],
      [35],
      [36],
      [],
    ]);
    view.apply(delta(1, 2, { node: 35, name: "b" }, { node: 36, isGone: true }));
    expect([numbers("a"), numbers("node-z"), numbers("node-10"), numbers("b")]).toEqual([[], [35], [], [35]]);
    view.check();
  });

  it("counts what was placed as taken until the node tells, or does not tell for a second", () => {
    const view = new ClusterView();
    view.apply(delta(0, 1, { node: 1, total: cpus(4), available: cpus(4) }, { node: 2, total: cpus(4) }));
    const index = view.index(cpus(1), cpus(1), hybridStrategy);
    expect([index.feasible, index.roomy]).toEqual([2, 1]);
    view.passTime(1000);
    view.charge(1, cpus(1), 6);
    expect(view.get(1)).toMatchObject({ available: { CPU: 0 }, owed: 2 });
    expect(index.roomy).toBe(0);
    view.passTime(1999);
    expect(index.roomy).toBe(0);
    view.passTime(2000);
    expect(view.get(1)).toMatchObject({ available: cpus(4), owed: 0 });
    view.charge(1, cpus(1), 1);
    view.apply(delta(1, 2, { node: 1, available: cpus(2) }));
    view.passTime(5000);
    expect(view.get(1)).toMatchObject({ available: cpus(2), owed: 0 });
    view.check();
  });

  it("keeps few indexes when there are many shapes", () => {
    const view = new ClusterView();
    view.apply(delta(0, 1, { node: 1, total: cpus(4), available: cpus(4) }));
    const first = view.index(cpus(1), cpus(1), hybridStrategy);
    for (let i = 1; i < 500; i++) view.index(cpus(i / 100), cpus(i / 100), parseStrategyKey("labels=a=b"));
    expect(first.isLive).toBe(false);
    const anew = view.index(cpus(1), cpus(1), hybridStrategy);
    expect([anew.isLive, anew.roomy]).toEqual([true, 1]);
  });
});

describe("indexes", () => {
  const vector = fc.record({ CPU: fc.integer({ min: 1, max: 4 }), GPU: fc.integer({ min: 0, max: 2 }) });
  const asVector = ({ CPU, GPU }: { CPU: number; GPU: number }): ResourceVector => cpus(CPU, GPU);
  const change = fc.record(
    {
      node: fc.integer({ min: 1, max: 12 }),
      isGone: fc.constantFrom(true, false, false, false),
      total: vector.map(asVector),
      available: vector.map(asVector),
      labels: fc.constantFrom<Labels>({}, { zone: "a" }, { zone: "b" }),
      isAlive: fc.boolean(),
      isDraining: fc.constantFrom(true, false, false),
      queued: fc.nat(50),
    },
    { requiredKeys: ["node"] },
  );
  const shapes = [cpus(1), cpus(3), cpus(1, 1), {}];
  const strategies = ["", "labels=zone=a", "labels?=zone=b"].map(parseStrategyKey);

  it("say what a look at every node says, whatever the changes", () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 30 }), (rounds) => {
        const view = new ClusterView({ local: 1 });
        view.own({ total: cpus(2), available: cpus(2) });
        rounds.forEach((changes, at) => {
          view.passTime(at * 300);
          // A delta that is repeated changes nothing, and now and then one is the whole view.
          const isWhole = at === 0 || at % 7 === 0;
          const each = delta(isWhole ? 0 : at, at + 1, ...changes);
          expect(view.apply(each)).toBe("applied");
          expect(view.apply(each)).toBe("stale");
          for (const takes of shapes) {
            for (const strategy of strategies) {
              const index = view.index(takes, takes, strategy);
              view.check();
              const can = [...view.nodes()].filter((node) => index.has(node.slot));
              expect(index.feasible).toBe(can.length);
              expect(index.roomy).toBe(can.filter(({ available }) => fits(takes, available)).length);
            }
          }
          const node = changes[0]?.node ?? 1;
          view.charge(node, shapes[at % shapes.length], at % 5);
          view.check();
        });
      }),
      { numRuns: 150 },
    );
  });
});
