/**
 * The nodes of a cluster as one process knows them. It changes by deltas (node-view.ts), by what the own node says of
 * itself, and by what is placed until the node tells of it; indexes by shape follow every change.
 */
import { parseNumberedId } from "../ids.ts";
import { formatLabelConditions } from "../labels.ts";
import type { SchedulingStrategy } from "../options/scheduling.ts";
import { noResources, shapeKey, type ResourceVector } from "../resources.ts";
import type { NodeChange, NodeView, ViewDelta } from "./node-view.ts";
import { ShapeIndex, type IndexedNode, type Shape } from "./shape-index.ts";

export interface ClusterViewSettings {
  /** Number of the own node, which tells of itself by `own`; left out where there is none (the head). */
  readonly local?: number;
  /** There will be no other node: a local cluster. */
  readonly isWhole?: boolean;
}

/** What came of a delta. "gap": something between was missed; ask for the whole view. */
export type Applied = "applied" | "stale" | "gap";

type State = { -readonly [K in keyof IndexedNode]: IndexedNode[K] } & {
  /** `available` as the node last told. */
  told: ResourceVector;
};

/** A node that has not told of itself for so long will not: what was placed there never came, or has ended. */
const chargeMs = 1000;

/** Entries (nodes × shapes) that all indexes together may have, and how many shapes have one in any case. */
const mostEntries = 1 << 25;
const fewestIndexes = 8;
const mostIndexes = 256;

const unknownNode: Omit<NodeView, "node"> = {
  name: "",
  total: noResources,
  available: noResources,
  labels: Object.freeze({}),
  isAlive: true,
  isDraining: false,
  queued: 0,
  facts: Object.freeze({}),
};

export class ClusterView {
  readonly local: number;
  readonly #nodes = new Map<number, State>();
  readonly #slots: (State | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #names = new Map<string, Set<number>>();
  /** Used longest ago first. */
  readonly #indexes = new Map<string, ShapeIndex>();
  #epoch = 0;
  #version = 0;
  #isWhole: boolean;
  #structure = 0;
  /** Nodes that were charged with what was placed on them, and when: the longest ago first. */
  readonly #charged = new Map<State, number>();
  #now = 0;

