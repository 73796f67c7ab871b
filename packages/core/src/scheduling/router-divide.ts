/**
 * How a demand is divided among nodes: first to workers that its owner holds anyway, then to nodes with room now (by
 * policy), then to every node as much as it could hold when empty; the rest waits at one node, the own one if it can.
 */
import type { IndexedNode, ShapeIndex } from "./shape-index.ts";
import { bucketOrders } from "./shape-index.ts";
import { resolveTarget, type Infeasible, type Target } from "./feasible.ts";
import { choose } from "./pick.ts";
import { ungranted, type Demand, type Demands, type Share } from "./router-demand.ts";
import type { ClusterView } from "./view.ts";

/** A worker that takes longer to start is not waited for. */
const longestStartMs = 5000;

/** Nodes looked at in one search: a decision is bounded, and what it misses the next tick finds. */
const mostLookedAt = 2048;

export class Divider {
  readonly #view: ClusterView;
  readonly #demands: Demands;
  readonly #local: number;
  readonly #mostNodes: number;
  #random: number;
  /** Shares that have changed since they were last taken. */
  readonly touched: { readonly demand: Demand; readonly share: Share }[] = [];

  constructor(view: ClusterView, demands: Demands, local: number, seed: number, mostNodes: number) {
    this.#view = view;
    this.#demands = demands;
    this.#local = local;
    this.#random = seed >>> 0;
    this.#mostNodes = mostNodes;
  }

  index(demand: Demand): ShapeIndex {
    if (demand.index?.isLive !== true)
      demand.index = this.#view.index(demand.resources, demand.resources, demand.strategy);
    return demand.index;
  }

  target(demand: Demand): Target {
    return resolveTarget(this.#view, this.index(demand), demand.strategy);
  }

  /** Gives what is not assigned to nodes. Returns why it cannot, or null. */
  assign(demand: Demand, now: number): Infeasible | null {
    const target = this.target(demand);
    if (target.kind === "infeasible") return target;
    demand.structure = this.#view.structure;
    this.#toHeld(demand, now);
    if (target.kind === "only") {
      this.#add(demand, target.node, demand.count - demand.assigned, now);
      return null;
    }
    this.#toRoom(demand, target, now);
    this.#toCapacity(demand, target, now);
    const rest = demand.count - demand.assigned;
    if (rest > 0) this.#add(demand, this.#home(demand, target) ?? this.#anyNode(demand), rest, now);
    return null;
  }

  /** Takes back what is assigned beyond the count: what waits first, elsewhere first. */
  reduce(demand: Demand): void {
    const shares = [...demand.shares.values()].sort(
      (a, b) => Number(a.node === this.#local) - Number(b.node === this.#local),
    );
    for (const share of shares) this.take(demand, share, ungranted(share));
    for (const share of shares) this.take(demand, share, share.count);
  }

  /** Takes up to `most` from a share, as far as more is assigned than wanted. */
  take(demand: Demand, share: Share, most: number): void {
    this.#remove(demand, share, Math.min(most, demand.assigned - demand.count));
  }

  /** Leaves a share only what the node has granted. */
  shrink(demand: Demand, share: Share): void {
    this.#remove(demand, share, ungranted(share));
  }

  /** Moves what a node was asked for beyond what it could hold to where it could be held. */
  level(demand: Demand, now: number): void {
    const index = this.index(demand);
    for (const share of [...demand.shares.values()]) {
      const node = this.#view.get(share.node);
      if (node === undefined) continue;
      this.#remove(demand, share, share.count - Math.max(share.workers.size, index.capacity(node)));
    }
    this.assign(demand, now);
  }

  /** Moves what has waited since before `beforeMs` to nodes that have room. True when something was moved. */
  spill(demand: Demand, beforeMs: number, now: number): boolean {
    const index = this.index(demand);
    if (index.roomy === 0) return false;
    const target = this.target(demand);
    if (target.kind === "only" || target.kind === "infeasible") return false;
    let hasMoved = false;
    for (const share of [...demand.shares.values()]) {
      if (ungranted(share) === 0 || share.sinceMs > beforeMs) continue;
      // Nothing waits there: what was asked for has a worker, which may be starting.
      if (this.#view.get(share.node)?.queued === 0 && share.sinceMs > now - longestStartMs) continue;
      // A node that has not granted what it was asked for is not asked for more.
      const accepts = (node: IndexedNode): boolean => {
        const there = demand.shares.get(node.node);
        return there === undefined ? this.#mayAskMore(demand) : there !== share && ungranted(there) === 0;
      };
      for (let left = ungranted(share); left > 0; left = ungranted(share)) {
        const node = this.#choose(demand, index, target, accepts);
        if (node === undefined) break;
        const count = Math.min(left, index.room(node), Math.ceil(left / Math.max(1, index.roomy)));
        this.#remove(demand, share, count);
        this.#add(demand, node, count, now);
        share.sinceMs = now;
        hasMoved = true;
      }
    }
    return hasMoved;
  }

  // steps

  #toHeld(demand: Demand, now: number): void {
    for (const share of demand.shares.values()) {
      const rest = demand.count - demand.assigned;
      if (rest <= 0) return;
      const node = this.#view.get(share.node);
      if (node !== undefined && this.index(demand).has(node.slot) && share.workers.size > share.count)
        this.#add(demand, node, Math.min(rest, share.workers.size - share.count), now);
    }
  }

  #toRoom(demand: Demand, target: Target, now: number): void {
    const index = this.index(demand);
    const accepts = (node: IndexedNode): boolean => {
      const share = demand.shares.get(node.node);
      return share === undefined ? this.#mayAskMore(demand) : share.count < index.capacity(node);
    };
    for (let rest = demand.count - demand.assigned; rest > 0; rest = demand.count - demand.assigned) {
      const node = this.#choose(demand, index, target, accepts);
      if (node === undefined) return;
      this.#add(demand, node, Math.min(rest, this.#portion(demand, index, target, node, rest)), now);
    }
  }

  /** How many go to a node with room at a time. */
  #portion(demand: Demand, index: ShapeIndex, target: Target, node: IndexedNode, rest: number): number {
    const room = Math.min(
      index.room(node),
      index.capacity(node) - (demand.shares.get(node.node)?.count ?? 0),
    );
    if (target.kind === "rather" && target.node === node) return Math.max(1, room);
    const even = Math.ceil(rest / Math.max(1, index.roomy));
    const half = demand.strategy.policy === "spread" ? 0 : index.roomToHalf(node);
    return Math.max(1, Math.min(room, half > 0 ? half : even));
  }

