/**
 * Divides what the owners of a node want among the nodes of the cluster, and tells each its share.
 *
 * Rules kept by `check()`:
 * - (D1) the shares of a demand and what no node can hold add up to what its owner wants: nothing is lost or doubled;
 * - (D2) a node that can never hold it, or takes no new work, has no share beyond what it has granted already; a node that
 *   is gone has none at all;
 * - (D3) each node was last told what it is to serve;
 * - (D4) what waits is looked at by ticks, and what is served costs nothing.
 *
 * A node that is alone gets every demand as it comes: its lease machine says what it can never hold.
 */
import { nodeOf } from "../ids.ts";
import { hasCode } from "../errors.ts";
import { parseStrategyKey, type SchedulingStrategy } from "../options/scheduling.ts";
import type { Infeasible } from "./feasible.ts";
import { checkDemands } from "./router-check.ts";
import { Demands, holdsNothing, isWaiting, type Demand } from "./router-demand.ts";
import { Divider } from "./router-divide.ts";
import type { RouterEvent, RouterInstruction, RouterSettings } from "./router-events.ts";
import type { ClusterView } from "./view.ts";

/** Demands looked at in one tick. */
const mostPerTick = 64;
const longestSpillMs = 5000;

export class DemandRouter {
  readonly #view: ClusterView;
  readonly #local: number;
  readonly #spillAfterMs: number;
  readonly #nameGraceMs: number;
  readonly #demands = new Demands();
  readonly #divider: Divider;
  /** Demands of which something is not served, those looked at last at the end. */
  readonly #waiting = new Set<Demand>();
  /** Demands that were said to be infeasible. */
  readonly #lacking = new Set<Demand>();
  #structure = -1;
  #out: RouterInstruction[] = [];

