/**
 * Where resources for one more worker can come from: what is free, what is on its way back, and which workers of other
 * shapes give way. Pure: decides, changes nothing.
 */
import { addResources, fits, subtractResources, type ResourceVector } from "../resources.ts";
import type { GpuSlots } from "./lease-gpus.ts";
import { shareOf, type Shape, type Worker, wantedOf } from "./lease-state.ts";

/** A busy worker is not recalled before it has had the time for some work: shapes take turns, they do not thrash. */
export const minTenureTicks = 3;

export interface RoomView {
  readonly total: ResourceVector;
  readonly workers: Iterable<Worker>;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly gpus: GpuSlots;
  /** Promised to others that wait longer. */
  readonly reserved: ResourceVector;
}

export interface Wanted {
  /** null for an actor. */
  readonly shape: string | null;
  readonly resources: ResourceVector;
  /** It has no worker at all: it may interrupt others that have. */
  readonly isStarving: boolean;
}

/** What is free, as far as `shape` is concerned: CPUs lent by blocked workers count for other shapes only. */
export function freeFor(
  shape: string | null,
  total: ResourceVector,
  workers: Iterable<Worker>,
): Record<string, number> {
  const free: Record<string, number> = { ...total };
  for (const worker of workers) {
    for (const name in worker.held) {
      if (name === "CPU" && lends(worker, shape)) continue;
      free[name] = (free[name] ?? 0) - worker.held[name];
    }
  }
  return free;
}

/** Lent CPUs that are in use count as none. */
export function withoutDebts(free: Readonly<Record<string, number>>): ResourceVector {
  return Object.fromEntries(Object.entries(free).map(([name, amount]) => [name, Math.max(0, amount)]));
}

function lends(worker: Worker, shape: string | null): boolean {
  return worker.blocked && worker.shape !== shape;
}

/** Whether `wanted` fits once the workers in `gone` have ended. */
function fitsWithout(view: RoomView, wanted: Wanted, gone: ReadonlySet<Worker>): boolean {
  const rest: Worker[] = [];
  const gpus = view.gpus.copy();
  for (const worker of view.workers) {
    if (gone.has(worker)) gpus.giveBack(worker.gpuIds, worker.gpuUnits);
    else rest.push(worker);
  }
  const free = freeFor(wanted.shape, view.total, rest);
  for (const name in view.reserved) free[name] = (free[name] ?? 0) - view.reserved[name];
  return fits(wanted.resources, free) && gpus.find(wanted.resources["GPU"] ?? 0) !== null;
}

export function fitsNow(view: RoomView, wanted: Wanted): boolean {
  return fitsWithout(view, wanted, nobody);
}

const nobody: ReadonlySet<Worker> = new Set();

export type Room =
  /** It comes by itself: workers on their way back suffice, or busy ones once they have had their time. */
  | { readonly kind: "coming" }
  | { readonly kind: "recall"; readonly workers: readonly Worker[] }
  /** Actors hold it, or it would not be fair to take it. */
  | { readonly kind: "none" };

/** How `wanted`, which does not fit now, can be made to fit. */
export function findRoom(view: RoomView, wanted: Wanted): Room {
  const gone = new Set<Worker>();
  for (const worker of view.workers)
    if (worker.state === "recalled" || worker.state === "stopping") gone.add(worker);
  if (gone.size > 0 && fitsWithout(view, wanted, gone)) return { kind: "coming" };
  const chosen: Worker[] = [];
  for (const worker of whoMayGiveWay(view, wanted)) {
    chosen.push(worker);
    gone.add(worker);
    if (fitsWithout(view, wanted, gone))
      return { kind: "recall", workers: withoutNeedless(view, wanted, gone, chosen) };
  }
  if (!wanted.isStarving) return { kind: "none" };
  for (const worker of view.workers) {
    const returns = worker.state === "leased" || (worker.state === "starting" && worker.request === 0);
    if (returns && worker.shape !== wanted.shape) gone.add(worker);
  }
  return fitsWithout(view, wanted, gone) ? { kind: "coming" } : { kind: "none" };
}

/** Workers of shapes that nobody wants first; then those of the shapes that have most. */
function whoMayGiveWay(view: RoomView, wanted: Wanted): Worker[] {
  const quiet: Worker[] = [];
  const busy: Worker[] = [];
  const held = new Map<string, ResourceVector>();
  for (const worker of view.workers) {
    if (worker.shape === null || worker.state === "recalled" || worker.state === "stopping") continue;
    held.set(worker.shape, addResources(held.get(worker.shape) ?? {}, worker.held));
    if (worker.state !== "leased" || worker.shape === wanted.shape) continue;
    const shape = view.shapes.get(worker.shape);
    if (shape === undefined || wantedOf(shape) === 0) quiet.push(worker);
    else if (worker.tenure >= minTenureTicks) busy.push(worker);
  }
  const share = (shape: string): number => shareOf(held.get(shape) ?? {}, view.total);
  busy.sort((a, b) => share(b.shape ?? "") - share(a.shape ?? ""));
  // A worker with GPUs comes back only when its process has ended.
  quiet.sort((a, b) => a.gpuIds.length - b.gpuIds.length);
  if (wanted.isStarving) return [...quiet, ...busy];
  const mine = wanted.shape === null ? {} : (held.get(wanted.shape) ?? {});
  const after = shareOf(addResources(mine, wanted.resources), view.total);
  const fair: Worker[] = [];
  for (const worker of busy) {
    if (worker.shape === null) continue;
    const left = subtractResources(held.get(worker.shape) ?? {}, worker.held);
    if (shareOf(left, view.total) < after) continue;
    held.set(worker.shape, left);
    fair.push(worker);
  }
  return [...quiet, ...fair];
}

/** Drops those whose leaving does not help: chosen early, they may hold other resources only. */
function withoutNeedless(
  view: RoomView,
  wanted: Wanted,
  gone: Set<Worker>,
  chosen: readonly Worker[],
): Worker[] {
  return chosen.filter((worker) => {
    gone.delete(worker);
    if (fitsWithout(view, wanted, gone)) return false;
    gone.add(worker);
    return true;
  });
}
