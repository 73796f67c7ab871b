/** The records of the lease machine. */
import type { ResourceVector } from "../resources.ts";

export type WorkerState = "starting" | "idle" | "leased" | "recalled" | "actor" | "stopping";

export interface Worker {
  readonly number: number;
  state: WorkerState;
  /** Key of the shape that holds it, or for which it starts; null for none (that of tasks without needs is ""). */
  shape: string | null;
  /** The name of that shape. */
  shapeName: string;
  /** The only job that it serves; "" until it has one. */
  job: string;
  /** Hosts, or starts for, an actor that stays when the job ends. */
  detached: boolean;
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
  /** Among all jobs. */
  readonly key: string;
  /** As owners know it. */
  readonly name: string;
  readonly job: string;
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
  readonly job: string;
  readonly detached: boolean;
  readonly since: number;
  saidInfeasible: boolean;
}

/** What a worker starts for. */
export interface Purpose {
  /** null: no shape. */
  readonly shape: Pick<Shape, "key" | "name"> | null;
  readonly job: string;
}

export function newWorker(
  number: number,
  { shape, job }: Purpose,
  held: ResourceVector,
  gpuIds: readonly number[],
): Worker {
  return {
    number,
    state: "starting",
    shape: shape?.key ?? null,
    shapeName: shape?.name ?? "",
    job,
    detached: false,
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
  readonly job: string;
  readonly blocked: boolean;
  readonly owners: readonly number[];
}

export function describeWorker(worker: Worker): WorkerDescription {
  const { number, state, shapeName, job, blocked, owners } = worker;
  return { worker: number, state, shape: shapeName, job, blocked, owners: [...owners.keys()] };
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
