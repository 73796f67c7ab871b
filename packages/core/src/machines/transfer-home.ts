import { pieceBytes, type ObjectMessage } from "../protocol/objects.ts";
import type { BlockName } from "./store-events.ts";
import type { TransferInstruction } from "./transfer-events.ts";
import { TransferTree } from "./transfer-tree.ts";

type Wanted = Extract<ObjectMessage, { t: "want" }>;

/** Own objects that other nodes have or receive, and who sends each of them to whom. */
export class TransferHome {
  readonly #node: number;
  readonly #trees = new Map<string, TransferTree>();

  constructor(node: number) {
    this.#node = node;
  }

  /** Who is to send an object to the node that wants it: this one or another. */
  senderFor(
    node: number,
    want: Wanted,
    out: TransferInstruction[],
  ): { readonly sender: number; readonly depth: number } {
    const { block, generation, size, failed } = want;
    const key = `${block}.${generation}`;
    let tree = this.#trees.get(key);
    if (tree === undefined) {
      this.#trees.set(key, (tree = new TransferTree(this.#node)));
      out.push({ kind: "watch", block, generation });
    }
    if (size <= pieceBytes) {
      // It is sent before anyone else could be asked.
      tree.completed(node);
      return { sender: this.#node, depth: 0 };
    }
    const sender = tree.assign(node, failed, Math.ceil(size / pieceBytes));
    return { sender, depth: tree.depthOf(sender) };
  }

  completed(node: number, { block, generation }: BlockName): void {
    const tree = this.#trees.get(`${block}.${generation}`);
    if (tree?.has(node) === true) tree.completed(node);
  }

  removed(node: number, { block, generation }: BlockName): void {
    this.#trees.get(`${block}.${generation}`)?.removed(node);
  }

  /** The object is no more. Returns the nodes that are to know; undefined when it is not one of these. */
  gone(block: number, generation: number): readonly number[] | undefined {
    const key = `${block}.${generation}`;
    const tree = this.#trees.get(key);
    this.#trees.delete(key);
    return tree?.nodes;
  }

  nodeLost(node: number): void {
    for (const tree of this.#trees.values()) tree.removed(node);
  }

  /** Throws when an invariant is broken. */
  check(): void {
    for (const tree of this.#trees.values()) tree.check();
  }
}
