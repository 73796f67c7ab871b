import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { processNumber } from "../ids.ts";
import { matchesLabels, type Labels } from "../labels.ts";
import { parseStrategyKey } from "../options/scheduling.ts";
import { fits, parseResources, type ResourceVector } from "../resources.ts";
import type { NodeChange } from "./node-view.ts";
import { DemandRouter } from "./router.ts";
import type { RouterEvent, RouterInstruction } from "./router-events.ts";
import { ClusterView } from "./view.ts";

const local = 1;
const cpus = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });

interface Kind {
  readonly resources: ResourceVector;
  readonly strategy: string;
  readonly job: string;
}

const kinds: readonly Kind[] = [
  { resources: cpus(1), strategy: "", job: "" },
  { resources: cpus(1), strategy: "", job: "a" },
  { resources: cpus(2), strategy: "spread", job: "a" },
  { resources: {}, strategy: "", job: "b" },
  { resources: cpus(0, 1), strategy: "", job: "b" },
  { resources: cpus(1), strategy: "labels=zone=a", job: "a" },
  { resources: cpus(1), strategy: "labels?=zone=a", job: "" },
  { resources: cpus(1), strategy: "node=node-2", job: "" },
  { resources: cpus(1), strategy: "node=node-3?", job: "" },
  { resources: cpus(1), strategy: "near=2", job: "" },
  { resources: cpus(64), strategy: "", job: "" },
];

interface ModelDemand {
  readonly owner: number;
  readonly kind: number;
  count: number;
  /** Node → what it was told, and how many it has granted. */
  readonly told: Map<number, number>;
  readonly held: Map<number, Set<number>>;
  isInfeasible: boolean;
}

/** The cluster around a router: believes only what it is told. */
class Cluster {
  readonly view = new ClusterView({ local });
  readonly router = new DemandRouter(this.view, { local, seed: 7 });
  readonly nodes = new Map<number, NodeChange>();
  readonly demands = new Map<string, ModelDemand>();
  now = 0;
  said = 0;
  #version = 0;
  #workers = 0;

  constructor(total: ResourceVector) {
    this.nodes.set(local, { node: local, total });
    this.view.own({ total, available: total });
    this.change([]);
  }

  handle(event: RouterEvent): void {
    for (const each of this.router.handle(event)) this.#obey(each);
    this.router.check();
    this.view.check();
    this.check();
  }

