/** A set of pages as disjoint ranges, sorted by start, neighbours joined. Finding is a scan; adding is a binary search. */
export class PageRanges {
  readonly #starts: number[] = [];
  readonly #counts: number[] = [];
  #total = 0;

  /** Pages in the set. */
  get total(): number {
    return this.#total;
  }

  /** Number of ranges. */
  get rangeCount(): number {
    return this.#starts.length;
  }

  /** Adds [start, start + count). Throws if some of it is in the set. */
  add(start: number, count: number): void {
    if (count <= 0) throw new Error(`a range needs pages, got ${count}`);
    const at = this.#indexAfter(start);
    const joinsBefore = at > 0 && this.#end(at - 1) === start;
    const joinsAfter = at < this.#starts.length && start + count === this.#starts[at];
    if (
      (at > 0 && this.#end(at - 1) > start) ||
      (at < this.#starts.length && start + count > this.#starts[at])
    ) {
      throw new Error(`pages ${start}+${count} are in the set already`);
    }
    this.#total += count;
    if (joinsBefore && joinsAfter) {
      this.#counts[at - 1] += count + this.#counts[at];
      this.#starts.splice(at, 1);
      this.#counts.splice(at, 1);
    } else if (joinsBefore) {
      this.#counts[at - 1] += count;
    } else if (joinsAfter) {
      this.#starts[at] = start;
      this.#counts[at] += count;
    } else {
      this.#starts.splice(at, 0, start);
      this.#counts.splice(at, 0, count);
    }
  }

  /** Removes [start, start + count). Throws if some of it is not in the set. */
  remove(start: number, count: number): void {
    const at = this.#indexAfter(start) - 1;
    if (at < 0 || start + count > this.#end(at))
      throw new Error(`pages ${start}+${count} are not in the set`);
    this.#removeAt(at, start, count);
  }

  contains(start: number, count: number): boolean {
    const at = this.#indexAfter(start) - 1;
    return at >= 0 && start + count <= this.#end(at);
  }

  /** Whether some range has `count` pages. */
  fits(count: number): boolean {
    return this.#counts.some((pages) => pages >= count);
  }

  /** Takes `count` pages from the smallest range that has them; -1 if none has. */
  takeBestFit(count: number): number {
    let best = -1;
    for (let i = 0; i < this.#counts.length; i++) {
      if (this.#counts[i] < count || (best >= 0 && this.#counts[i] >= this.#counts[best])) continue;
      best = i;
      if (this.#counts[i] === count) break;
    }
    return best < 0 ? -1 : this.#takeFrom(best, count);
  }

  /** Takes `count` pages from the first range that has them; -1 if none has. */
  takeFirstFit(count: number): number {
    const at = this.#counts.findIndex((pages) => pages >= count);
    return at < 0 ? -1 : this.#takeFrom(at, count);
  }

  /** Takes up to `count` pages from the smallest range; undefined when the set is empty. */
  takeSmallest(count: number): { readonly start: number; readonly count: number } | undefined {
    let smallest = -1;
    for (let i = 0; i < this.#counts.length; i++) {
      if (smallest < 0 || this.#counts[i] < this.#counts[smallest]) smallest = i;
    }
    if (smallest < 0) return undefined;
    const taken = Math.min(count, this.#counts[smallest]);
    return { start: this.#takeFrom(smallest, taken), count: taken };
  }

  *[Symbol.iterator](): IterableIterator<readonly [start: number, count: number]> {
    for (let i = 0; i < this.#starts.length; i++) yield [this.#starts[i], this.#counts[i]];
  }

  #takeFrom(at: number, count: number): number {
    const start = this.#starts[at];
    this.#removeAt(at, start, count);
    return start;
  }

  #removeAt(at: number, start: number, count: number): void {
    const before = start - this.#starts[at];
    const after = this.#end(at) - (start + count);
    this.#total -= count;
    if (before > 0) {
      this.#counts[at] = before;
      if (after > 0) {
        this.#starts.splice(at + 1, 0, start + count);
        this.#counts.splice(at + 1, 0, after);
      }
    } else if (after > 0) {
      this.#starts[at] = start + count;
      this.#counts[at] = after;
    } else {
      this.#starts.splice(at, 1);
      this.#counts.splice(at, 1);
    }
  }

  #end(at: number): number {
    return this.#starts[at] + this.#counts[at];
  }

  /** Index of the first range that starts after `start`. */
  #indexAfter(start: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle] <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
