/** The records of the lease machine. */
import type { ResourceVector } from "../resources.ts";

export type WorkerState = "starting" | "idle" | "leased" | "recalled" | "actor" | "stopping";

export interface Worker {
  readonly number: number;
  state: WorkerState;
  /** Shape that holds it, or for which it starts; null for none (the shape of tasks without needs is ""). */
  shape: string | null;
  held: ResourceVector;
  /** CPU units of `held` that were lent by blocked workers when it was assigned. */
  borrowedCpu: number;
  /** Owners that may send it work, each with the number of its lease. */
  readonly owners: Map<number, number>;
  blocked: boolean;
  /** It has served tasks: no actor may live in it. */
  used: boolean;
  /** Actor request that it starts for, or 0. */
  request: number;
  /** GPUs it was started with. They are free again when the process is gone, as is their memory. */
  readonly gpuIds: readonly number[];
  readonly gpuUnits: number;
  /** Ticks since it was leased. */
  tenure: number;
}

/** One resource shape, its demand by owner, and how long it has waited. */
export interface Shape {
  readonly key: string;
  readonly resources: ResourceVector;
  readonly demands: Map<number, Demand>;
  /** Order of waiting: renewed when the shape loses its last worker. */
  since: number;
  /** Ticks since somebody last wanted it. */
  quietTicks: number;
}

export interface Demand {
  readonly owner: number;
  count: number;
  saidInfeasible: boolean;
}

export interface ActorRequest {
  readonly request: number;
  readonly placement: ResourceVector;
  readonly running: ResourceVector;
  /** The same for all requests that ask for the same. */
  readonly group: string;
  readonly since: number;
  saidInfeasible: boolean;
}

export function newWorker(
  number: number,
  shape: string | null,
  held: ResourceVector,
  gpuIds: readonly number[],
): Worker {
  return {
    number,
    state: "starting",
    shape,
    held,
    borrowedCpu: 0,
    owners: new Map(),
    blocked: false,
    used: false,
    request: 0,
    gpuIds,
    gpuUnits: held["GPU"] ?? 0,
    tenure: 0,
  };
}

/** A worker as people are told of it. */
export interface WorkerDescription {
  readonly worker: number;
  readonly state: WorkerState;
  readonly shape: string;
  readonly blocked: boolean;
  readonly owners: readonly number[];
}

export function describeWorker({ number, state, shape, blocked, owners }: Worker): WorkerDescription {
  return { worker: number, state, shape: shape ?? "", blocked, owners: [...owners.keys()] };
}

export function wantedOf(shape: Shape): number {
  let wanted = 0;
  for (const demand of shape.demands.values()) wanted += demand.count;
  return wanted;
}

/** Whether a worker serves its shape, or will. */
export function isUsable(worker: Worker, shape: string): boolean {
  return worker.shape === shape && (worker.state === "leased" || worker.state === "starting");
}

/** The largest part of the node that `held` takes, of any one resource: 0 to 1 (dominant share). */
export function shareOf(held: ResourceVector, total: ResourceVector): number {
  let share = 0;
  for (const name in held) share = Math.max(share, held[name] / (total[name] ?? held[name]));
  return share;
}
