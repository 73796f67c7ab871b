/** So many objects are found by looking through a list; more go to a Map. */
const LIST_MAX = 16;

/**
 * Gives each object of a value its index, in the order they are met. Small values, nearly all there
 * are, need no memory of their own for it.
 */
export class ObjectTable {
  private count = 0;
  private readonly list: unknown[] = new Array<unknown>(LIST_MAX).fill(undefined);
  private map: Map<unknown, number> | undefined;

  /** @returns the index of an object met before, or −1 after giving it the next index. */
  remember(value: object): number {
    const count = this.count;
    const map = this.map;
    if (map !== undefined) {
      const before = map.get(value);
      if (before !== undefined) return before;
      map.set(value, count);
    } else {
      const list = this.list;
      for (let i = 0; i < count; i++) if (list[i] === value) return i;
      if (count < LIST_MAX) list[count] = value;
      else {
        this.map = new Map(list.map((listed, i) => [listed, i]));
        this.map.set(value, count);
      }
    }
    this.count = count + 1;
    return -1;
  }

  /** The index the latest new object got. */
  latestIndex(): number {
    return this.count - 1;
  }

  /** Lets go of all objects. */
  clear(): void {
    const listed = Math.min(this.count, LIST_MAX);
    for (let i = 0; i < listed; i++) this.list[i] = undefined;
    this.count = 0;
    this.map = undefined;
  }
}
