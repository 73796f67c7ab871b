/** What the demand router hears and says. Processes (owners, workers) and nodes are numbers; `now` is in ms. */
import type { ResourceVector } from "../resources.ts";

export type RouterEvent =
  /** An owner of this node says how many of its tasks of a key want to run, running ones included; 0: none. */
  | {
      readonly type: "demand";
      readonly owner: number;
      /** Of the lease: the same resources, strategy and job, the same key. */
      readonly key: string;
      readonly resources: ResourceVector;
      /** A key that `strategyKey` made. */
      readonly strategy: string;
      readonly job: string;
      readonly count: number;
      readonly now: number;
    }
  /** A worker was granted to an owner of this node, by whichever node. */
  | { readonly type: "granted"; readonly owner: number; readonly key: string; readonly worker: number }
  /** The owner has it no more: it gave it back, or it is lost. */
  | {
      readonly type: "released";
      readonly owner: number;
      readonly key: string;
      readonly worker: number;
      readonly now: number;
    }
  /** A delta was applied to the view. */
  | { readonly type: "view changed"; readonly now: number }
  | { readonly type: "owner ended"; readonly owner: number }
  | { readonly type: "job ended"; readonly job: string }
  /** Every few 10 ms while `wantsTicks`. */
  | { readonly type: "tick"; readonly now: number };

export type RouterInstruction =
  /** What a node is to know of the demand of an owner: its share, whole. 0 withdraws. */
  | {
      readonly type: "set demand";
      readonly node: number;
      readonly owner: number;
      readonly key: string;
      readonly resources: ResourceVector;
      readonly strategy: string;
      readonly job: string;
      readonly count: number;
    }
  /** The node knows the owner, or may: it is to forget its demands and leases. */
  | { readonly type: "owner ended"; readonly node: number; readonly owner: number }
  /** Said once; the demand is kept, and served when a node that fits joins. */
  | {
      readonly type: "infeasible";
      readonly owner: number;
      readonly key: string;
      /** What no node has, in words. */
      readonly missing: string;
      /** It names a node that is not there: what waits for it had better fail. */
      readonly isFinal: boolean;
    }
  | { readonly type: "feasible again"; readonly owner: number; readonly key: string };

export interface RouterSettings {
  /** The own node. */
  readonly local: number;
  /** Chooses among equals: any whole number, another one on each node. */
  readonly seed: number;
  /** What a node has not granted for so long goes where there is room. Doubles with each move in vain, to 5 s. Default 100. */
  readonly spillAfterMs?: number;
  /** Nodes that one demand is divided among at most. Default 1,024. */
  readonly mostNodes?: number;
  /** How long a node that a task names may be missing before that is final. Default 1,000. */
  readonly nameGraceMs?: number;
}

/** The shell sends ticks this far apart. */
export const routerTickMs = 50;