  #toCapacity(demand: Demand, target: Target, now: number): void {
    const index = this.index(demand);
    const free = (node: IndexedNode): number =>
      index.capacity(node) - (demand.shares.get(node.node)?.count ?? 0);
    const home = demand.strategy.policy === "spread" ? undefined : this.#home(demand, target);
    if (home !== undefined)
      this.#add(demand, home, Math.min(demand.count - demand.assigned, free(home)), now);
    const accepts = (slot: number): boolean => {
      const node = this.#view.at(slot);
      return free(node) > 0 && (demand.shares.has(node.node) || this.#mayAskMore(demand));
    };
    for (let rest = demand.count - demand.assigned; rest > 0; rest = demand.count - demand.assigned) {
      const slot = index.search(bucketOrders.waiting, 0, accepts, mostLookedAt);
      if (slot < 0) return;
      const node = this.#view.at(slot);
      this.#add(demand, node, Math.min(rest, free(node)), now);
    }
  }

  #home(demand: Demand, target: Target): IndexedNode | undefined {
    if (target.kind === "rather") return target.node;
    const local = this.#view.get(this.#local);
    return local !== undefined && this.index(demand).has(local.slot) ? local : undefined;
  }

  /** Where a rest waits when the own node can never hold it: where most of it is already, else where least wait. */
  #anyNode(demand: Demand): IndexedNode | undefined {
    const index = this.index(demand);
    let most: IndexedNode | undefined;
    let count = 0;
    for (const share of demand.shares.values()) {
      const node = this.#view.get(share.node);
      if (node === undefined || share.count <= count || !index.has(node.slot)) continue;
      most = node;
      count = share.count;
    }
    if (most !== undefined) return most;
    const any = (): boolean => true;
    let slot = index.search(bucketOrders.waiting, 0, any);
    if (slot < 0) slot = index.search(bucketOrders.pack, 0, any);
    return slot < 0 ? undefined : this.#view.at(slot);
  }

  #choose(
    demand: Demand,
    index: ShapeIndex,
    target: Target,
    accepts: (node: IndexedNode) => boolean,
  ): IndexedNode | undefined {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return choose(this.#view, index, {
      target,
      policy: demand.strategy.policy,
      random: this.#random / 2 ** 32,
      from: this.#view.get(this.#local),
      accepts,
      most: mostLookedAt,
    });
  }

  #mayAskMore(demand: Demand): boolean {
    return demand.shares.size < this.#mostNodes;
  }

  #add(demand: Demand, node: IndexedNode | undefined, count: number, now: number): void {
    if (node === undefined || count <= 0) return;
    const share = this.#demands.share(demand, node.node, now);
    const waited = ungranted(share);
    share.count += count;
    demand.assigned += count;
    if (waited === 0) share.sinceMs = now;
    this.#view.charge(node.node, demand.resources, ungranted(share) - waited);
    this.touched.push({ demand, share });
  }

  #remove(demand: Demand, share: Share, count: number): void {
    if (count <= 0) return;
    share.count -= count;
    demand.assigned -= count;
    this.touched.push({ demand, share });
  }
}
