import type { Encoder } from "./encode.ts";
import { appendPrefix, segment, type Prefix } from "./path.ts";
import { TAG_DEFERRED } from "./tags.ts";

/** A container whose contents are written after the rest. */
interface Deferred {
  readonly index: number;
  readonly prefix: Prefix | undefined;
  readonly step: unknown;
  readonly contents: () => void;
  done: boolean;
}

/**
 * Containers nested so deep that their contents are written at the end instead, from a shallow
 * stack: so a list of 100,000 links needs no recursion of that depth, neither here nor at the reader.
 */
export class Deferral {
  private readonly encoder: Encoder;
  private list: Deferred[] = [];
  /** Path to the container whose contents are being written, and the depth at which the steps within it begin. */
  private prefix: Prefix | undefined;
  private base = 0;
  /** The prefix made last, for the container with this index. */
  private prefixMade: Prefix | undefined;
  private prefixOwner = -1;

  constructor(encoder: Encoder) {
    this.encoder = encoder;
  }

  /** How many containers wait. */
  get waiting(): number {
    return this.list.length;
  }

  clear(): void {
    if (this.list.length > 0) this.list = [];
    this.prefix = undefined;
    this.base = 0;
    this.prefixMade = undefined;
    this.prefixOwner = -1;
  }

  /** Writes only the tag (and `header`) now and the contents with the other deferred ones. */
  defer(tag: number, index: number, contents: () => void, header?: () => void): void {
    const { writer, steps, depth } = this.encoder;
    writer.byte(TAG_DEFERRED);
    writer.byte(tag);
    header?.();
    this.list.push({ index, prefix: this.prefixHere(), step: steps[depth], contents, done: false });
  }

  /** The path to the container being written, shared by all that is deferred in it. */
  private prefixHere(): Prefix | undefined {
    const { steps, owners, depth } = this.encoder;
    const owner = owners[depth];
    if (this.prefixOwner !== owner || this.prefixMade === undefined) {
      this.prefixMade = { before: this.prefix, steps: steps.slice(this.base + 1, depth) };
      this.prefixOwner = owner;
    }
    return this.prefixMade;
  }

  /** Writes the contents of what was deferred since there were `from`, until none is left. */
  write(from: number): void {
    const encoder = this.encoder;
    const { list, prefix, base } = this;
    const depth = encoder.depth;
    for (let i = from; i < list.length; i++) {
      const item = list[i];
      if (item.done) continue;
      item.done = true;
      this.prefix = { before: item.prefix, steps: [item.step] };
      this.prefixOwner = -1;
      // The prefix leads here from the root; the steps below this depth are those of another branch.
      this.base = depth;
      encoder.writer.count(item.index + 1);
      item.contents();
    }
    list.length = from;
    this.base = base;
    this.prefix = prefix;
    this.prefixOwner = -1;
  }

  /** Inside a registered type's data: an object whose contents are owed elsewhere gets them here, before the data is used. */
  hasten(index: number): void {
    const owed = this.list.find((item) => item.index === index && !item.done);
    if (owed === undefined) return;
    owed.done = true;
    this.list.push({ ...owed, done: false });
  }

  /** Appends the segments from the value itself to where the encoder stands. */
  appendPath(segments: string[]): void {
    appendPrefix(segments, this.prefix);
    const { steps, depth } = this.encoder;
    for (let at = this.base + 1; at <= depth; at++) segments.push(segment(steps[at]));
  }
}
