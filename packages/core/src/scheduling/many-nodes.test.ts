/** A million nodes: what a decision looks at is counted, not timed. */
import { describe, expect, it } from "vitest";
import { processNumber } from "../ids.ts";
import { hybridStrategy, parseStrategyKey } from "../options/scheduling.ts";
import { parseResources, type ResourceVector } from "../resources.ts";
import type { NodeChange } from "./node-view.ts";
import { place } from "./pick.ts";
import { DemandRouter } from "./router.ts";
import { ClusterView } from "./view.ts";

const cpus = (numCpus: number, numGpus = 0): ResourceVector => parseResources({ numCpus, numGpus });
const gpuNode = cpus(64, 8);
const cpuNode = cpus(16);
/** From nothing free to everything. */
const gpuFree = Array.from({ length: 9 }, (_, eighths) => cpus(eighths * 8, eighths));
const cpuFree = Array.from({ length: 9 }, (_, eighths) => cpus(eighths * 2));
const labels = ["H100", "H200", "A100"].map((gpu) => ({ gpu }));

function bigView(count: number): ClusterView {
  const view = new ClusterView({ local: 1 });
  view.own({ total: cpuNode, available: cpuNode });
  const nodes: NodeChange[] = [];
  for (let node = 2; node <= count; node++) {
    const [total, free] = node % 4 === 0 ? [cpuNode, cpuFree] : [gpuNode, gpuFree];
    nodes.push({ node, total, available: free[(node * 7919) % 9], labels: labels[node % 3] });
  }
  expect(view.apply({ epoch: 1, from: 0, to: 1, nodes })).toBe("applied");
  return view;
}

/** The most that one of `times` decisions looks at, once the index is there. */
function mostSteps(view: ClusterView, takes: ResourceVector, key: string, times: number): number {
  const strategy = parseStrategyKey(key);
  const index = view.index(takes, takes, strategy);
  let most = 0;
  for (let i = 0; i < times; i++) {
    const before = index.steps;
    const placement = place(view, { takes, strategy, random: (i * 0.618) % 1, from: 1 });
    expect(placement.kind).toBe("place");
    most = Math.max(most, index.steps - before);
  }
  return most;
}

describe("a decision", () => {
  it.each(["", "spread", "labels=gpu=in(H100,H200)", "labels?=gpu=A100", "near=12"])(
    "among many nodes looks at no more than among few (%s)",
    (key) => {
      const few = bigView(1000);
      const many = bigView(30_000);
      for (const takes of [cpus(1), cpus(8, 1)]) {
        const [a, b] = [mostSteps(few, takes, key, 200), mostSteps(many, takes, key, 200)];
        expect(b).toBeLessThanOrEqual(Math.max(a, 600));
      }
    },
  );

  it("of a million nodes looks at some hundreds of things, and a change at one", () => {
    const view = bigView(1_000_000);
    expect(view.size).toBe(1_000_000);
    const index = view.index(cpus(8, 1), cpus(8, 1), hybridStrategy);
    expect(mostSteps(view, cpus(8, 1), "", 1000)).toBeLessThan(600);
    const before = index.steps;
    for (let i = 0; i < 1000; i++) {
      const change = { node: 2 + ((i * 104_729) % 999_000), available: cpus(i % 9, i % 3) };
      expect(view.apply({ epoch: 1, from: i + 1, to: i + 2, nodes: [change] })).toBe("applied");
    }
    expect(index.steps - before).toBe(1000);
    const router = new DemandRouter(view, { local: 1, seed: 3 });
    const said = router.handle({
      type: "demand",
      owner: processNumber(1, 1),
      key: "k",
      resources: cpus(8, 1),
      strategy: "",
      job: "",
      count: 65_536,
      now: 0,
    });
    router.check();
    // Divided among so many nodes at most; the rest waits at one.
    expect(said.length).toBeLessThanOrEqual(1025);
    expect(index.steps - before).toBeLessThan(5_000_000);
    expect(said.reduce((sum, each) => sum + (each.type === "set demand" ? each.count : 0), 0)).toBe(65_536);
  });
});
