/** Functions whose definitions arrived: each is decoded once in this process. */
import { IonoError, limits } from "@iono/core";
import { BoundedMap } from "./bounded-map.ts";
import type { Codec } from "./codec.ts";
import type { Received } from "./references.ts";

export class Functions {
  readonly #codec: Codec;
  readonly #known = new BoundedMap<string, Promise<Function>>(limits.knownFunctions.value);

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** Rejects with ObjectLost when the code did not arrive. */
  get(key: string, received: Received | null): Promise<Function> {
    let known = this.#known.get(key);
    if (known === undefined) {
      if (received === null)
        return Promise.reject(new IonoError("ObjectLost", `the code of function ${key} did not arrive`));
      known = this.#codec.decode(received).then((fn) => {
        if (typeof fn !== "function")
          throw new IonoError("ObjectLost", `function ${key} arrived as ${typeof fn}`);
        return fn;
      });
      this.#known.set(key, known);
    }
    return known;
  }

  /** The owner of a definition has dropped it. */
  forget(key: string): void {
    this.#known.delete(key);
  }
}
