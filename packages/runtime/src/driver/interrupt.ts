/** Ctrl-C. Once: nothing new begins, what runs may end within its grace, and the program exits. Twice: it exits now. */
import { claim, limits } from "@iono/core";
import type { Member } from "../member/member.ts";
import type { Task } from "../owner/task.ts";

/** 128 + SIGINT, as shells have it. */
export const interruptedExitCode = 130;
const lookMs = 20;

export class Interrupt {
  readonly #member: Member;
  readonly #flushLogs: () => Promise<void>;
  #count = 0;

  constructor(member: Member, flushLogs: () => Promise<void>) {
    this.#member = member;
    this.#flushLogs = flushLogs;
  }

  /** The signal has come. */
  heard(): void {
    if (++this.#count > 1) process.exit(interruptedExitCode);
    for (const pool of this.#member.leasePools.all()) pool.stopSending();
    const running = [...this.#member.owner.table].filter(hasBegun);
    const what =
      running.length === 0
        ? ""
        : `; waiting for ${running.length} running task${running.length === 1 ? "" : "s"} (Ctrl-C again: stop at once)`;
    process.stderr.write(`iono: interrupted${what}\n`);
    this.#drain(running, performance.now() + limits.cancelGrace.value);
  }

  #drain(running: readonly Task[], deadlineMs: number): void {
    const { table } = this.#member.owner;
    const left = running.filter((task) => table.find(task.wire) === task);
    if (left.length > 0 && performance.now() < deadlineMs) {
      setTimeout(() => this.#drain(left, deadlineMs), lookMs);
      return;
    }
    void this.#flushLogs().then(() => process.exit(interruptedExitCode));
  }
}

function hasBegun(task: Task): boolean {
  const state = task.sender?.claimOf(task);
  return state === claim.running || state === claim.blocked;
}
