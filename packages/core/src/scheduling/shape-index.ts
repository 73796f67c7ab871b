/**
 * The nodes that can hold one shape of work, in buckets by how used they are: a decision looks at buckets, not at nodes.
 * Built at the first ask, then kept up change by change.
 *
 * A bucket is a tier and a level. Tiers: the labels of the node are preferred or not; it has GPUs that the shape does
 * not use, or not. Levels: with room now, how far it is used in 1/32; without, how long the queue is (logarithm).
 */
import { matchesLabels, type LabelCondition } from "../labels.ts";
import { fits, type ResourceVector } from "../resources.ts";
import type { NodeView } from "./node-view.ts";

/** What is looked for. */
export interface Shape {
  /** What a node must have in all. */
  readonly needs: ResourceVector;
  /** What is taken of it. */
  readonly takes: ResourceVector;
  readonly required: readonly LabelCondition[];
  readonly preferred: readonly LabelCondition[];
}

export interface IndexedNode extends NodeView {
  /** Its place in the arrays of every index. */
  readonly slot: number;
  /** What was placed there though it had no room, since it last told of itself. */
  readonly owed: number;
}

const roomyLevels = 33;
const waitingLevels = 15;
const levels = roomyLevels + waitingLevels;
const halfLevel = 16;
const tiers = 4;
const nowhere = 255;
/** Work that takes nothing is limited by processes only. */
const mostOnOneNode = 256;

/** Orders of buckets to look through. For spreading, buckets of one group count as equal. */
export const bucketOrders = { pack: packOrder(), spread: spreadOrder(), waiting: waitingOrder() } as const;

export class ShapeIndex {
  readonly shape: Shape;
  /** False once the view has given it up: ask the view for a new one. */
  isLive = true;
  /** Nodes that can hold it at all; those that have room now. */
  feasible = 0;
  roomy = 0;
  /** Nodes and buckets looked at, for tests. */
  steps = 0;
  /** Whose turn it is among equals. */
  turn = 0;
  readonly #buckets: number[][] = Array.from({ length: tiers * levels }, () => []);
  #bucketOf: Uint8Array;
  #positionOf: Int32Array;
  readonly #names: readonly string[];
  readonly #usesGpus: boolean;

  constructor(shape: Shape, slots: number) {
    this.shape = shape;
    this.#bucketOf = new Uint8Array(slots).fill(nowhere);
    this.#positionOf = new Int32Array(slots);
    this.#names = [...new Set(["CPU", "memory", ...Object.keys(shape.takes)])];
    this.#usesGpus = shape.needs["GPU"] !== undefined || shape.takes["GPU"] !== undefined;
  }

  /** Takes in how a node is now; undefined: it is gone. */
  update(slot: number, node: IndexedNode | undefined): void {
    this.steps++;
    this.#grow(slot);
    const bucket = node === undefined ? nowhere : this.#find(node);
    const before = this.#bucketOf[slot];
    if (bucket === before) return;
    if (before !== nowhere) this.#leave(slot, before);
    if (bucket !== nowhere) this.#enter(slot, bucket);
  }

  /** It may be chosen for this shape, now or later. */
  has(slot: number): boolean {
    return slot < this.#bucketOf.length && this.#bucketOf[slot] !== nowhere;
  }

