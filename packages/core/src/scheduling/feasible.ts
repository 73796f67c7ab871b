/** Which nodes can hold a shape at all, and why none can, in words. */
import { formatLabelConditions, matchesLabels } from "../labels.ts";
import type { SchedulingStrategy } from "../options/scheduling.ts";
import { addResources, makeVector, missingResource, shapeKey, type ResourceVector } from "../resources.ts";
import type { NodeView } from "./node-view.ts";
import type { IndexedNode, ShapeIndex } from "./shape-index.ts";
import type { ClusterView } from "./view.ts";

/** Nothing can hold it. `isFinal`: it names a node that is not there; waiting for another one is no use. */
export interface Infeasible {
  readonly kind: "infeasible";
  readonly missing: string;
  readonly isFinal: boolean;
}

/** What a strategy asks of the choice of a node, resolved against the view. */
export type Target =
  /** This one and no other. */
  | { readonly kind: "only"; readonly node: IndexedNode }
  /** This one if it has room, else another. */
  | { readonly kind: "rather"; readonly node: IndexedNode }
  | { readonly kind: "any" }
  | Infeasible;

export function resolveTarget(view: ClusterView, index: ShapeIndex, strategy: SchedulingStrategy): Target {
  if (strategy.policy === "node") {
    const named = view.named(strategy.node).find((node) => index.has(node.slot));
    if (named !== undefined) return { kind: "only", node: named };
    if (!strategy.soft) return missingNode(view, index, strategy);
  }
  if (index.feasible === 0)
    return { kind: "infeasible", missing: whyInfeasible(view, index, strategy), isFinal: false };
  if (strategy.policy === "near") {
    const near = view.get(strategy.near);
    if (near !== undefined && index.has(near.slot)) return { kind: "rather", node: near };
  }
  return { kind: "any" };
}

function missingNode(view: ClusterView, index: ShapeIndex, strategy: SchedulingStrategy): Infeasible {
  const named = view.named(strategy.node);
  const isUsable = (node: NodeView): boolean => node.isAlive && !node.isDraining;
  const usable = named.find(isUsable);
  let missing: string;
  if (named.length === 0) missing = `there is no node ${JSON.stringify(strategy.node)}`;
  else if (usable === undefined)
    missing = `node ${strategy.node} ${named[0].isDraining ? "is being drained" : "is not heard of"}`;
  else missing = `node ${strategy.node}: ${lackOf(index, usable)}`;
  return { kind: "infeasible", missing, isFinal: named.length === 0 };
}

function lackOf(index: ShapeIndex, node: NodeView): string {
  const { needs, takes, required } = index.shape;
  const lacks = missingResource(needs, node.total) ?? missingResource(takes, node.total);
  return lacks ?? `labels ${formatLabelConditions(required)} asked for`;
}

/** The first resource or label that no node has. Looks at every node: say it once. */
export function whyInfeasible(view: ClusterView, index: ShapeIndex, strategy: SchedulingStrategy): string {
  const { required } = strategy;
  const { needs, takes } = index.shape;
  const met = required.map(() => false);
  let matching = 0;
  let usable = 0;
  let largest: ResourceVector = {};
  for (const node of view.nodes()) {
    index.steps++;
    if (!node.isAlive || node.isDraining) continue;
    usable++;
    required.forEach((condition, at) => (met[at] ||= matchesLabels([condition], node.labels)));
    if (!matchesLabels(required, node.labels)) continue;
    matching++;
    largest = maximum(largest, node.total);
  }
  if (usable === 0) return "there is no node that takes work";
  const unmet = met.indexOf(false);
  if (unmet >= 0) return `no node has the label ${formatLabelConditions([required[unmet]])}`;
  if (matching === 0) return `no node has all of the labels ${formatLabelConditions(required)}`;
  const missing = missingResource(needs, largest) ?? missingResource(takes, largest);
  const where = matching > 1 ? "on the largest node: " : "";
  const which = required.length > 0 ? ` (labels ${formatLabelConditions(required)})` : "";
  if (missing !== undefined) return `${where}${missing}${which}`;
  return `no node has all of ${shapeKey(maximum(needs, takes))}${which}`;
}

/** The larger amount of each resource. */
export function maximum(a: ResourceVector, b: ResourceVector): ResourceVector {
  const names = Object.keys(addResources(a, b));
  return makeVector(names.map((name) => [name, Math.max(a[name] ?? 0, b[name] ?? 0)]));
}
