/** What the lease machine hears and says. Processes (owners, workers) are numbers; so are requests for actors. */
import { makeVector, noResources, shapeKey, type ResourceVector } from "../resources.ts";

/**
 * Whose work it is, and of which kind besides its resources. Work of different tags or jobs shares no worker at a time,
 * work of different jobs never.
 */
export interface WorkKind {
  /** Part of the lease's key: the scheduling strategy. Default "". */
  readonly tag?: string;
  /** Default "": no job in particular. */
  readonly job?: string;
}

export type LeaseEvent =
  /** An owner says how many of its tasks of a shape want to run; 0: none. */
  | ({
      readonly type: "demand";
      readonly owner: number;
      readonly resources: ResourceVector;
      readonly count: number;
    } & WorkKind)
  /** `isLost`: the link to the worker broke, so that it is no use to anybody. */
  | {
      readonly type: "released";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly isLost: boolean;
    }
  | { readonly type: "owner ended"; readonly owner: number }
  /** Another node is gone, and all owners that lived there. */
  | { readonly type: "node lost"; readonly node: number }
  | { readonly type: "worker ready"; readonly worker: number }
  /** Also as an owner. */
  | { readonly type: "worker ended"; readonly worker: number }
  /** All tasks of a worker wait for others (its CPUs may be lent), or no longer. */
  | { readonly type: "worker blocked"; readonly worker: number; readonly blocked: boolean }
  | {
      readonly type: "actor requested";
      readonly request: number;
      /** What a node must have in all for the actor to be placed there, and what it holds while it lives. */
      readonly placement: ResourceVector;
      readonly running: ResourceVector;
      readonly job?: string;
      /** It stays when its job ends. */
      readonly detached?: boolean;
    }
  | { readonly type: "actor withdrawn"; readonly request: number }
  /**
   * Its workers are stopped by force, its demands and requests go; but not detached actors, nor what `kept` owners
   * (detached actors of any node) want and use.
   */
  | { readonly type: "job ended"; readonly job: string; readonly kept?: readonly number[] }
  /** Every few milliseconds while `wantsTicks`: tenures and pauses are counted in ticks. */
  | { readonly type: "tick" };

export type LeaseInstruction =
  /** `job`: the only one that it will serve; "" when that is not known yet. */
  | {
      readonly type: "spawn";
      readonly worker: number;
      readonly gpuIds: readonly number[];
      readonly job: string;
    }
  /** A worker that was started for no job is to serve this one from now on. */
  | { readonly type: "bind"; readonly worker: number; readonly job: string }
  /**
   * `lease` numbers this grant: its recall and its release repeat it, so that late ones touch no newer grant (I4).
   * `shape` is the key that `leaseKey` gives.
   */
  | {
      readonly type: "grant";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
      readonly job: string;
    }
  | {
      readonly type: "recall";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
      readonly job: string;
    }
  | {
      readonly type: "place actor";
      readonly request: number;
      readonly worker: number;
      readonly gpuIds: readonly number[];
    }
  /** `force`: what runs there is for nobody. */
  | { readonly type: "stop"; readonly worker: number; readonly force: boolean }
  | {
      readonly type: "infeasible";
      /** 0 for an actor, which `request` names then. */
      readonly owner: number;
      readonly request: number;
      readonly shape: string;
      readonly job: string;
      /** The first resource that is too small, in words. */
      readonly missing: string;
    };

export interface LeaseSettings {
  readonly total: ResourceVector;
  readonly maxWorkers: number;
  /** Number of the first worker; they count up and are never reused. */
  readonly firstWorker: number;
  /** Workers kept though nothing wants them. */
  readonly idleWorkers: number;
}

/** The key of a lease, by which its owner knows it: the resources and, when there is one, the tag. */
export function leaseKey(resources: ResourceVector, tag = ""): string {
  const shape = shapeKey(resources);
  return tag === "" ? shape : `${shape}|${tag}`;
}

/** The shell sends ticks this far apart. */
export const leaseTickMs = 10;

/** Only what `makeVector` keeps: used by shells that read resources from a message. */
export function sanitizeResources(value: unknown): ResourceVector {
  if (value === null || typeof value !== "object") return noResources;
  return makeVector(
    Object.entries(value).filter(([, amount]) => Number.isSafeInteger(amount) && (amount as number) > 0) as [
      string,
      number,
    ][],
  );
}