  hasRoom(slot: number): boolean {
    return this.has(slot) && isRoomy(this.#bucketOf[slot]);
  }

  /** How many fit the node now. */
  room(node: IndexedNode): number {
    return howMany(this.shape.takes, node.available);
  }

  /** How many fit the node when it is empty; at least 1, for it can hold one. */
  capacity(node: IndexedNode): number {
    return Math.max(1, howMany(this.shape.takes, node.total));
  }

  /** How many can be added before the node is half used; 0 when it is. */
  roomToHalf(node: IndexedNode): number {
    let most = mostOnOneNode;
    for (const name of this.#names) {
      const total = node.total[name] ?? 0;
      if (total === 0) continue;
      const left = total / 2 - (total - (node.available[name] ?? 0));
      if (left <= 0) return 0;
      const takes = this.shape.takes[name] ?? 0;
      if (takes > 0) most = Math.min(most, Math.ceil(left / takes));
    }
    return Math.min(most, this.room(node));
  }

  /** Whether `slot` is as good as the best there is, when nodes are filled to half and then the least used is taken. */
  isBestToPack(slot: number): boolean {
    if (!this.hasRoom(slot)) return false;
    const mine = this.#bucketOf[slot];
    const best = this.#first(bucketOrders.pack);
    if (tierOf(mine) !== tierOf(best)) return false;
    return levelOf(mine) < halfLevel || (levelOf(best) >= halfLevel && levelOf(mine) <= levelOf(best));
  }

  /** The best node with room is wholly used: it has room for what takes nothing. */
  areAllFull(): boolean {
    const best = this.#first(bucketOrders.pack);
    return best !== nowhere && levelOf(best) === roomyLevels - 1;
  }

  /** Nodes with room in the best tier that has any. */
  roomyInBestTier(): number {
    const best = this.#first(bucketOrders.pack);
    if (best === nowhere) return 0;
    let count = 0;
    const base = tierOf(best) * levels;
    for (let level = 0; level < roomyLevels; level++) count += this.#buckets[base + level].length;
    return count;
  }

  /**
   * The first node in an order that `accepts` takes, starting `skip` nodes on and going round; -1 when there is none.
   * Looks at no more than `most` nodes.
   */
  search(
    order: readonly number[],
    skip: number,
    accepts: (slot: number) => boolean,
    most = Infinity,
  ): number {
    let first = 0;
    let offset = skip;
    while (first < order.length && offset >= this.#buckets[order[first]].length) {
      offset -= this.#buckets[order[first]].length;
      first++;
      this.steps++;
    }
    let looked = 0;
    for (let i = 0; i <= order.length; i++) {
      const at = (first + i) % order.length;
      const slots = this.#buckets[order[at]];
      this.steps++;
      // The bucket where it starts is seen twice: from the offset on, and in the end up to it.
      const from = i === 0 ? offset : 0;
      const to = i === order.length ? Math.min(offset, slots.length) : slots.length;
      for (let each = from; each < to; each++) {
        this.steps++;
        if (accepts(slots[each])) return slots[each];
        if (++looked >= most) return -1;
      }
    }
    return -1;
  }

  /** As `search`, but equals take turns. */
  searchInTurn(
    order: readonly (readonly number[])[],
    accepts: (slot: number) => boolean,
    most = Infinity,
  ): number {
    const turn = this.turn++;
    let looked = 0;
    for (const group of order) {
      let size = 0;
      for (const bucket of group) size += this.#buckets[bucket].length;
      this.steps += group.length;
      for (let i = 0; i < size; i++) {
        let at = (turn + i) % size;
        let slots: readonly number[] = this.#buckets[group[0]];
        for (let each = 1; at >= slots.length; each++) {
          at -= slots.length;
          slots = this.#buckets[group[each]];
        }
        this.steps++;
        if (accepts(slots[at])) return slots[at];
        if (++looked >= most) return -1;
      }
    }
    return -1;
  }

  #first(order: readonly number[]): number {
    for (const bucket of order) {
      this.steps++;
      if (this.#buckets[bucket].length > 0) return bucket;
    }
    return nowhere;
  }

  #find(node: IndexedNode): number {
    const { needs, takes, required, preferred } = this.shape;
    if (!node.isAlive || node.isDraining) return nowhere;
    if (!fits(needs, node.total) || !fits(takes, node.total) || !matchesLabels(required, node.labels))
      return nowhere;
    let tier = matchesLabels(preferred, node.labels) ? 0 : 2;
    if (!this.#usesGpus && (node.total["GPU"] ?? 0) > 0) tier += 1;
    return tier * levels + this.#level(node);
  }

  #level(node: IndexedNode): number {
    if (!fits(this.shape.takes, node.available)) {
      const pressure = (node.queued + node.owed) / this.capacity(node);
      return roomyLevels + Math.min(waitingLevels - 1, Math.floor(2 * Math.log2(1 + pressure)));
    }
    let used = 0;
    for (const name of this.#names) {
      const total = node.total[name] ?? 0;
      if (total > 0) used = Math.max(used, 1 - (node.available[name] ?? 0) / total);
    }
    return Math.min(roomyLevels - 1, Math.floor(used * (roomyLevels - 1)));
  }

