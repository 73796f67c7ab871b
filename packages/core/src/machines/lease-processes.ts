/** Which worker processes are used, kept or stopped. Pure: decides, changes nothing. */
import { minTenureTicks, type RoomView, type Wanted } from "./lease-room.ts";
import { wantedOf, type Shape, type Worker } from "./lease-state.ts";

/** A worker without work: one that served tasks before, so that fresh ones are left for actors. */
export function spareWorker(workers: Iterable<Worker>, job: string): Worker | null {
  let best: Worker | null = null;
  const rank = (worker: Worker): number => (worker.state === "idle" ? (worker.used ? 0 : 1) : 2);
  for (const worker of workers) {
    if (worker.gpuIds.length > 0 || !isUnclaimed(worker) || !mayServe(worker, job)) continue;
    if (best === null || rank(worker) < rank(best)) best = worker;
  }
  return best;
}

/** A worker, up or starting, that has not served tasks. */
export function freshWorker(workers: Iterable<Worker>, job: string): Worker | null {
  let starting: Worker | null = null;
  for (const worker of workers) {
    if (worker.used || worker.gpuIds.length > 0 || !isUnclaimed(worker) || !mayServe(worker, job)) continue;
    if (worker.state === "idle") return worker;
    starting ??= worker;
  }
  return starting;
}

function mayServe(worker: Worker, job: string): boolean {
  return worker.job === job || worker.job === "";
}

function isUnclaimed(worker: Worker): boolean {
  return (
    worker.state === "idle" || (worker.state === "starting" && worker.shape === null && worker.request === 0)
  );
}

/** All processes are taken: which one ends to make room for another. null: one is on its way out, or none may go. */
export function whoEnds(view: RoomView, wanted: Wanted): Worker | null {
  const workers = [...view.workers];
  const isOnItsWay = (worker: Worker): boolean =>
    worker.state === "stopping" || (wanted.isStarving && worker.state === "recalled");
  if (workers.some(isOnItsWay)) return null;
  const idle = workers.find((worker) => worker.state === "idle");
  if (idle !== undefined || !wanted.isStarving) return idle ?? null;
  const mayGo = (worker: Worker): boolean =>
    worker.state === "leased" &&
    worker.shape !== wanted.shape &&
    (isUnwanted(worker, view.shapes) || worker.tenure >= minTenureTicks);
  return workers.find(mayGo) ?? null;
}

/** Idle, or of a shape that nobody wants at present. */
export function isUnwanted(worker: Worker, shapes: ReadonlyMap<string, Shape>): boolean {
  if (worker.state === "idle") return true;
  if (worker.state !== "leased" || worker.shape === null) return false;
  const shape = shapes.get(worker.shape);
  return shape === undefined || wantedOf(shape) === 0;
}

/** The workers that work or demand takes: of a shape no more than it wants. */
export function claimedWorkers(workers: Iterable<Worker>, shapes: ReadonlyMap<string, Shape>): Worker[] {
  const claimed: Worker[] = [];
  const counts = new Map<string, number>();
  for (const worker of workers) {
    if (isUnwanted(worker, shapes)) continue;
    if (worker.state === "leased" && worker.shape !== null) {
      const count = counts.get(worker.shape) ?? 0;
      const shape = shapes.get(worker.shape);
      if (shape !== undefined && count >= wantedOf(shape)) continue;
      counts.set(worker.shape, count + 1);
    }
    claimed.push(worker);
  }
  return claimed;
}

export function countUnwanted(workers: Iterable<Worker>, shapes: ReadonlyMap<string, Shape>): number {
  let count = 0;
  for (const worker of workers) if (isUnwanted(worker, shapes)) count++;
  return count;
}

/** Idle workers above the number that is kept, those that served tasks first. */
export function surplusWorkers(workers: Iterable<Worker>, kept: number): Worker[] {
  const idle = [...workers].filter((worker) => worker.state === "idle");
  idle.sort((a, b) => Number(b.used) - Number(a.used));
  return idle.slice(0, Math.max(0, idle.length - kept));
}

/** CPU units of `cpuUnits` that are there only because blocked workers lend theirs. */
export function borrowedCpu(cpuUnits: number, totalUnits: number, workers: Iterable<Worker>): number {
  let free = totalUnits;
  for (const worker of workers) free -= (worker.held["CPU"] ?? 0) - worker.borrowedCpu;
  return Math.max(0, cpuUnits - Math.max(0, free));
}
