import type { ObjectName } from "../protocol/objects.ts";
import type { TransferOptions } from "./transfer-events.ts";

/**
 * queued: waits for its turn. allocating: waits for a block. receiving: pieces come, or are asked for. whole: all of it
 * is here.
 */
export type CopyState = "queued" | "allocating" | "receiving" | "whole";

/** An object of another node here, or on its way. */
export interface Copy {
  readonly copy: number;
  readonly object: ObjectName;
  readonly sizeBytes: number;
  state: CopyState;
  isUrgent: boolean;
  /** Requests that wait for it, and whose they are. */
  readonly waiting: Map<number, number>;
  /** Its block, once it has one. */
  block: number;
  generation: number;
  receivedBytes: number;
  /** Who sends it, under which number, and how far from the home that is. */
  source: number;
  pull: number;
  depth: number;
  /** Nodes that did not deliver. */
  readonly failed: number[];
  /** The object is no more at its home: this copy is for those who wait for it only. */
  isDisowned: boolean;
  /** Something came since the last tick; since when nothing came. */
  hasProgressed: boolean;
  quietSinceMs: number;
}

export function keyOf({ home, block, generation }: ObjectName): string {
  return `${home}.${block}.${generation}`;
}

/** Copies by number, object and block, and which of them may be received now. */
export class Copies implements Iterable<Copy> {
  readonly #options: TransferOptions;
  readonly #byNumber = new Map<number, Copy>();
  readonly #byObject = new Map<string, Copy>();
  readonly #byBlock = new Map<string, Copy>();
  /** What a running task waits for, and the rest; each first come, first served. */
  readonly #urgent = new Set<Copy>();
  readonly #others = new Set<Copy>();
  readonly #receiving = new Set<Copy>();
  #receivingBytes = 0;
  #next = 1;

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  get queued(): number {
    return this.#urgent.size + this.#others.size;
  }

  get receivingBytes(): number {
    return this.#receivingBytes;
  }

  /** Those that wait for a block or for pieces. */
  get receiving(): ReadonlySet<Copy> {
    return this.#receiving;
  }

  get(copy: number): Copy | undefined {
    return this.#byNumber.get(copy);
  }

  of(object: ObjectName): Copy | undefined {
    return this.#byObject.get(keyOf(object));
  }

  inBlock(block: number, generation: number): Copy | undefined {
    return this.#byBlock.get(`${block}.${generation}`);
  }

  queue(object: ObjectName, sizeBytes: number, isUrgent: boolean): Copy {
    const copy: Copy = {
      copy: this.#next++,
      object,
      sizeBytes,
      state: "queued",
      isUrgent,
      waiting: new Map(),
      block: -1,
      generation: -1,
      receivedBytes: 0,
      source: object.home,
      pull: 0,
      depth: 0,
      failed: [],
      isDisowned: false,
      hasProgressed: true,
      quietSinceMs: 0,
    };
    this.#byNumber.set(copy.copy, copy);
    this.#byObject.set(keyOf(object), copy);
    (isUrgent ? this.#urgent : this.#others).add(copy);
    return copy;
  }

  /** A running task waits for it now. */
  prefer(copy: Copy): void {
    copy.isUrgent = true;
    if (this.#others.delete(copy)) this.#urgent.add(copy);
  }

  /** The next one to be received, if there is room: it is from now on. */
  admit(): Copy | undefined {
    const { receivingBytes, receivingCount } = this.#options;
    const [copy] = this.#urgent.size > 0 ? this.#urgent : this.#others;
    if (copy === undefined || this.#receiving.size >= receivingCount) return undefined;
    if (this.#receiving.size > 0 && this.#receivingBytes + copy.sizeBytes > receivingBytes) return undefined;
    this.#urgent.delete(copy);
    this.#others.delete(copy);
    this.#receiving.add(copy);
    this.#receivingBytes += copy.sizeBytes;
    copy.state = "allocating";
    return copy;
  }

  allocated(copy: Copy, block: number, generation: number): void {
    copy.block = block;
    copy.generation = generation;
    copy.state = "receiving";
    this.#byBlock.set(`${block}.${generation}`, copy);
  }

  whole(copy: Copy): void {
    copy.state = "whole";
    this.#leaveReceiving(copy);
  }

  remove(copy: Copy): void {
    this.#urgent.delete(copy);
    this.#others.delete(copy);
    this.#leaveReceiving(copy);
    this.#byNumber.delete(copy.copy);
    if (this.of(copy.object) === copy) this.#byObject.delete(keyOf(copy.object));
    if (copy.block >= 0) this.#byBlock.delete(`${copy.block}.${copy.generation}`);
  }

  [Symbol.iterator](): IterableIterator<Copy> {
    return this.#byNumber.values();
  }

  #leaveReceiving(copy: Copy): void {
    if (this.#receiving.delete(copy)) this.#receivingBytes -= copy.sizeBytes;
  }
}
