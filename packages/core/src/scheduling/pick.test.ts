import { describe, expect, it } from "vitest";
import { hybridStrategy, nearStrategy, parseStrategyKey } from "../options/scheduling.ts";
import { noResources, parseResources, type ResourceVector } from "../resources.ts";
import type { NodeChange } from "./node-view.ts";
import { place, type PlacementRequest } from "./pick.ts";
import { ClusterView } from "./view.ts";

const cpus = (numCpus: number, numGpus = 0, disk = 0): ResourceVector =>
  parseResources({ numCpus, numGpus, resources: { disk } });

function viewOf(...nodes: readonly Partial<NodeChange>[]): ClusterView {
  const view = new ClusterView();
  const changes = nodes.map((node, at) => ({ node: at + 1, available: node.total, ...node }));
  view.apply({ epoch: 1, from: 0, to: 1, nodes: changes });
  return view;
}

/** Where `count` more of a shape go, one by one. */
function placements(
  view: ClusterView,
  count: number,
  request: Partial<PlacementRequest> = {},
): (number | string)[] {
  const found: (number | string)[] = [];
  for (let i = 0; i < count; i++) {
    const random = (i * 0.618) % 1;
    const placement = place(view, { takes: cpus(1), strategy: hybridStrategy, random, ...request });
    found.push(placement.kind === "place" ? placement.node : placement.kind);
    view.check();
  }
  return found;
}

function sorted(found: readonly (number | string)[]): (number | string)[] {
  return found.toSorted((a, b) => Number(a) - Number(b));
}

describe("hybrid", () => {
  it("fills the asking node to half, packs the others to half, then takes the least used (M4)", () => {
    const view = viewOf({ total: cpus(4) }, { total: cpus(4) }, { total: cpus(4) });
    const found = placements(view, 13, { from: 2 });
    expect(found.slice(0, 2)).toEqual([2, 2]);
    expect(found[2]).toBe(found[3]);
    expect(found[4]).toBe(found[5]);
    expect(new Set(found.slice(2, 6))).toEqual(new Set([1, 3]));
    expect(sorted(found.slice(6, 9))).toEqual([1, 2, 3]);
    expect(sorted(found.slice(9, 12))).toEqual([1, 2, 3]);
    expect(found[12]).toBe("wait");
  });

  it("leaves nodes with GPUs to those that use them while others have room (M10)", () => {
    const view = viewOf({ total: cpus(2, 1) }, { total: cpus(2) });
    expect(placements(view, 5, { from: 1 })).toEqual([2, 2, 1, 1, "wait"]);
    expect(placements(viewOf({ total: cpus(2, 1) }, { total: cpus(2) }), 1, { takes: cpus(1, 1) })).toEqual([
      1,
    ]);
  });

  it("chooses by chance among the best when there are many nodes", () => {
    const view = viewOf(...Array.from({ length: 50 }, () => ({ total: cpus(100) })));
    expect(new Set(placements(view, 30)).size).toBeGreaterThan(5);
    expect(new Set(placements(view, 200)).size).toBeLessThanOrEqual(12);
  });
});

