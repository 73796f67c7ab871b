/** Sweeping starts at this many entries, and again at twice what is left. */
const firstSweep = 4096;

/** Ends the key of what captures names that change: elsewhere no earlier copy may stand for a later one. */
const changing = "~";

/** Whether a function of this key captures names that change. */
export function capturesChange(key: string): boolean {
  return key.endsWith(changing);
}

/**
 * Names functions across processes, so that one that comes home is recognised: a class thrown in a worker is caught as
 * the driver's own class, a function returned is the very function that was sent.
 *
 * A key is `<process>:<serial>`. Nothing here keeps a function alive.
 */
export class Origins {
  readonly #home: string;
  readonly #keys = new WeakMap<Function, string>();
  readonly #functions = new Map<string, WeakRef<Function>>();
  #serial = 0;
  #sweepAt = firstSweep;

  /** @param processKey unlike that of any other process. */
  constructor(processKey: string) {
    this.#home = `${processKey}:`;
  }

  /**
   * The key of a function; the first call makes this process its origin.
   * @param mayChange whether a copy of it may differ from an earlier one.
   */
  of(fn: Function, mayChange = false): string {
    let key = this.#keys.get(fn);
    if (key === undefined) {
      key = `${this.#home}${this.#serial++}${mayChange ? changing : ""}`;
      this.#keys.set(fn, key);
      this.#keep(key, fn);
    }
    return key;
  }

  /** The function of this key that lives in this process. */
  known(key: string): Function | undefined {
    return this.#functions.get(key)?.deref();
  }

  /** Notes that a function decoded here stands for the one of this key, now and when it is decoded again. */
  remember(key: string, fn: Function): void {
    this.#keys.set(fn, key);
    if (!capturesChange(key)) this.#keep(key, fn);
  }

  #keep(key: string, fn: Function): void {
    this.#functions.set(key, new WeakRef(fn));
    if (this.#functions.size < this.#sweepAt) return;
    for (const [other, reference] of this.#functions)
      if (reference.deref() === undefined) this.#functions.delete(other);
    this.#sweepAt = Math.max(firstSweep, 2 * this.#functions.size);
  }
}
