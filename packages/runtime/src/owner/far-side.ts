/**
 * What a sender to a worker of another node has instead of the shared page: the claims as last told, and questions to
 * the worker's agent, which holds the page.
 */
import { claim, frameKinds, linkPage } from "@iono/core";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

/** Silence of the worker after which its agent is asked; doubled while there is no news. */
const firstPatienceMs = 4;
const mostPatienceMs = 250;
const nothing = new Uint8Array(0);

export class FarSide {
  /** As last told. What was sent since is "queued". */
  readonly claims = new Int32Array(linkPage.claims);
  /** Round trip to the worker's node, as its agent told. */
  readonly roundTripMs: number;
  /** Tasks that were taken back go here. */
  onTaken: (tasks: Task[]) => void = () => {};
  /** The claims are those at the worker's end. */
  #isFinal = false;
  #sweptAtMs = 0;
  #patienceMs = firstPatienceMs;
  readonly #asked: (() => void)[] = [];

  constructor(roundTripMs = 0) {
    this.roundTripMs = roundTripMs;
  }

  /** A frame of the worker's agent; false when it is another's. */
  frame(sender: Sender, kind: number, chunk: Buffer, start: number, end: number): boolean {
    switch (kind) {
      case frameKinds.claims:
        this.#told(chunk, start, end);
        return true;
      case frameKinds.takenBack:
        this.#taken(sender, chunk, start, end);
        return true;
      case frameKinds.slotsFree:
        for (let at = start; at + 2 <= end; at += 2) this.claims[chunk.readUInt16LE(at)] = claim.free;
        return true;
      default:
        return false;
    }
  }

  /** Asks when the worker has been silent for long enough; `then` runs when the answer is there. */
  watch(sender: Sender, nowMs: number, then: () => void): void {
    if (sender.lastHeardMs > this.#sweptAtMs) this.#patienceMs = firstPatienceMs;
    const sinceMs = Math.max(sender.lastHeardMs, this.#sweptAtMs);
    if (this.#asked.length > 0 || nowMs - sinceMs < this.#patienceMs + this.roundTripMs) return;
    this.#patienceMs = Math.min(mostPatienceMs, this.#patienceMs * 2);
    this.sweep(sender, then);
  }

  /** Asks for unwritten results and for the claims; `then` runs when they are there. */
  sweep(sender: Sender, then: () => void): void {
    sender.flush();
    this.#sweptAtMs = performance.now();
    this.#asked.push(then);
    if (this.#asked.length === 1) sender.link.send("control", frameKinds.sweep, nothing);
  }

  /** Asks to have tasks back that have not begun. */
  askBack(sender: Sender, tasks: readonly Task[]): void {
    if (tasks.length === 0 || sender.link.closed) return;
    sender.flush();
    const payload = Buffer.allocUnsafe(tasks.length * 2);
    tasks.forEach((task, i) => payload.writeUInt16LE(task.index, i * 2));
    sender.link.send("control", frameKinds.takeBack, payload);
  }

  /** The link is gone. Without a last word of the agent nobody knows what had begun. */
  lost(): void {
    this.#asked.length = 0;
    if (this.#isFinal) return;
    for (let slot = 0; slot < this.claims.length; slot++)
      if (this.claims[slot] === claim.queued) this.claims[slot] = claim.running;
  }

  #told(chunk: Buffer, start: number, end: number): void {
    this.#isFinal = chunk[start] === 1;
    for (let at = start + 2; at + 4 <= end; at += 4)
      this.claims[chunk.readUInt16LE(at)] = chunk.readUInt16LE(at + 2);
    for (const then of this.#asked.splice(0)) then();
  }

  #taken(sender: Sender, chunk: Buffer, start: number, end: number): void {
    const back: Task[] = [];
    for (let at = start; at + 4 <= end; at += 4) {
      if (chunk.readUInt16LE(at + 2) === 0) continue;
      const task = sender.takenBack(chunk.readUInt16LE(at));
      if (task !== null) back.push(task);
    }
    if (back.length > 0) this.onTaken(back);
  }
}
