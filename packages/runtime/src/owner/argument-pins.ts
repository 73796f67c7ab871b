/** The blocks of refs that are arguments of one task: they stay until it is over, whoever lets go of the refs. */
import type { StoreLocation } from "@iono/core";
import type { StoreClient } from "../objects/index.ts";

export class ArgumentPins {
  readonly #store: StoreClient;
  readonly #locations: StoreLocation[] = [];

  constructor(store: StoreClient) {
    this.#store = store;
  }

  /** Throws ObjectFreed, ObjectLost. */
  add(location: StoreLocation): void {
    this.#store.pin(location);
    this.#locations.push(location);
  }

  release(): void {
    for (const location of this.#locations.splice(0)) this.#store.unpin(location);
  }
}
