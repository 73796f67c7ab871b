/**
 * Tasks that wait in `get`. Such a task gives up its turn; when all of a process wait, the agent may lend its CPU. A
 * waiting call of an actor keeps its place in its concurrency group.
 */
import { claim, frameKinds } from "@iono/core";
import type { RunningTask } from "./task-context.ts";

/** What waiting needs of the executor. */
export interface WaitingHost {
  readonly hostsActor: boolean;
  /** Tasks compute here, apart from those that wait. */
  readonly computes: boolean;
  flush(): void;
  /** A turn is free. */
  turnFreed(): void;
  /** All tasks of this process wait, or no longer do. */
  blocked(isBlocked: boolean): void;
}

export class WaitingTasks {
  readonly #host: WaitingHost;
  #count = 0;
  #saidBlocked = false;

  constructor(host: WaitingHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * The running task begins to wait; the result ends that.
   * @param interrupt called when the task is cancelled meanwhile
   */
  begin(running: RunningTask, interrupt: ((reason: Error) => void) | null): (() => void) | null {
    if (running.ended) return null;
    if (interrupt !== null) running.onAbort(interrupt);
    if (this.#host.hostsActor) return this.#beginInActor(running, interrupt);
    if (running.waits++ === 0) {
      running.group.running--;
      this.#count++;
      running.link.mark(running.slot, claim.blocked);
      tellOwner(running, frameKinds.blocked);
      this.#host.turnFreed();
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (interrupt !== null) running.offAbort(interrupt);
      if (running.ended || --running.waits > 0) return;
      this.#count--;
      this.#tellUnblocked();
      running.group.running++;
      running.link.mark(running.slot, claim.running);
      tellOwner(running, frameKinds.unblocked);
    };
  }

  #beginInActor(running: RunningTask, interrupt: ((reason: Error) => void) | null): () => void {
    this.#host.flush();
    this.#count++;
    if (!this.#saidBlocked) this.tellBlocked();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (interrupt !== null) running.offAbort(interrupt);
      if (--this.#count === 0) this.#tellUnblocked();
    };
  }

  /** It ended without awaiting some `get`: its turn was given up already. */
  endedWaiting(running: RunningTask): void {
    running.waits = 0;
    this.#count--;
    this.#tellUnblocked();
  }

  /** Nothing else can begin now: the agent is told, unless something computes. */
  tellBlocked(): void {
    if (this.#saidBlocked || (!this.#host.hostsActor && this.#host.computes)) return;
    this.#saidBlocked = true;
    this.#host.blocked(true);
  }

  #tellUnblocked(): void {
    if (!this.#saidBlocked) return;
    this.#saidBlocked = false;
    this.#host.blocked(false);
  }
}

function tellOwner(
  running: RunningTask,
  kind: typeof frameKinds.blocked | typeof frameKinds.unblocked,
): void {
  if (running.link.closed) return;
  running.link.flush();
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(running.wire, 0);
  running.link.link.send("control", kind, payload);
}
