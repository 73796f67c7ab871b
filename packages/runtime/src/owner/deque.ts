/** A double-ended queue over a ring that grows by doubling. */
export class Deque<T> {
  #items: Array<T | undefined> = new Array<T | undefined>(64).fill(undefined);
  #head = 0;
  length = 0;

  push(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) & (this.#items.length - 1)] = item;
    this.length++;
  }

  unshift(item: T): void {
    if (this.length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.length++;
  }

  peek(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    if (this.length === 0 && this.#items.length > 65_536) this.#items = new Array<T | undefined>(64).fill(undefined);
    return item;
  }

  clear(): void {
    this.#items = new Array<T | undefined>(64).fill(undefined);
    this.#head = 0;
    this.length = 0;
  }

  /** Removes the first occurrence; O(n), for cancellation. */
  remove(item: T): boolean {
    const mask = this.#items.length - 1;
    for (let i = 0; i < this.length; i++) {
      if (this.#items[(this.#head + i) & mask] !== item) continue;
      for (let j = i; j < this.length - 1; j++) {
        this.#items[(this.#head + j) & mask] = this.#items[(this.#head + j + 1) & mask];
      }
      this.length--;
      this.#items[(this.#head + this.length) & mask] = undefined;
      return true;
    }
    return false;
  }

  *[Symbol.iterator](): Iterator<T> {
    const mask = this.#items.length - 1;
    for (let i = 0; i < this.length; i++) yield this.#items[(this.#head + i) & mask] as T;
  }

  #grow(): void {
    const items = new Array<T | undefined>(this.#items.length * 2).fill(undefined);
    let i = 0;
    for (const item of this) items[i++] = item;
    this.#items = items;
    this.#head = 0;
  }
}