describe("spread", () => {
  it("puts as many on as many nodes, evenly (M6)", () => {
    for (const takes of [cpus(1), noResources]) {
      const view = viewOf(...Array.from({ length: 7 }, (_, at) => ({ total: cpus(4, at % 2) })));
      const found = placements(view, 14, { strategy: parseStrategyKey("spread"), takes });
      expect(sorted(found.slice(0, 7))).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(sorted(found.slice(7))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    }
  });
});

describe("a named node", () => {
  const nodes = [
    { total: cpus(1), name: "a" },
    { total: cpus(4), name: "b" },
  ];

  it("is waited for when it is busy; a soft one too (M7)", () => {
    const view = viewOf(...nodes);
    expect(placements(view, 2, { strategy: parseStrategyKey("node=a") })).toEqual([1, "wait"]);
    expect(placements(view, 1, { strategy: parseStrategyKey("node=node-1?") })).toEqual(["wait"]);
    expect(placements(view, 1, { strategy: parseStrategyKey("node=a"), canQueue: true })).toEqual([1]);
  });

  it("that is not there, drains or is too small, is refused with the reason; a soft one is done without", () => {
    const view = viewOf(...nodes, { total: cpus(8), name: "c", isDraining: true });
    const why = (key: string, takes = cpus(1)): unknown =>
      place(view, { takes, strategy: parseStrategyKey(key), random: 0 });
    expect(why("node=z")).toEqual({ kind: "infeasible", missing: 'there is no node "z"', isFinal: true });
    expect(why("node=c")).toEqual({ kind: "infeasible", missing: "node c is being drained", isFinal: false });
    expect(why("node=a", cpus(2))).toEqual({
      kind: "infeasible",
      missing: "node a: 2 CPU asked for, 1 there",
      isFinal: false,
    });
    expect(why("node=a;labels=zone=x")).toEqual({
      kind: "infeasible",
      missing: "node a: labels zone x asked for",
      isFinal: false,
    });
    view.apply({ epoch: 1, from: 1, to: 2, nodes: [{ node: 2, isAlive: false }] });
    expect(why("node=b")).toMatchObject({ missing: "node b is not heard of" });
    expect(why("node=z?")).toEqual({ kind: "place", node: 1 });
    expect(why("node=c?", cpus(8))).toMatchObject({ kind: "infeasible" });
  });
});

describe("labels", () => {
  const nodes: readonly Partial<NodeChange>[] = [
    { total: cpus(2, 1), labels: { gpu: "H100", zone: "a" } },
    { total: cpus(2, 1), labels: { gpu: "A100", zone: "b" } },
    { total: cpus(2), labels: {} },
  ];

  it("choose the nodes; soft ones give way when those have no room (M8)", () => {
    const key = (text: string, count: number): unknown =>
      placements(viewOf(...nodes), count, { strategy: parseStrategyKey(text) });
    expect(key("labels=gpu=H100", 3)).toEqual([1, 1, "wait"]);
    expect(key("labels=gpu=in(A100,T4)", 1)).toEqual([2]);
    expect(key("labels=gpu=!exists", 3)).toEqual([3, 3, "wait"]);
    expect(key("labels?=zone=a", 3)).toEqual([1, 1, 3]);
    expect(key("labels?=zone=nowhere", 1)).toEqual([3]);
    expect(key("labels=gpu=exists;labels?=zone=b", 3)).toEqual([2, 2, 1]);
    expect(key("spread;labels=gpu=exists", 2)).toEqual([1, 2]);
  });

  it("and resources that no node has are told, the first one", () => {
    const why = (key: string, takes: ResourceVector): string => {
      const placement = place(viewOf(...nodes), { takes, strategy: parseStrategyKey(key), random: 0 });
      return placement.kind === "infeasible" ? placement.missing : placement.kind;
    };
    expect(why("labels=gpu=T4&zone=a", cpus(1))).toBe("no node has the label gpu T4");
    expect(why("labels=gpu=A100&zone=a", cpus(1))).toBe("no node has all of the labels gpu A100, zone a");
    expect(why("labels=gpu=A100", cpus(1, 2))).toBe("2 GPU asked for, 1 there (labels gpu A100)");
    expect(why("", cpus(3))).toBe("on the largest node: 3 CPU asked for, 2 there");
    expect(why("", cpus(0, 0, 1))).toBe("on the largest node: 1 disk asked for, 0 there");
    const view = viewOf({ total: cpus(8) }, { total: cpus(1, 1) });
    expect(place(view, { takes: cpus(2, 1), strategy: hybridStrategy, random: 0 })).toMatchObject({
      missing: "no node has all of CPU=2,GPU=1",
    });
    expect(place(viewOf(), { takes: {}, strategy: hybridStrategy, random: 0 })).toMatchObject({
      missing: "there is no node that takes work",
    });
  });
});

describe("others", () => {
  it("near data: there, and elsewhere when there is no room (M5)", () => {
    const view = viewOf({ total: cpus(1) }, { total: cpus(1) });
    expect(placements(view, 3, { strategy: nearStrategy(2), from: 1 })).toEqual([2, 1, "wait"]);
    expect(placements(viewOf({ total: cpus(1) }), 1, { strategy: nearStrategy(9) })).toEqual([1]);
  });

  it("actors need more to be placed than they take", () => {
    const view = viewOf({ total: {} }, { total: cpus(1), available: {} });
    expect(placements(view, 3, { needs: cpus(1), takes: noResources })).toEqual([2, 2, 2]);
    expect(placements(view, 1, { needs: cpus(2), takes: noResources })).toEqual(["infeasible"]);
  });

  it("actors that take nothing do not pile up on one node", () => {
    const view = viewOf({ total: cpus(4) }, { total: cpus(2) }, { total: cpus(2) });
    const found = placements(view, 20, { needs: cpus(1), takes: noResources, from: 1, now: 0 });
    expect(found.slice(0, 2)).toEqual([1, 1]);
    for (const node of [1, 2, 3])
      expect(found.filter((each) => each === node).length).toBeGreaterThanOrEqual(5);
    expect(placements(view, 1, { needs: cpus(1), takes: noResources, from: 1, now: 2000 })).toEqual([1]);
  });

  it("queue where least waits when none has room", () => {
    const view = viewOf(
      { total: cpus(1), available: {}, queued: 9 },
      { total: cpus(1), available: {}, queued: 1 },
    );
    expect(placements(view, 1, { canQueue: true, from: 1 })).toEqual([2]);
    expect(placements(view, 1)).toEqual(["wait"]);
  });
});