  change(changes: readonly NodeChange[]): void {
    for (const change of changes) {
      if (change.isGone === true) {
        this.nodes.delete(change.node);
        for (const demand of this.demands.values()) {
          demand.told.delete(change.node);
          demand.held.delete(change.node);
        }
      } else this.nodes.set(change.node, { ...this.nodes.get(change.node), ...change });
    }
    const from = this.#version++;
    const nodes = from === 0 ? [...this.nodes.values()] : changes;
    expect(this.view.apply({ epoch: 1, from, to: this.#version, nodes })).toBe("applied");
    this.handle({ type: "view changed", now: this.now });
  }

  demand(owner: number, kind: number, count: number): void {
    const { resources, strategy, job } = kinds[kind];
    const key = `${owner} ${kind}`;
    const demand = this.demands.get(key) ?? {
      owner,
      kind,
      count,
      told: new Map<number, number>(),
      held: new Map<number, Set<number>>(),
      isInfeasible: false,
    };
    demand.count = count;
    this.demands.set(key, demand);
    this.handle({ type: "demand", owner, key, resources, strategy, job, count, now: this.now });
    if (count === 0 && demand.held.size === 0) this.demands.delete(key);
  }

  grant(pick: number): void {
    for (const [key, demand] of this.demands) {
      for (const [node, count] of demand.told) {
        const held = demand.held.get(node) ?? new Set<number>();
        if (held.size >= count || pick-- > 0) continue;
        const worker = processNumber(node, 1 + (this.#workers++ % 100_000));
        demand.held.set(node, held.add(worker));
        this.handle({ type: "granted", owner: demand.owner, key, worker });
        return;
      }
    }
  }

  release(pick: number): void {
    for (const [key, demand] of [...this.demands]) {
      for (const [node, held] of demand.held) {
        if (pick-- > 0) continue;
        const [worker] = held;
        held.delete(worker);
        if (held.size === 0) demand.held.delete(node);
        for (let times = 0; times < 2; times++)
          this.handle({ type: "released", owner: demand.owner, key, worker, now: this.now });
        if (demand.count === 0 && demand.held.size === 0) this.demands.delete(key);
        return;
      }
    }
  }

  endOwner(owner: number): void {
    for (const [key, demand] of [...this.demands]) if (demand.owner === owner) this.demands.delete(key);
    this.handle({ type: "owner ended", owner });
  }

  endJob(job: string): void {
    for (const demand of this.demands.values()) if (kinds[demand.kind].job === job) demand.count = 0;
    this.handle({ type: "job ended", job });
    for (const [key, { kind }] of [...this.demands]) if (kinds[kind].job === job) this.demands.delete(key);
  }

  pass(ms: number, stepMs = 50): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += stepMs;
      if (this.router.wantsTicks) this.handle({ type: "tick", now: this.now });
    }
  }

  /** Some node can hold it, and takes work. */
  canHold(kind: Kind, node: NodeChange): boolean {
    const { required, policy, node: name, soft } = parseStrategyKey(kind.strategy);
    return (
      node.isAlive !== false &&
      node.isDraining !== true &&
      fits(kind.resources, node.total ?? {}) &&
      matchesLabels(required, node.labels ?? {}) &&
      (policy !== "node" || soft || name === `node-${node.node}`)
    );
  }

  check(): void {
    for (const { kind, count, told, held, isInfeasible } of this.demands.values()) {
      let sum = 0;
      for (const [node, share] of told) {
        sum += share;
        const state = this.nodes.get(node);
        if (state === undefined) throw new Error(`node ${node} is gone and has ${share}`);
        if (this.view.isAlone || share <= (held.get(node)?.size ?? 0)) continue;
        if (!this.canHold(kinds[kind], state))
          throw new Error(`node ${node} has ${share} of ${JSON.stringify(kinds[kind])}`);
      }
      const isFeasible = [...this.nodes.values()].some((node) => this.canHold(kinds[kind], node));
      const isRight = isFeasible ? sum === count && (count === 0 || !isInfeasible) : sum <= count;
      if (!isRight) throw new Error(`${sum} of ${count} of kind ${kind}; infeasible: ${isInfeasible}`);
    }
  }

  #obey(instruction: RouterInstruction): void {
    this.said++;
    if (instruction.type === "owner ended") return;
    const demand = this.demands.get(instruction.key);
    if (demand === undefined) {
      // Only an ended job or a withdrawal speaks of a demand that is over.
      expect(instruction).toMatchObject({ type: "set demand", count: 0 });
      return;
    }
    switch (instruction.type) {
      case "set demand":
        expect(instruction).toMatchObject({ ...kinds[demand.kind], owner: demand.owner });
        expect(this.nodes.has(instruction.node), `node ${instruction.node}`).toBe(true);
        if (instruction.count === 0) demand.told.delete(instruction.node);
        else demand.told.set(instruction.node, instruction.count);
        break;
      case "infeasible":
        expect(demand.isInfeasible).toBe(false);
        demand.isInfeasible = true;
        break;
      case "feasible again":
        expect(demand.isInfeasible).toBe(true);
        demand.isInfeasible = false;
        break;
    }
  }
}

const total = fc.constantFrom(cpus(1), cpus(2), cpus(4), cpus(2, 1), {});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("demand" as const),
      owner: fc.integer({ min: 1, max: 3 }),
      kind: fc.nat(kinds.length - 1),
      count: fc.constantFrom(0, 1, 2, 5, 40),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("grant" as const, "grant" as const, "release" as const),
      pick: fc.nat(9),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("node" as const),
      node: fc.integer({ min: 2, max: 6 }),
      total,
      labels: fc.constantFrom<Labels>({}, { zone: "a" }),
      part: fc.constantFrom("all", "available", "isAlive", "isDraining", "isGone", "queued"),
      isTrue: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom("end owner" as const, "end job" as const),
      pick: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.nat(1500) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function run(cluster: Cluster, each: Step): void {
  switch (each.type) {
    case "demand":
      cluster.demand(each.owner, each.kind, each.count);
      break;
    case "grant":
      cluster.grant(each.pick);
      break;
    case "release":
      cluster.release(each.pick);
      break;
    case "node": {
      const { node, total: has, labels, isTrue } = each;
      // A number is used once: who is gone comes back as another.
      const known = cluster.nodes.get(node);
      if (known === undefined) {
        if (each.part === "all") cluster.change([{ node, total: has, available: has, labels }]);
        break;
      }
      const available = isTrue ? known.total : {};
      if (each.part === "available") cluster.change([{ node, available }]);
      else if (each.part === "isGone") cluster.change([{ node, isGone: true }]);
      else if (each.part === "queued") cluster.change([{ node, queued: isTrue ? 20 : 0, available }]);
      else if (each.part === "all") cluster.change([{ node, total: has, labels }]);
      else cluster.change([{ node, [each.part]: isTrue }]);
      break;
    }
    case "end owner":
      cluster.endOwner(each.pick);
      break;
    case "end job":
      cluster.endJob(each.pick === 1 ? "a" : "b");
      break;
    case "pass":
      cluster.pass(each.ms);
      break;
  }
}

describe("demand under any order of events", () => {
  it("is divided whole among nodes that can hold it, comes to rest, and leaves nothing", () => {
    fc.assert(
      fc.property(total, fc.array(step, { minLength: 10, maxLength: 80, size: "max" }), (own, steps) => {
        const cluster = new Cluster(own);
        for (const each of steps) run(cluster, each);

        // Nothing is granted any more, and nodes tell nothing: it tries less and less.
        cluster.pass(30_000, 500);
        const before = cluster.said;
        cluster.pass(10_000, 500);
        expect(cluster.said - before).toBeLessThanOrEqual(40 * cluster.demands.size);

        // All nodes are full and say so: nothing moves at all.
        cluster.view.own({ available: {} });
        cluster.change(
          [...cluster.nodes.keys()].filter((node) => node !== local).map((node) => ({ node, available: {} })),
        );
        cluster.pass(500, 250);
        const full = cluster.said;
        for (let round = 0; round < 8; round++) {
          cluster.change([...cluster.nodes.keys()].map((node) => ({ node, queued: round })));
          cluster.pass(500, 250);
        }
        // Work that takes nothing has room everywhere.
        const takesSomething = [...cluster.demands.values()].every(({ kind }) => kind !== 3);
        if (takesSomething) expect(cluster.said).toBe(full);

        for (const owner of [1, 2, 3]) cluster.endOwner(owner);
        expect(cluster.router.demands()).toEqual([]);
        expect(cluster.router.wantsTicks).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
