/** One decision: where one more of a shape goes. Filter (feasible.ts), score (the buckets of shape-index.ts), pick. */
import type { SchedulingStrategy } from "../options/scheduling.ts";
import type { ResourceVector } from "../resources.ts";
import { maximum, resolveTarget, type Infeasible, type Target } from "./feasible.ts";
import { bucketOrders, type IndexedNode, type ShapeIndex } from "./shape-index.ts";
import type { ClusterView } from "./view.ts";

export interface PlacementRequest {
  /** What a node must have in all. Default `takes`. */
  readonly needs?: ResourceVector;
  /** What is taken of it. */
  readonly takes: ResourceVector;
  readonly strategy: SchedulingStrategy;
  /** From 0 to below 1: chooses among the best, so that many who decide at once do not all choose the same. */
  readonly random: number;
  /** The node of the one who asks. It is taken rather than others that are no better. Default none. */
  readonly from?: number;
  /** It may queue at a node: when none has room, the one that it names or where least waits. Default false. */
  readonly canQueue?: boolean;
  /** In ms. Without it, what was placed counts as taken until the node tells of itself, however long that is. */
  readonly now?: number;
}

export type Placement =
  | { readonly kind: "place"; readonly node: number }
  /** Some node can hold it, none has room now. */
  | { readonly kind: "wait" }
  | Infeasible;

/** Decides, and counts what was placed as taken until the node tells of itself. */
export function place(view: ClusterView, request: PlacementRequest): Placement {
  const { takes, strategy } = request;
  if (request.now !== undefined) view.passTime(request.now);
  const index = view.index(request.needs ?? takes, takes, strategy);
  const target = resolveTarget(view, index, strategy);
  if (target.kind === "infeasible") return target;
  const from = request.from === undefined ? undefined : view.get(request.from);
  const free = choose(view, index, { target, policy: strategy.policy, random: request.random, from });
  const chosen = free ?? (request.canQueue === true ? whereToQueue(view, index, target) : undefined);
  if (chosen === undefined) return { kind: "wait" };
  // What needs more than it takes (an actor that holds nothing) counts with its need at first: many do not pile up.
  view.charge(chosen.node, request.needs === undefined ? takes : maximum(request.needs, takes), 1);
  return { kind: "place", node: chosen.node };
}

/** Where work waits that has no room anywhere. */
function whereToQueue(view: ClusterView, index: ShapeIndex, target: Target): IndexedNode | undefined {
  if (target.kind === "only") return target.node;
  return nodeAt(
    view,
    index.search(bucketOrders.waiting, 0, () => true),
  );
}

export interface Choice {
  readonly target: Target;
  readonly policy: SchedulingStrategy["policy"];
  readonly random: number;
  readonly from: IndexedNode | undefined;
  /** Which nodes with room are taken; default all. */
  readonly accepts?: (node: IndexedNode) => boolean;
  /** How many nodes are looked at; default all. */
  readonly most?: number;
}

/** Part of the nodes with room among which chance decides. */
const topShare = 0.2;

/** A node with room now, or undefined. */
export function choose(view: ClusterView, index: ShapeIndex, choice: Choice): IndexedNode | undefined {
  const { target, from, accepts = always } = choice;
  if (target.kind === "infeasible") return undefined;
  if (target.kind !== "any" && index.hasRoom(target.node.slot) && accepts(target.node)) return target.node;
  if (target.kind === "only" || index.roomy === 0) return undefined;
  const takesSlot = (slot: number): boolean => accepts(view.at(slot));
  if (choice.policy === "spread" || index.areAllFull())
    return nodeAt(view, index.searchInTurn(bucketOrders.spread, takesSlot, choice.most));
  if (from !== undefined && index.isBestToPack(from.slot) && accepts(from)) return from;
  const best = Math.ceil(index.roomyInBestTier() * topShare);
  const skip = Math.min(best - 1, Math.floor(choice.random * best));
  return nodeAt(view, index.search(bucketOrders.pack, skip, takesSlot, choice.most));
}

function always(): boolean {
  return true;
}

function nodeAt(view: ClusterView, slot: number): IndexedNode | undefined {
  return slot < 0 ? undefined : view.at(slot);
}
