/**
 * What workers print, on its way to the driver. A flush is complete when every worker that has printed since the last
 * one has answered (its answer comes after its output, on the same link), or does not answer because it computes.
 */
import type { FromAgent } from "@iono/core";

interface OutputTo {
  /** Sends to a process, if it is there; answers with the bytes that wait for it now. */
  send(process: number, message: FromAgent): void;
  queuedBytes(process: number): number;
}

interface Flush {
  readonly waitsFor: Set<number>;
  readonly done: () => void;
}

/** A driver that computes for long does not read: what it has not read is kept up to this (I6). */
const mostQueuedBytes = 64 * 1024 * 1024;
const flushMs = 500;

export class WorkerOutput {
  readonly #to: OutputTo;
  readonly #driver: number;
  /** Workers that have printed since they were last flushed. */
  readonly #printed = new Set<number>();
  readonly #flushes = new Set<Flush>();
  #dropped = 0;

  constructor(driver: number, to: OutputTo) {
    this.#driver = driver;
    this.#to = to;
  }

  write(worker: number, stream: "stdout" | "stderr", label: string, pid: number, text: string): void {
    this.#printed.add(worker);
    if (this.#to.queuedBytes(this.#driver) > mostQueuedBytes) {
      this.#dropped += text.length;
      return;
    }
    if (this.#dropped > 0) {
      const said = `… ${this.#dropped} characters of output were dropped: the program did not read them\n`;
      this.#dropped = 0;
      this.#to.send(this.#driver, { t: "log", stream, label, pid, text: said });
    }
    this.#to.send(this.#driver, { t: "log", stream, label, pid, text });
  }

  /** Calls `done` when what was printed so far is on its way to the driver. */
  flush(done: () => void): void {
    const flush: Flush = { waitsFor: new Set(this.#printed), done };
    this.#printed.clear();
    // Output past the console comes through pipes: the loop turns before the workers are asked.
    setImmediate(() => {
      for (const worker of flush.waitsFor) this.#to.send(worker, { t: "flush" });
      this.#flushes.add(flush);
      setTimeout(() => this.#end(flush), flushMs);
      this.#endIfDone(flush);
    });
  }

  /** A worker has answered, or has ended. */
  flushed(worker: number): void {
    this.#printed.delete(worker);
    for (const flush of this.#flushes) {
      flush.waitsFor.delete(worker);
      this.#endIfDone(flush);
    }
  }

  #endIfDone(flush: Flush): void {
    if (flush.waitsFor.size === 0) this.#end(flush);
  }

  #end(flush: Flush): void {
    if (this.#flushes.delete(flush)) flush.done();
  }
}