  constructor(view: ClusterView, settings: RouterSettings) {
    this.#view = view;
    this.#local = settings.local;
    this.#spillAfterMs = settings.spillAfterMs ?? 100;
    this.#nameGraceMs = settings.nameGraceMs ?? 1000;
    this.#divider = new Divider(
      view,
      this.#demands,
      settings.local,
      settings.seed,
      settings.mostNodes ?? 1024,
    );
  }

  handle(event: RouterEvent): readonly RouterInstruction[] {
    if ("now" in event) this.#view.passTime(event.now);
    switch (event.type) {
      case "demand":
        return this.#demand(event);
      case "granted":
        this.#granted(event);
        break;
      case "released":
        this.#released(event);
        break;
      case "view changed":
        this.#viewChanged(event.now);
        break;
      case "owner ended":
        this.#ownerEnded(event.owner);
        break;
      case "job ended":
        for (const demand of [...this.#demands.all()]) {
          if (demand.job !== event.job) continue;
          demand.count = 0;
          this.#divider.reduce(demand);
          this.#tell();
          this.#forget(demand);
        }
        break;
      case "tick":
        this.#tick(event.now);
        break;
    }
    return this.#take();
  }

  /** Something waits that another node might serve. */
  get wantsTicks(): boolean {
    return this.#waiting.size > 0;
  }

  /** For people: what owners of this node want, and how much of it no node can hold. */
  demands(): { owner: number; key: string; count: number; unplaced: number; nodes: number[] }[] {
    return [...this.#demands.all()].map(({ owner, key, count, assigned, shares }) => ({
      owner,
      key,
      count,
      unplaced: count - assigned,
      nodes: [...shares.keys()],
    }));
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    checkDemands(this.#view, this.#demands, this.#divider, this.#waiting, this.#lacking);
  }

  // events

  #demand(event: Extract<RouterEvent, { type: "demand" }>): readonly RouterInstruction[] {
    const { owner, key, now } = event;
    const count = Math.max(0, event.count);
    let demand = this.#demands.get(owner, key);
    if (demand === undefined) {
      const strategy = readStrategy(event.strategy);
      if (strategy === null)
        return [
          { type: "infeasible", owner, key, missing: `scheduling key ${event.strategy}`, isFinal: true },
        ];
      demand = this.#newDemand(event, strategy);
      this.#demands.add(demand);
    }
    if (this.#isLeftAlone(demand)) {
      const share = this.#demands.share(demand, this.#local, now);
      share.count = share.told = demand.count = demand.assigned = count;
      this.#forgetIfDone(demand);
      return [setDemand(demand, this.#local, count)];
    }
    demand.count = count;
    this.#settle(demand, now);
    return this.#take();
  }

  #newDemand(event: Extract<RouterEvent, { type: "demand" }>, strategy: SchedulingStrategy): Demand {
    const { owner, key, resources, job } = event;
    return {
      owner,
      key,
      resources,
      strategyKey: event.strategy,
      strategy,
      job,
      isPlain: strategy.required.length === 0 && strategy.policy !== "node",
      count: 0,
      assigned: 0,
      shares: new Map(),
      index: null,
      spillAfterMs: this.#spillAfterMs,
      structure: -1,
      lackSinceMs: -1,
      saidInfeasible: false,
    };
  }

  /** Nothing has to be decided about it while the node is alone. */
  #passes({ isPlain, count, assigned, shares }: Demand): boolean {
    return (
      isPlain && count === assigned && (shares.size === 0 || (shares.size === 1 && shares.has(this.#local)))
    );
  }

  #isLeftAlone(demand: Demand): boolean {
    return this.#view.isAlone && this.#passes(demand);
  }

  #granted({ owner, key, worker }: { owner: number; key: string; worker: number }): void {
    const demand = this.#demands.get(owner, key);
    const node = nodeOf(worker);
    if (demand === undefined || this.#view.get(node) === undefined) return;
    const share = this.#demands.share(demand, node, 0);
    share.workers.add(worker);
    demand.spillAfterMs = this.#spillAfterMs;
  }

  #released({ owner, key, worker, now }: { owner: number; key: string; worker: number; now: number }): void {
    const demand = this.#demands.get(owner, key);
    const share = demand?.shares.get(nodeOf(worker));
    if (demand === undefined || share === undefined || !share.workers.delete(worker)) return;
    share.sinceMs = now;
    const node = this.#view.get(share.node);
    if (!this.#isLeftAlone(demand)) {
      if (node === undefined || !this.#divider.index(demand).has(node.slot)) {
        this.#divider.shrink(demand, share);
        this.#settle(demand, now);
      } else this.#watch(demand);
    }
    if (share.count === 0 && share.workers.size === 0) this.#demands.dropShare(demand, share.node);
    this.#forgetIfDone(demand);
  }

  #viewChanged(now: number): void {
    if (this.#view.structure === this.#structure) return;
    this.#structure = this.#view.structure;
    const affected = new Set(this.#lacking);
    for (const demand of this.#waiting) if (demand.assigned < demand.count) affected.add(demand);
    for (const [number, demands] of [...this.#demands.byNode()]) {
      const node = this.#view.get(number);
      for (const demand of [...demands]) {
        const share = demand.shares.get(number);
        if (share === undefined || this.#isLeftAlone(demand)) continue;
        if (node === undefined) {
          demand.assigned -= share.count;
          this.#demands.dropShare(demand, number);
        } else if (this.#divider.index(demand).has(node.slot)) {
          this.#watch(demand);
          continue;
        } else this.#divider.shrink(demand, share);
        affected.add(demand);
      }
    }
    for (const demand of affected) this.#settle(demand, now);
  }

  #ownerEnded(owner: number): void {
    const nodes = new Set<number>();
    for (const demand of [...this.#demands.ofOwner(owner)]) {
      for (const node of demand.shares.keys()) nodes.add(node);
      this.#forget(demand);
    }
    for (const node of nodes) this.#out.push({ type: "owner ended", node, owner });
  }

  #tick(now: number): void {
    let left = mostPerTick;
    for (const demand of [...this.#waiting]) {
      if (left-- === 0) return;
      this.#waiting.delete(demand);
      if (demand.assigned < demand.count) this.#settle(demand, now);
      else if (!this.#view.isAlone && isWaiting(demand)) this.#improve(demand, now);
      // To the end: every one has its turn.
      this.#watch(demand);
    }
  }

  // steps

  /** Looks for a better place for what waits. */
  #improve(demand: Demand, now: number): void {
    if (demand.structure !== this.#view.structure) this.#divider.level(demand, now);
    if (this.#divider.spill(demand, now - demand.spillAfterMs, now))
      demand.spillAfterMs = Math.min(longestSpillMs, 2 * demand.spillAfterMs);
    this.#tell();
  }

  /** Ticks look after a demand as long as that may help. */
  #watch(demand: Demand): void {
    if (demand.saidInfeasible) return;
    if (demand.assigned < demand.count || (!this.#view.isAlone && isWaiting(demand)))
      this.#waiting.add(demand);
  }

  /** Makes the shares add up to the count. */
  #settle(demand: Demand, now: number): void {
    if (demand.assigned > demand.count) this.#divider.reduce(demand);
    const lack = demand.assigned < demand.count ? this.#divider.assign(demand, now) : null;
    if (lack !== null) this.#lacks(demand, lack, now);
    else this.#lacksNothing(demand);
    this.#tell();
    this.#watch(demand);
    this.#forgetIfDone(demand);
  }

  #lacks(demand: Demand, { missing, isFinal }: Infeasible, now: number): void {
    if (demand.lackSinceMs < 0) demand.lackSinceMs = now;
    // The view may not have heard yet of a node that its owner knows.
    const isEarly = !this.#view.isWhole || (isFinal && now - demand.lackSinceMs < this.#nameGraceMs);
    if (isEarly || demand.saidInfeasible) return;
    demand.saidInfeasible = true;
    this.#waiting.delete(demand);
    this.#lacking.add(demand);
    this.#out.push({ type: "infeasible", owner: demand.owner, key: demand.key, missing, isFinal });
  }

  #lacksNothing(demand: Demand): void {
    demand.lackSinceMs = -1;
    if (!demand.saidInfeasible) return;
    demand.saidInfeasible = false;
    this.#lacking.delete(demand);
    if (demand.count > 0) this.#out.push({ type: "feasible again", owner: demand.owner, key: demand.key });
  }

  /** Says the shares that have changed. */
  #tell(): void {
    const { touched } = this.#divider;
    for (const { demand, share } of touched) {
      if (share.count !== share.told && demand.shares.get(share.node) === share) {
        share.told = share.count;
        this.#out.push(setDemand(demand, share.node, share.count));
      }
      if (share.count === 0 && share.workers.size === 0) this.#demands.dropShare(demand, share.node);
    }
    touched.length = 0;
  }

  #forgetIfDone(demand: Demand): void {
    if (holdsNothing(demand)) this.#forget(demand);
  }

  #forget(demand: Demand): void {
    this.#waiting.delete(demand);
    this.#lacking.delete(demand);
    this.#demands.delete(demand);
  }

  #take(): readonly RouterInstruction[] {
    const out = this.#out;
    if (out.length === 0) return nothing;
    this.#out = [];
    return out;
  }
}

/** null: nobody made that key; a member of this node says what it likes. */
function readStrategy(key: string): SchedulingStrategy | null {
  try {
    return parseStrategyKey(key);
  } catch (error) {
    if (hasCode(error, "BadOption")) return null;
    throw error;
  }
}

const nothing: readonly RouterInstruction[] = Object.freeze([]);

function setDemand(demand: Demand, node: number, count: number): RouterInstruction {
  const { owner, key, resources, strategyKey, job } = demand;
  return { type: "set demand", node, owner, key, resources, strategy: strategyKey, job, count };
}
