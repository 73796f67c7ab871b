/** The GPUs of a node: whole ones, or shares of one. A share never spans two GPUs. */
import { unitsPerResource } from "../resources.ts";

export class GpuSlots {
  /** Free units of each GPU. */
  readonly #free: number[];

  private constructor(free: number[]) {
    this.#free = free;
  }

  static of(totalUnits: number): GpuSlots {
    return new GpuSlots(new Array<number>(Math.floor(totalUnits / unitsPerResource)).fill(unitsPerResource));
  }

  copy(): GpuSlots {
    return new GpuSlots([...this.#free]);
  }

  get freeUnits(): readonly number[] {
    return this.#free;
  }

  /** The ids for `units`: whole free GPUs, or the fullest one that has room for the share. null when there is no room. */
  find(units: number): readonly number[] | null {
    if (units === 0) return [];
    if (units < unitsPerResource) {
      let best = -1;
      this.#free.forEach((free, id) => {
        if (free >= units && (best < 0 || free < this.#free[best])) best = id;
      });
      return best < 0 ? null : [best];
    }
    const wanted = units / unitsPerResource;
    const ids: number[] = [];
    for (let id = 0; id < this.#free.length && ids.length < wanted; id++) {
      if (this.#free[id] === unitsPerResource) ids.push(id);
    }
    return ids.length === wanted ? ids : null;
  }

  take(ids: readonly number[], units: number): void {
    for (const id of ids) this.#free[id] -= unitsEach(units);
  }

  giveBack(ids: readonly number[], units: number): void {
    for (const id of ids) this.#free[id] += unitsEach(units);
  }

  /** @throws Error when a GPU has more than all or less than nothing. */
  check(): void {
    this.#free.forEach((free, id) => {
      if (free < 0 || free > unitsPerResource) throw new Error(`GPU ${id} has ${free} free units`);
    });
  }
}

function unitsEach(units: number): number {
  return Math.min(units, unitsPerResource);
}
