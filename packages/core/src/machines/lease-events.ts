/** What the lease machine hears and says. Processes (owners, workers) are numbers; so are requests for actors. */
import { makeVector, noResources, type ResourceVector } from "../resources.ts";

export type LeaseEvent =
  /** An owner says how many of its tasks of a shape want to run; 0: none. */
  | {
      readonly type: "demand";
      readonly owner: number;
      readonly resources: ResourceVector;
      readonly count: number;
    }
  /** `isLost`: the link to the worker broke, so that it is no use to anybody. */
  | {
      readonly type: "released";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly isLost: boolean;
    }
  | { readonly type: "owner ended"; readonly owner: number }
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
    }
  | { readonly type: "actor withdrawn"; readonly request: number }
  /** Every few milliseconds while `wantsTicks`: tenures and pauses are counted in ticks. */
  | { readonly type: "tick" };

export type LeaseInstruction =
  | { readonly type: "spawn"; readonly worker: number; readonly gpuIds: readonly number[] }
  /** `lease` numbers this grant: its recall and its release repeat it, so that late ones touch no newer grant (I4). */
  | {
      readonly type: "grant";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
    }
  | {
      readonly type: "recall";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
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
