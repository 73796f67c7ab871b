/** The run of one task or call: user code is called, and what comes of it is written to its link. */
import type { Codec } from "../owner/codec.ts";
import { RunningStream } from "./generators.ts";
import { writeEnd, writeError, writeOne, writeSeveral } from "./results.ts";
import { taskStorage, type RunningTask } from "./task-context.ts";
import { cancelled, isThenable, runUserCode, type ActorInstance } from "./user-code.ts";

/** What runs need of the executor. */
export interface RunHost {
  readonly actor: ActorInstance | null;
  /** The task goes on after its call: it may be cancelled or told something. */
  register(running: RunningTask): void;
  /** Its arguments, which had to be waited for, are there or never will be. */
  begins(running: RunningTask): void;
  /** Its result is written. */
  ended(running: RunningTask, durationUs: number): void;
}

export class Runs {
  readonly #codec: Codec;
  readonly #host: RunHost;

  constructor(codec: Codec, host: RunHost) {
    this.#codec = codec;
    this.#host = host;
  }

  /** Calls the function; returns the time (ms) after it. */
  call(running: RunningTask, isStream: boolean, args: unknown[]): number {
    let value: unknown;
    try {
      value = taskStorage.run(running, runUserCode, running.definition, this.#host.actor, args);
    } catch (error) {
      this.fail(running, error);
      return performance.now();
    }
    if (isStream) {
      this.#host.register(running);
      const stream = new RunningStream(running);
      running.stream = stream;
      if (running.cancelled) stream.cancel();
      stream.run(value).then(
        (count) => this.#finishStream(running, count),
        (error: unknown) => this.fail(running, error),
      );
      return performance.now();
    }
    if (isThenable(value)) {
      this.#host.register(running);
      value.then(
        (resolved) => this.#finish(running, resolved),
        (error: unknown) => this.fail(running, error),
      );
      return performance.now();
    }
    return this.#finish(running, value);
  }

  /** Like `call`, for arguments or a function that must be read first. */
  async callLater(running: RunningTask, isStream: boolean, pending: Promise<unknown[]>): Promise<void> {
    let args: unknown[];
    try {
      args = await pending;
      if (running.definition.loading !== null) await running.definition.loading;
    } catch (error) {
      this.#host.begins(running);
      this.fail(running, error);
      return;
    }
    this.#host.begins(running);
    if (running.cancelled) {
      this.fail(running, cancelled(running.definition.name));
      return;
    }
    running.startedMs = performance.now();
    this.call(running, isStream, args);
  }

  fail(running: RunningTask, error: unknown): void {
    const durationUs = (performance.now() - running.startedMs) * 1000;
    writeError(running, durationUs, error);
    this.#host.ended(running, durationUs);
  }

  /** Returns the time (ms) when it was done. */
  #finish(running: RunningTask, value: unknown): number {
    const now = performance.now();
    const durationUs = (now - running.startedMs) * 1000;
    try {
      if (running.definition.numReturns === 1) writeOne(running, durationUs, value);
      else writeSeveral(this.#codec, running, durationUs, value);
    } catch (error) {
      this.fail(running, error);
      return now;
    }
    this.#host.ended(running, durationUs);
    return now;
  }

  #finishStream(running: RunningTask, count: number): void {
    const durationUs = (performance.now() - running.startedMs) * 1000;
    writeEnd(running, durationUs, count);
    this.#host.ended(running, durationUs);
  }
}
