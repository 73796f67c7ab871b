/**
 * Who sends a large object to whom, as its home decides it.
 *
 * The home sends it once; whoever asks meanwhile takes it from one that receives it. With fewer receivers than pieces
 * they form a chain, in which everyone has the full speed; with more a tree, in which everyone has it soon. Those that
 * have the whole object come before those that receive it, and the home comes last.
 */

interface Holder {
  readonly node: number;
  /** From whom it receives; undefined when it has everything, or its sender is gone. */
  parent: number | undefined;
  depth: number;
  readonly children: Set<number>;
  /** How often others were sent here. */
  served: number;
  /** How often it did not deliver. */
  faults: number;
  isWhole: boolean;
}

export class TransferTree {
  readonly #home: Holder;
  readonly #holders = new Map<number, Holder>();
  #receiving = 0;

  constructor(home: number) {
    this.#home = newHolder(home);
    this.#home.isWhole = true;
    this.#holders.set(home, this.#home);
  }

  /** Nodes other than the home that have the object or receive it. */
  get nodes(): number[] {
    return [...this.#holders.keys()].filter((node) => node !== this.#home.node);
  }

  depthOf(node: number): number {
    return this.#holders.get(node)?.depth ?? 0;
  }

  /** From whom `node` receives the object, from now on. `failed`: nodes that did not deliver, the last one last. */
  assign(node: number, failed: readonly number[], pieces: number): number {
    const culprit = this.#holders.get(failed.at(-1) ?? -1);
    if (culprit !== undefined) culprit.faults++;
    let holder = this.#holders.get(node);
    if (holder === undefined) this.#holders.set(node, (holder = newHolder(node)));
    else this.#leaveParent(holder);
    const fanOut = this.#receiving < pieces ? 1 : 2;
    let best: Holder | undefined;
    for (const each of this.#holders.values()) {
      if (each === holder || each.children.size >= fanOut || failed.includes(each.node)) continue;
      if (each !== this.#home && !each.isWhole && each.parent === undefined) continue;
      if (best !== undefined && !this.#isBetter(each, best)) continue;
      if (holder.children.size > 0 && this.#isBelow(each, holder)) continue;
      best = each;
    }
    const parent = best ?? this.#home;
    this.#receiving++;
    holder.isWhole = false;
    holder.parent = parent.node;
    holder.depth = parent.depth + 1;
    parent.children.add(node);
    parent.served++;
    return parent.node;
  }

  has(node: number): boolean {
    return this.#holders.has(node);
  }

  /** The node has the whole object. */
  completed(node: number): void {
    let holder = this.#holders.get(node);
    if (holder === undefined) this.#holders.set(node, (holder = newHolder(node)));
    else this.#leaveParent(holder);
    holder.isWhole = true;
    holder.depth = 1;
  }

  /** It has none of it any more. */
  removed(node: number): void {
    const holder = this.#holders.get(node);
    if (holder === undefined || holder === this.#home) return;
    this.#leaveParent(holder);
    this.#holders.delete(node);
    for (const child of holder.children) {
      const orphan = this.#holders.get(child);
      if (orphan?.parent === node) this.#leaveParent(orphan);
    }
  }

  /** Throws when an invariant is broken. */
  check(): void {
    let receiving = 0;
    for (const holder of this.#holders.values()) {
      if (holder.parent === undefined) continue;
      receiving++;
      assert(!holder.isWhole, `${holder.node} receives what it has`);
      assert(
        this.#holders.get(holder.parent)?.children.has(holder.node) === true,
        `${holder.node} has a sender that does not know`,
      );
      let steps = 0;
      for (let at: Holder | undefined = holder; at?.parent !== undefined; at = this.#holders.get(at.parent))
        assert(steps++ < this.#holders.size, `${holder.node} receives from itself`);
    }
    for (const holder of this.#holders.values())
      for (const child of holder.children)
        assert(this.#holders.get(child)?.parent === holder.node, `${child} is not sent by ${holder.node}`);
    assert(receiving === this.#receiving, `${receiving} receive, not ${this.#receiving}`);
  }

  #isBetter(a: Holder, b: Holder): boolean {
    if (a.faults !== b.faults) return a.faults < b.faults;
    if (a === this.#home || b === this.#home) return b === this.#home;
    if (a.isWhole !== b.isWhole) return a.isWhole;
    return a.isWhole ? a.served < b.served : a.depth < b.depth;
  }

  #leaveParent(holder: Holder): void {
    if (holder.parent === undefined) return;
    this.#holders.get(holder.parent)?.children.delete(holder.node);
    holder.parent = undefined;
    this.#receiving--;
  }

  /** What `holder` sends reaches `low`. */
  #isBelow(low: Holder, holder: Holder): boolean {
    for (let at: Holder | undefined = low; at !== undefined;) {
      if (at === holder) return true;
      at = at.parent === undefined ? undefined : this.#holders.get(at.parent);
    }
    return false;
  }
}

function newHolder(node: number): Holder {
  return { node, parent: undefined, depth: 0, children: new Set(), served: 0, faults: 0, isWhole: false };
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`transfer tree: ${message}`);
}
