import { describe, expect, it } from "vitest";
import { processNumber } from "../ids.ts";
import { parseResources, type ResourceVector } from "../resources.ts";
import type { NodeChange } from "./node-view.ts";
import { DemandRouter } from "./router.ts";
import type { RouterEvent, RouterInstruction } from "./router-events.ts";
import { ClusterView } from "./view.ts";

const cpus = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });
const owner = processNumber(1, 1);

/** A router on node 1 and the view it decides by. */
class Desk {
  readonly view: ClusterView;
  readonly router: DemandRouter;
  readonly said: RouterInstruction[] = [];
  now = 0;
  #version = 0;

  constructor(local: Omit<NodeChange, "node">, others: readonly NodeChange[] = [], isWhole = false) {
    this.view = new ClusterView({ local: 1, isWhole });
    this.view.own({ available: local.total, ...local });
    this.router = new DemandRouter(this.view, { local: 1, seed: 1 });
    if (others.length > 0) this.change(...others);
  }

  handle(event: RouterEvent): readonly RouterInstruction[] {
    const said = this.router.handle(event);
    this.router.check();
    this.view.check();
    this.said.push(...said);
    return said;
  }

  change(...nodes: readonly NodeChange[]): readonly RouterInstruction[] {
    const all = nodes.map((node) => ({ available: node.total, ...node }));
    const from = this.#version++;
    const first = { node: 1, total: this.view.get(1)?.total ?? {} };
    const delta = { epoch: 1, from, to: this.#version, nodes: from === 0 ? [first, ...all] : all };
    expect(this.view.apply(delta)).toBe("applied");
    return this.handle({ type: "view changed", now: this.now });
  }

  demand(count: number, resources = cpus(1), strategy = "", key = "k"): Record<number, number> {
    const said = this.handle({
      type: "demand",
      owner,
      key,
      resources,
      strategy,
      job: "",
      count,
      now: this.now,
    });
    return shares(said);
  }

  grant(node: number, count: number, key = "k"): void {
    for (let i = 1; i <= count; i++)
      this.handle({ type: "granted", owner, key, worker: processNumber(node, i) });
  }

  pass(ms: number): Record<number, number> {
    const said: RouterInstruction[] = [];
    for (const end = this.now + ms; this.now < end;) {
      this.now += 50;
      if (this.router.wantsTicks) said.push(...this.handle({ type: "tick", now: this.now }));
    }
    return shares(said);
  }
}

function shares(said: readonly RouterInstruction[]): Record<number, number> {
  const found: Record<number, number> = {};
  for (const each of said) if (each.type === "set demand") found[each.node] = each.count;
  return found;
}

const node = (number: number, total: ResourceVector, more: Partial<NodeChange> = {}): NodeChange => ({
  node: number,
  total,
  ...more,
});

describe("a node that is alone", () => {
  it("gets every demand as it comes, also what it can never hold", () => {
    const desk = new Desk({ total: cpus(2) }, [], true);
    expect(desk.demand(5)).toEqual({ 1: 5 });
    expect(desk.demand(5)).toEqual({ 1: 5 });
    expect(desk.demand(3, cpus(64), "", "large")).toEqual({ 1: 3 });
    expect(desk.demand(1, cpus(1), "spread", "spread")).toEqual({ 1: 1 });
    expect(desk.demand(0)).toEqual({ 1: 0 });
    expect(desk.demand(0, cpus(64), "", "large")).toEqual({ 1: 0 });
    expect(desk.router.wantsTicks).toBe(false);
  });

  it("says itself that it has not the name or the labels", () => {
    const desk = new Desk({ total: cpus(2), name: "here", labels: { zone: "a" } }, [], true);
    expect(desk.demand(1, cpus(1), "node=here", "1")).toEqual({ 1: 1 });
    expect(desk.demand(1, cpus(1), "labels=zone=a", "2")).toEqual({ 1: 1 });
    expect(desk.demand(1, cpus(1), "node=there?", "3")).toEqual({ 1: 1 });
    expect(desk.demand(1, cpus(1), "labels=zone=b", "4")).toEqual({});
    expect(desk.said.at(-1)).toEqual({
      type: "infeasible",
      owner,
      key: "4",
      missing: "no node has the label zone b",
      isFinal: false,
    });
    expect(desk.demand(1, cpus(1), "node=there", "5")).toEqual({});
    desk.pass(2000);
    expect(desk.said.at(-1)).toEqual({
      type: "infeasible",
      owner,
      key: "5",
      missing: 'there is no node "there"',
      isFinal: true,
    });
    expect(desk.router.wantsTicks).toBe(false);
  });
});

describe("demand", () => {
  it("fills the own node to half, then the others, then all (hybrid)", () => {
    const desk = new Desk({ total: cpus(4) }, [node(2, cpus(4)), node(3, cpus(4))]);
    expect(desk.demand(1)).toEqual({ 1: 1 });
    expect(desk.demand(2)).toEqual({ 1: 2 });
    expect(desk.demand(6)).toEqual({ 2: 2, 3: 2 });
    expect(desk.demand(12)).toEqual({ 1: 4, 2: 4, 3: 4 });
    expect(desk.demand(100)).toEqual({ 1: 92 });
    expect(desk.demand(0)).toEqual({ 1: 0, 2: 0, 3: 0 });
    expect(desk.router.demands()).toEqual([]);
  });

  it("of one task on each node goes to each node (spread)", () => {
    const desk = new Desk({ total: cpus(4) }, [node(2, cpus(4)), node(3, cpus(4))]);
    for (const count of [1, 2, 3]) desk.demand(count, cpus(1), "spread");
    expect(shares(desk.said)).toEqual({ 1: 1, 2: 1, 3: 1 });
    expect(desk.demand(9, cpus(1), "spread")).toEqual({ 1: 3, 2: 3, 3: 3 });
  });

  it("of the agent of a driver goes elsewhere", () => {
    const desk = new Desk({ total: {} }, [node(2, cpus(4)), node(3, cpus(4))]);
    expect(desk.demand(8)).toEqual({ 2: 4, 3: 4 });
    const rest = desk.demand(20);
    expect(Object.values(rest)).toEqual([16]);
  });

  it("that a node does not serve moves where there is room", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(2))]);
    desk.demand(10);
    expect(shares(desk.said)).toEqual({ 1: 8, 2: 2 });
    desk.grant(1, 2);
    desk.grant(2, 2);
    desk.view.own({ available: {} });
    desk.change({ node: 2, available: {} });
    expect(desk.pass(2000)).toEqual({});
    expect(desk.change(node(3, cpus(4)))).toEqual([]);
    const moved = desk.pass(200);
    expect(moved).toEqual({ 1: 4, 3: 4 });
  });

  it("that waits at one node for 100 ms goes where there is room, but not what has a worker that starts (M11)", () => {
    const desk = new Desk({ total: {} }, [node(2, cpus(4)), node(3, cpus(4), { available: {} })]);
    expect(desk.demand(2)).toEqual({ 2: 2 });
    desk.change({ node: 2, available: {} }, { node: 3, available: cpus(4) });
    expect(desk.pass(1000)).toEqual({});
    desk.change({ node: 2, queued: 2 });
    expect(desk.pass(50)).toEqual({ 2: 0, 3: 2 });
    desk.change({ node: 3, available: {}, queued: 2 }, { node: 2, available: cpus(4), queued: 0 });
    expect(desk.pass(100)).toEqual({});
    expect(desk.pass(150)).toEqual({ 2: 2, 3: 0 });
  });

  it("of a node that leaves or drains goes to others", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(2)), node(3, cpus(2))]);
    desk.demand(6);
    desk.grant(2, 1);
    expect(shares(desk.change({ node: 2, isDraining: true }))).toEqual({ 1: 3, 2: 1 });
    expect(shares(desk.change({ node: 3, isGone: true }))).toEqual({ 1: 5 });
    expect(shares(desk.change({ node: 2, isGone: true }))).toEqual({ 1: 6 });
  });

  it("that nobody can hold is said once, and served when a node joins", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(4))]);
    expect(desk.demand(3, cpus(1, 1))).toEqual({});
    expect(desk.demand(5, cpus(1, 1))).toEqual({});
    desk.change(node(3, cpus(8)));
    expect(desk.said).toEqual([
      {
        type: "infeasible",
        owner,
        key: "k",
        missing: "on the largest node: 1 GPU asked for, 0 there",
        isFinal: false,
      },
    ]);
    desk.said.length = 0;
    desk.change(node(4, cpus(8, 1)));
    expect(desk.said.map(({ type }) => type)).toEqual(["feasible again", "set demand"]);
    expect(shares(desk.said)).toEqual({ 4: 5 });
  });

  it("goes to the node it names and waits there; a soft one goes elsewhere when that node is not there", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(2), { name: "b" })]);
    expect(desk.demand(9, cpus(1), "node=b")).toEqual({ 2: 9 });
    expect(desk.pass(1000)).toEqual({});
    expect(desk.demand(1, cpus(1), "node=c?", "soft")).toEqual({ 1: 1 });
    expect(desk.demand(1, cpus(1), "node=node-2?", "id")).toEqual({ 2: 1 });
  });

  it("near data goes there, and elsewhere when there is no room", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(2))]);
    expect(desk.demand(1, cpus(1), "near=2")).toEqual({ 2: 1 });
    expect(desk.demand(3, cpus(1), "near=2")).toEqual({ 1: 1, 2: 2 });
    expect(desk.demand(1, cpus(1), "near=7", "gone")).toEqual({ 1: 1 });
  });

  it("prefers nodes without GPUs and with the labels asked for", () => {
    const desk = new Desk({ total: {} }, [
      node(2, cpus(2, 1)),
      node(3, cpus(2), { labels: { zone: "a" } }),
      node(4, cpus(2), { labels: { zone: "b" } }),
    ]);
    expect(desk.demand(4, cpus(1), "", "cpu")).toEqual({ 3: 2, 4: 2 });
    expect(desk.demand(5, cpus(1), "", "cpu")).toEqual({ 2: 1 });
    desk.demand(0, cpus(1), "", "cpu");
    desk.change(node(3, cpus(2)), node(4, cpus(2)));
    expect(desk.demand(2, cpus(1), "labels=zone=!a", "hard")).toEqual({ 4: 2 });
    expect(desk.demand(3, cpus(1), "labels?=zone=a", "soft")).toEqual({ 3: 2, 2: 1 });
  });

  it("with a strategy that is none never runs", () => {
    const desk = new Desk({ total: cpus(2) }, [], true);
    expect(desk.demand(1, cpus(1), "pack")).toEqual({});
    expect(desk.said).toMatchObject([{ type: "infeasible", isFinal: true }]);
    expect(desk.router.demands()).toEqual([]);
  });

  it("of an owner that ended leaves no trace", () => {
    const desk = new Desk({ total: cpus(2) }, [node(2, cpus(2))]);
    desk.demand(4);
    desk.grant(2, 1);
    expect(desk.handle({ type: "owner ended", owner })).toEqual([
      { type: "owner ended", node: 1, owner },
      { type: "owner ended", node: 2, owner },
    ]);
    expect(desk.router.demands()).toEqual([]);
    expect(desk.router.wantsTicks).toBe(false);
  });
});
