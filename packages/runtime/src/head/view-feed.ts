/** The view of the cluster that all agents share: what they tell of themselves, gathered, and sent on as deltas. */
import type { NodeChange, ViewDelta } from "@iono/core";

/** What is gathered for this long goes out together. */
const gatherMs = 20;

export class ViewFeed {
  readonly #epoch: number;
  readonly #broadcast: (delta: ViewDelta) => void;
  /** The whole of what is known of each node. */
  readonly #nodes = new Map<number, NodeChange>();
  #pending = new Map<number, NodeChange>();
  #version = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param epoch counts the lives of the head. */
  constructor(epoch: number, broadcast: (delta: ViewDelta) => void) {
    this.#epoch = epoch;
    this.#broadcast = broadcast;
  }

  change(change: NodeChange): void {
    const { node } = change;
    if (change.isGone === true) this.#nodes.delete(node);
    else this.#nodes.set(node, { ...this.#nodes.get(node), ...change });
    const pending = this.#pending.get(node);
    this.#pending.set(node, change.isGone === true ? change : { ...pending, ...change });
    this.#timer ??= setTimeout(() => this.#send(), gatherMs);
  }

  /** The whole view, for who begins or has missed something. */
  whole(): ViewDelta {
    return { epoch: this.#epoch, from: 0, to: this.#version, nodes: [...this.#nodes.values()] };
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #send(): void {
    this.#timer = undefined;
    const nodes = [...this.#pending.values()];
    this.#pending = new Map();
    const from = this.#version++;
    // Version 0 is nobody's: a delta from there would be taken for the whole.
    if (from === 0) this.#broadcast(this.whole());
    else this.#broadcast({ epoch: this.#epoch, from, to: this.#version, nodes });
  }
}