  constructor(settings: ClusterViewSettings = {}) {
    this.local = settings.local ?? -1;
    this.#isWhole = settings.isWhole ?? false;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** The whole view has been received: what no node has, nobody has. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The own node is the only one. */
  get isAlone(): boolean {
    return this.#isWhole && this.#nodes.size === 1 && this.#nodes.has(this.local);
  }

  /** Counts the changes of what nodes there are, what they have in all, their labels and whether they take work. */
  get structure(): number {
    return this.#structure;
  }

  get(node: number): IndexedNode | undefined {
    return this.#nodes.get(node);
  }

  at(slot: number): IndexedNode {
    const node = this.#slots[slot];
    if (node === undefined) throw new Error(`slot ${slot} is empty`);
    return node;
  }

  nodes(): Iterable<IndexedNode> {
    return this.#nodes.values();
  }

  /** Nodes of that name or id. */
  named(name: string): readonly IndexedNode[] {
    const found: IndexedNode[] = [];
    const byId = parseNumberedId("node", name);
    for (const node of [...(byId === undefined ? [] : [byId]), ...(this.#names.get(name) ?? [])]) {
      const state = this.#nodes.get(node);
      if (state !== undefined) found.push(state);
    }
    return found;
  }

  apply(delta: ViewDelta): Applied {
    if (delta.epoch < this.#epoch) return "stale";
    const isNewLife = delta.epoch > this.#epoch;
    if (delta.from === 0) {
      if (!isNewLife && delta.to <= this.#version && this.#isWhole) return "stale";
      this.#dropUnnamed(delta);
    } else {
      if (isNewLife || !this.#isWhole || delta.from > this.#version) return "gap";
      if (delta.to <= this.#version) return "stale";
    }
    for (const change of delta.nodes) this.#change(change, delta.from === 0);
    this.#epoch = delta.epoch;
    this.#version = delta.to;
    this.#isWhole = true;
    return "applied";
  }

  /** What the own node says of itself. Deltas leave its `available` and `queued` alone: they would be older. */
  own(change: Omit<NodeChange, "node" | "isGone">): void {
    this.#set(this.local, change, true);
  }

  /** Drops what was charged so long ago that the node should have told of it. */
  passTime(now: number): void {
    this.#now = now;
    if (this.#charged.size === 0) return;
    for (const [state, atMs] of this.#charged) {
      if (now - atMs < chargeMs) break;
      this.#uncharge(state);
      this.#changed(state);
    }
  }

  /** `count` of a shape were placed on a node, which will tell of it later. */
  charge(node: number, takes: ResourceVector, count: number): void {
    const state = this.#nodes.get(node);
    if (state === undefined || count <= 0) return;
    let fitting = count;
    for (const name in takes)
      fitting = Math.min(fitting, Math.floor((state.available[name] ?? 0) / takes[name]));
    if (fitting > 0) {
      const left: Record<string, number> = { ...state.available };
      for (const name in takes) left[name] -= takes[name] * fitting;
      state.available = left;
    }
    state.owed += count - Math.max(0, fitting);
    this.#charged.delete(state);
    this.#charged.set(state, this.#now);
    this.#changed(state);
  }

  /** The index of a shape; hold it only while it `isLive`. */
  index(needs: ResourceVector, takes: ResourceVector, strategy: SchedulingStrategy): ShapeIndex {
    const { required, preferred } = strategy;
    const key = `${shapeKey(needs)}|${shapeKey(takes)}|${formatLabelConditions(required)}|${formatLabelConditions(preferred)}`;
    let index = this.#indexes.get(key);
    if (index !== undefined) {
      this.#indexes.delete(key);
      this.#indexes.set(key, index);
      return index;
    }
    index = this.#build({ needs, takes, required, preferred });
    this.#indexes.set(key, index);
    const most = Math.min(mostIndexes, Math.max(fewestIndexes, Math.floor(mostEntries / this.#slots.length)));
    for (const [oldest, unused] of this.#indexes) {
      if (this.#indexes.size <= most) break;
      this.#indexes.delete(oldest);
      unused.isLive = false;
    }
    return index;
  }

  #build(shape: Shape): ShapeIndex {
    const index = new ShapeIndex(shape, this.#slots.length);
    this.#slots.forEach((state, slot) => index.update(slot, state));
    return index;
  }

  #dropUnnamed(delta: ViewDelta): void {
    if (this.#nodes.size === 0 || (this.#nodes.size === 1 && this.#nodes.has(this.local))) return;
    const named = new Set(delta.nodes.map(({ node }) => node));
    for (const node of [...this.#nodes.keys()])
      if (!named.has(node) && node !== this.local) this.#remove(node);
  }

  #change(change: NodeChange, isWhole: boolean): void {
    const { node, isGone } = change;
    if (isGone === true) {
      if (node !== this.local) this.#remove(node);
      return;
    }
    // A whole view says all there is of a node.
    const full = isWhole && this.#nodes.has(node) ? { ...unknownNode, ...change } : change;
    this.#set(node, full, false);
  }

  #set(node: number, change: Omit<NodeChange, "node">, isOwn: boolean): void {
    let state = this.#nodes.get(node);
    if (state === undefined) state = this.#add(node);
    const mayTellUse = isOwn || node !== this.local;
    let isStructural = false;
    if (change.total !== undefined && !sameEntries(change.total, state.total)) {
      state.total = change.total;
      isStructural = true;
    }
    if (change.labels !== undefined && !sameEntries(change.labels, state.labels)) {
      state.labels = change.labels;
      isStructural = true;
    }
    if (change.name !== undefined && change.name !== state.name) {
      this.#unname(state.name, node);
      state.name = change.name;
      this.#name(change.name, node);
      isStructural = true;
    }
    const { isAlive = state.isAlive, isDraining = state.isDraining } = change;
    isStructural ||= isAlive !== state.isAlive || isDraining !== state.isDraining;
    state.isAlive = isAlive;
    state.isDraining = isDraining;
    if (mayTellUse && (change.available !== undefined || change.queued !== undefined)) {
      state.told = change.available ?? state.told;
      state.queued = change.queued ?? state.queued;
      this.#uncharge(state);
    }
    state.facts = change.facts ?? state.facts;
    if (isStructural) this.#structure++;
    this.#changed(state);
  }

  #add(node: number): State {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const { name, total, available, labels, isAlive, isDraining, queued, facts } = unknownNode;
    const use = { available, told: available, queued, owed: 0 };
    const state: State = { node, slot, name, total, ...use, labels, isAlive, isDraining, facts };
    this.#nodes.set(node, state);
    this.#slots[slot] = state;
    this.#structure++;
    return state;
  }

  #remove(node: number): void {
    const state = this.#nodes.get(node);
    if (state === undefined) return;
    this.#nodes.delete(node);
    this.#charged.delete(state);
    this.#slots[state.slot] = undefined;
    this.#freeSlots.push(state.slot);
    this.#unname(state.name, node);
    this.#structure++;
    for (const index of this.#indexes.values()) index.update(state.slot, undefined);
  }

  #uncharge(state: State): void {
    this.#charged.delete(state);
    state.available = state.told;
    state.owed = 0;
  }

  #changed(state: State): void {
    for (const index of this.#indexes.values()) index.update(state.slot, state);
  }

  #name(name: string, node: number): void {
    if (name === "") return;
    const nodes = this.#names.get(name);
    if (nodes === undefined) this.#names.set(name, new Set([node]));
    else nodes.add(node);
  }

  #unname(name: string, node: number): void {
    const nodes = this.#names.get(name);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#names.delete(name);
  }

  /** @throws Error when an index says other than the nodes. */
  check(): void {
    for (const index of this.#indexes.values()) index.check(this.#slots);
    for (const [name, nodes] of this.#names) {
      for (const node of nodes)
        if (!this.#nodes.has(node)) throw new Error(`${name} names node ${node}, which is gone`);
    }
    const free = this.#slots.length - this.#freeSlots.length;
    if (free !== this.#nodes.size) throw new Error(`${free} slots for ${this.#nodes.size} nodes`);
  }
}

function sameEntries<T>(a: Readonly<Record<string, T>>, b: Readonly<Record<string, T>>): boolean {
  if (a === b) return true;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
