/**
 * Handles of actors that a worker got with its tasks are given back when V8 collects them, and an idle worker allocates
 * nothing that would make it collect. So an idle worker that holds some collects once after it has run something.
 */
import { collectGarbage } from "../objects/collect.ts";

const lookMs = 1000;
/** A collection may take at most this part of the time. */
const share = 0.02;

export interface IdleWorker {
  /** How many actors it holds. */
  held(): number;
  /** Whether nothing runs here. */
  idle(): boolean;
  /** How many tasks and calls have ended here. */
  runs(): number;
}

export class IdleCollection {
  readonly #worker: IdleWorker;
  #armed = false;
  #runs = -1;
  #restUntilMs = 0;

  constructor(worker: IdleWorker) {
    this.#worker = worker;
  }

  /** A handle came in. */
  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setTimeout(this.#look, lookMs).unref();
  }

  readonly #look = (): void => {
    this.#armed = false;
    const { held, idle, runs } = this.#worker;
    if (held() === 0) return;
    this.arm();
    const began = performance.now();
    if (!idle() || runs() === this.#runs || began < this.#restUntilMs) return;
    this.#runs = runs();
    collectGarbage();
    const ended = performance.now();
    this.#restUntilMs = ended + (ended - began) / share;
  };
}
