/** Lets a number of holders in at a time; the others wait in the order they came. */
import type { Deadline } from "./deadline.ts";

export class Gate {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Takes a place if one is free at once; without waiting, so that who comes first is first beyond the gate, too. */
  tryEnter(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Waits for a place. @throws as `deadline.within`; no place is held then. */
  async enter(deadline: Deadline): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    try {
      await deadline.within(promise);
    } catch (error) {
      // Let in at the very moment the time was over: the place goes to the next.
      if (!this.#waiting.delete(resolve)) this.leave();
      throw error;
    }
  }

  leave(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next();
      return;
    }
    this.#free += 1;
  }
}
