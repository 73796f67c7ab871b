/**
 * A double-ended queue over a ring that grows by doubling. What is removed from its middle leaves a hole, which is
 * passed over, and where each item lies is noted from the first removal on: a million tasks can be cancelled in any order.
 */
export class Deque<T extends object> {
  #items: Array<T | undefined> = emptyRing();
  #head = 0;
  /** Places in use from the head on, holes among them. The first and the last place are no holes. */
  #span = 0;
  #places: Map<T, number> | undefined;
  /** Items, holes not counted. */
  length = 0;

  push(item: T): void {
    if (this.#span === this.#items.length) this.#grow();
    const place = (this.#head + this.#span) & (this.#items.length - 1);
    this.#items[place] = item;
    this.#places?.set(item, place);
    this.#span++;
    this.length++;
  }

  unshift(item: T): void {
    if (this.#span === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.#places?.set(item, this.#head);
    this.#span++;
    this.length++;
  }

  peek(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    if (item !== undefined) this.#places?.delete(item);
    this.#take(this.#head);
    return item;
  }

  clear(): void {
    this.#items = emptyRing();
    this.#places = undefined;
    this.#head = this.#span = this.length = 0;
  }

  /** Removes an item, which must not be in the queue more than once; amortised O(1). */
  remove(item: T): boolean {
    if (this.#places === undefined) this.#notePlaces();
    const place = this.#places?.get(item);
    if (place === undefined) return false;
    this.#places?.delete(item);
    this.#take(place);
    return true;
  }

  *[Symbol.iterator](): Iterator<T> {
    const mask = this.#items.length - 1;
    for (let i = 0; i < this.#span; i++) {
      const item = this.#items[(this.#head + i) & mask];
      if (item !== undefined) yield item;
    }
  }

  /** Empties a place, and gives up the holes that are then at an end. */
  #take(place: number): void {
    const mask = this.#items.length - 1;
    this.#items[place] = undefined;
    if (--this.length === 0) {
      if (this.#items.length > 65_536) this.#items = emptyRing();
      this.#places = undefined;
      this.#head = this.#span = 0;
      return;
    }
    while (this.#items[this.#head] === undefined) {
      this.#head = (this.#head + 1) & mask;
      this.#span--;
    }
    while (this.#items[(this.#head + this.#span - 1) & mask] === undefined) this.#span--;
  }

  #notePlaces(): void {
    const mask = this.#items.length - 1;
    this.#places = new Map();
    for (let i = 0; i < this.#span; i++) {
      const place = (this.#head + i) & mask;
      const item = this.#items[place];
      if (item !== undefined) this.#places.set(item, place);
    }
  }

  /** Closes the holes; without many of them the ring doubles. */
  #grow(): void {
    const { length } = this.#items;
    const items = new Array<T | undefined>(this.length * 2 > length ? length * 2 : length).fill(undefined);
    let i = 0;
    for (const item of this) items[i++] = item;
    this.#items = items;
    this.#head = 0;
    this.#span = this.length;
    this.#places = undefined;
  }
}

function emptyRing<T>(): Array<T | undefined> {
  return new Array<T | undefined>(64).fill(undefined);
}
