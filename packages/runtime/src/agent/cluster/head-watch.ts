/** How an agent stands with its head: taken in or not, heard of or not. */
import { IonoError } from "@iono/core";

/** How long the head may take to say which nodes there are. */
const registerMs = 10_000;
/** After the 3.5 s that make the head suspect. By then it has declared this node dead, should it live. */
const lostMs = 9_000;

export class HeadWatch {
  readonly #registered = Promise.withResolvers<void>();
  readonly #lost: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(lost: (reason: string) => void) {
    this.#lost = lost;
  }

  /** It has said which nodes there are: this one is among them. */
  registered(): void {
    this.#registered.resolve();
  }

  /**
   * Resolves when the head has taken this node in.
   * @throws IonoError Unreachable.
   */
  async whenRegistered(endpoint: string): Promise<void> {
    const timer = setTimeout(() => {
      const text = `this machine may join, but the head has not answered at ${endpoint} within ${registerMs / 1000} s`;
      this.#registered.reject(new IonoError("Unreachable", text));
    }, registerMs);
    await this.#registered.promise.finally(() => clearTimeout(timer));
  }

  health(health: "up" | "suspect"): void {
    clearTimeout(this.#timer);
    if (health === "suspect")
      this.#timer = setTimeout(() => this.#lost("nothing was heard of the head for 12 s"), lostMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
