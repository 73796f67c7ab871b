/** Who waits for workers: demand as owners tell it, shapes and actors that have nothing, and those that never will. */
import { missingResource, shapeKey, type ResourceVector } from "../resources.ts";
import { leaseKey, type LeaseEvent, type LeaseInstruction } from "./lease-events.ts";
import {
  isUsable,
  wantedOf,
  type ActorRequest,
  type Demand,
  type Shape,
  type Worker,
} from "./lease-state.ts";

/** Takes in what an owner wants of a shape. `since` is the place in the order of waiting, should it be the first. */
export function setDemand(
  shapes: Map<string, Shape>,
  demand: Extract<LeaseEvent, { type: "demand" }>,
  since: number,
): void {
  const { owner, resources, count, job = "" } = demand;
  const name = leaseKey(resources, demand.tag);
  const key = job === "" ? name : `${name}|${job}`;
  let shape = shapes.get(key);
  if (count <= 0) {
    shape?.demands.delete(owner);
    return;
  }
  if (shape === undefined) {
    shape = { key, name, job, resources, demands: new Map(), since, quietTicks: 0 };
    shapes.set(key, shape);
  } else if (shape.demands.size === 0) shape.since = since;
  const present = shape.demands.get(owner);
  if (present === undefined) shape.demands.set(owner, { owner, count, saidInfeasible: false });
  else present.count = count;
}

/**
 * Of the actors that ask for the same, so many are looked at; those behind them could not be served either. Without
 * this, thousands that wait for a process would make every event as dear as all of them.
 */
export const actorsLookedAt = 64;

export interface WaitingList {
  /** Shapes without any worker, and the first actors of each group, the longest waiting first. */
  readonly starving: readonly (Shape | ActorRequest)[];
  /** What to say of those that the node can never serve: once each. */
  readonly infeasible: readonly LeaseInstruction[];
}

export function waitingList(
  shapes: Iterable<Shape>,
  requests: Iterable<ActorRequest>, // in the order of waiting
  workers: readonly Worker[],
  total: ResourceVector,
): WaitingList {
  const starving: (Shape | ActorRequest)[] = [];
  const infeasible: LeaseInstruction[] = [];
  const say = (
    once: Demand | ActorRequest,
    owner: number,
    request: number,
    shape: string,
    job: string,
    missing: string,
  ): void => {
    if (!once.saidInfeasible) infeasible.push({ type: "infeasible", owner, request, shape, job, missing });
    once.saidInfeasible = true;
  };
  for (const shape of shapes) {
    if (wantedOf(shape) === 0 || workers.some((worker) => isUsable(worker, shape.key))) continue;
    const missing = missingResource(shape.resources, total);
    if (missing === undefined) starving.push(shape);
    else
      for (const demand of shape.demands.values())
        say(demand, demand.owner, 0, shape.name, shape.job, missing);
  }
  const served = new Set(workers.map((worker) => worker.request));
  const lookedAt = new Map<string, number>();
  for (const request of requests) {
    const before = lookedAt.get(request.group) ?? 0;
    if (before >= actorsLookedAt || served.has(request.request)) continue;
    const missing = missingResource(request.placement, total) ?? missingResource(request.running, total);
    if (missing === undefined) {
      starving.push(request);
      lookedAt.set(request.group, before + 1);
    } else say(request, 0, request.request, shapeKey(request.placement), request.job, missing);
  }
  starving.sort((a, b) => a.since - b.since);
  return { starving, infeasible };
}

/** Whether a shape that has the workers `usable` could do with one more. */
export function wantsMore(shape: Shape, usable: readonly Worker[], total: ResourceVector): boolean {
  const wanted = wantedOf(shape);
  if (wanted === 0 || missingResource(shape.resources, total) !== undefined) return false;
  // A worker does not serve itself: its own demand needs another.
  return usable.length < wanted || (usable.length === 1 && shape.demands.has(usable[0].number));
}

/** Tasks that are wanted and have no worker, be it one that starts; and actors. */
export function countUnserved(
  shapes: Iterable<Shape>,
  requests: Iterable<ActorRequest>,
  workers: readonly Worker[],
): number {
  let count = 0;
  for (const shape of shapes) {
    let usable = 0;
    for (const worker of workers) if (isUsable(worker, shape.key)) usable++;
    count += Math.max(0, wantedOf(shape) - usable);
  }
  const served = new Set(workers.map((worker) => worker.request));
  for (const { request } of requests) if (!served.has(request)) count++;
  return count;
}

/** Demand by shape, for people. */
export function demandByShape(
  shapes: Iterable<Shape>,
  requests: Iterable<ActorRequest>,
): { shape: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const shape of shapes) counts.set(shape.name, (counts.get(shape.name) ?? 0) + wantedOf(shape));
  for (const request of requests) {
    const shape = shapeKey(request.placement);
    counts.set(shape, (counts.get(shape) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > 0).map(([shape, count]) => ({ shape, count }));
}