  #enter(slot: number, bucket: number): void {
    const slots = this.#buckets[bucket];
    this.#bucketOf[slot] = bucket;
    this.#positionOf[slot] = slots.length;
    slots.push(slot);
    this.feasible++;
    if (isRoomy(bucket)) this.roomy++;
  }

  #leave(slot: number, bucket: number): void {
    const slots = this.#buckets[bucket];
    const last = slots.pop();
    if (last !== undefined && last !== slot) {
      slots[this.#positionOf[slot]] = last;
      this.#positionOf[last] = this.#positionOf[slot];
    }
    this.#bucketOf[slot] = nowhere;
    this.feasible--;
    if (isRoomy(bucket)) this.roomy--;
  }

  #grow(slot: number): void {
    if (slot < this.#bucketOf.length) return;
    const size = Math.max(slot + 1, this.#bucketOf.length * 2, 16);
    const buckets = new Uint8Array(size).fill(nowhere);
    buckets.set(this.#bucketOf);
    const positions = new Int32Array(size);
    positions.set(this.#positionOf);
    this.#bucketOf = buckets;
    this.#positionOf = positions;
  }

  /** @throws Error when a node stands elsewhere than it should. */
  check(nodes: readonly (IndexedNode | undefined)[]): void {
    let feasible = 0;
    nodes.forEach((node, slot) => {
      const bucket = node === undefined ? nowhere : this.#find(node);
      const at = this.has(slot) ? this.#bucketOf[slot] : nowhere;
      if (at !== bucket) throw new Error(`node in slot ${slot} is in bucket ${at} instead of ${bucket}`);
      if (bucket === nowhere) return;
      feasible++;
      if (this.#buckets[bucket][this.#positionOf[slot]] !== slot)
        throw new Error(`slot ${slot} is not at its position`);
    });
    if (feasible !== this.feasible) throw new Error(`${this.feasible} feasible nodes instead of ${feasible}`);
  }
}

function howMany(takes: ResourceVector, from: ResourceVector): number {
  let most = mostOnOneNode;
  for (const name in takes) most = Math.min(most, Math.floor((from[name] ?? 0) / takes[name]));
  return Math.max(0, most);
}

function tierOf(bucket: number): number {
  return Math.floor(bucket / levels);
}

function levelOf(bucket: number): number {
  return bucket % levels;
}

function isRoomy(bucket: number): boolean {
  return levelOf(bucket) < roomyLevels;
}

function packOrder(): readonly number[] {
  const order: number[] = [];
  for (let tier = 0; tier < tiers; tier++) {
    for (let level = halfLevel - 1; level >= 0; level--) order.push(tier * levels + level);
    for (let level = halfLevel; level < roomyLevels; level++) order.push(tier * levels + level);
  }
  return order;
}

/** Whether a node has GPUs makes no difference to those that are to be spread. */
function spreadOrder(): readonly (readonly number[])[] {
  const order: number[][] = [];
  for (let tier = 0; tier < tiers; tier += 2) {
    for (let level = 0; level < roomyLevels; level++)
      order.push([tier * levels + level, (tier + 1) * levels + level]);
  }
  return order;
}

function waitingOrder(): readonly number[] {
  const order: number[] = [];
  for (let tier = 0; tier < tiers; tier++)
    for (let level = roomyLevels; level < levels; level++) order.push(tier * levels + level);
  return order;
}
