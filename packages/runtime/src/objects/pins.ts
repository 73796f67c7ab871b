import type { StoreLocation } from "@iono/core";
import { refusalError } from "./refusal.ts";

/** How often this process pins a block; the agent knows only whether it does. (I4) */
export interface Pins {
  readonly generation: number;
  holds: number;
  maps: number;
}

/** What this process pins, by block. */
export class PinCounts {
  readonly #pins = new Map<number, Pins>();
  readonly #unpin: (location: StoreLocation, mapped: boolean) => void;

  /** @param unpin tells the agent that this process pins the block no more in this way. */
  constructor(unpin: (location: StoreLocation, mapped: boolean) => void) {
    this.#unpin = unpin;
  }

  of(location: StoreLocation): Pins {
    const { block, generation } = location;
    const known = this.#pins.get(block);
    if (known?.generation === generation) return known;
    // What this process pins exists, so that another generation of the same block is gone.
    if (known !== undefined && known.generation > generation) throw refusalError("stale", { location });
    const pins = { generation, holds: 0, maps: 0 };
    this.#pins.set(block, pins);
    return pins;
  }

  release(location: StoreLocation, mapped: boolean): void {
    const pins = this.#pins.get(location.block);
    if (pins === undefined || pins.generation !== location.generation) return;
    const count = mapped ? --pins.maps : --pins.holds;
    if (count === 0) this.#unpin(location, mapped);
    this.forgetUnpinned(location.block, pins);
  }

  forgetUnpinned(block: number, pins: Pins): void {
    if (pins.holds <= 0 && pins.maps <= 0 && this.#pins.get(block) === pins) this.#pins.delete(block);
  }
}
