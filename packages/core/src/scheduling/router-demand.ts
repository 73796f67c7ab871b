/** The records of the demand router: demands, and the shares of them that nodes have been given. */
import type { SchedulingStrategy } from "../options/scheduling.ts";
import type { ResourceVector } from "../resources.ts";
import type { ShapeIndex } from "./shape-index.ts";

/** What one node is asked for. */
export interface Share {
  readonly node: number;
  /** Tasks that the node is to serve at a time. */
  count: number;
  /** `count` as the node was last told. */
  told: number;
  /** Workers of the node that the owner holds. */
  readonly workers: Set<number>;
  /** Since when it has more than it was granted, without having been changed. */
  sinceMs: number;
}

/** What one owner wants of one key. */
export interface Demand {
  readonly owner: number;
  readonly key: string;
  readonly resources: ResourceVector;
  readonly strategyKey: string;
  readonly strategy: SchedulingStrategy;
  readonly job: string;
  /** Any node will do that has the resources. */
  readonly isPlain: boolean;
  count: number;
  /** The sum of the shares. The rest, `count` less this, has no node that could hold it. */
  assigned: number;
  readonly shares: Map<number, Share>;
  index: ShapeIndex | null;
  spillAfterMs: number;
  /** The structure of the view for which it was divided. */
  structure: number;
  /** Since when no node could hold it; -1 while one can. */
  lackSinceMs: number;
  saidInfeasible: boolean;
}

export function ungranted(share: Share): number {
  return Math.max(0, share.count - share.workers.size);
}

/** A node was asked for more than it has granted. */
export function isWaiting(demand: Demand): boolean {
  for (const share of demand.shares.values()) if (share.count > share.workers.size) return true;
  return false;
}

export function holdsNothing(demand: Demand): boolean {
  if (demand.count > 0) return false;
  for (const share of demand.shares.values()) if (share.count > 0 || share.workers.size > 0) return false;
  return true;
}

/** All demands, by owner and key, and which of them have a share on a node. */
export class Demands {
  readonly #byOwner = new Map<number, Map<string, Demand>>();
  readonly #byNode = new Map<number, Set<Demand>>();

  get(owner: number, key: string): Demand | undefined {
    return this.#byOwner.get(owner)?.get(key);
  }

  ofOwner(owner: number): Iterable<Demand> {
    return this.#byOwner.get(owner)?.values() ?? [];
  }

  *all(): Iterable<Demand> {
    for (const demands of this.#byOwner.values()) yield* demands.values();
  }

  add(demand: Demand): void {
    const demands = this.#byOwner.get(demand.owner);
    if (demands === undefined) this.#byOwner.set(demand.owner, new Map([[demand.key, demand]]));
    else demands.set(demand.key, demand);
  }

  delete(demand: Demand): void {
    for (const node of [...demand.shares.keys()]) this.dropShare(demand, node);
    const demands = this.#byOwner.get(demand.owner);
    demands?.delete(demand.key);
    if (demands?.size === 0) this.#byOwner.delete(demand.owner);
  }

  /** The share of a node, made when there is none. */
  share(demand: Demand, node: number, now: number): Share {
    let share = demand.shares.get(node);
    if (share !== undefined) return share;
    share = { node, count: 0, told: 0, workers: new Set(), sinceMs: now };
    demand.shares.set(node, share);
    const there = this.#byNode.get(node);
    if (there === undefined) this.#byNode.set(node, new Set([demand]));
    else there.add(demand);
    return share;
  }

  dropShare(demand: Demand, node: number): void {
    demand.shares.delete(node);
    const there = this.#byNode.get(node);
    there?.delete(demand);
    if (there?.size === 0) this.#byNode.delete(node);
  }

  /** Every node that has a share of something, with the demands. */
  byNode(): Iterable<readonly [number, ReadonlySet<Demand>]> {
    return this.#byNode;
  }
}
