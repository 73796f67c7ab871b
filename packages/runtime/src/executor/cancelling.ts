/** Ends of tasks that run here: cancelled by their owner, or left behind by it. */
import { IonoError, limits } from "@iono/core";
import type { Owner } from "../owner/owner.ts";
import type { ExecutorLink } from "./executor-link.ts";
import type { RunningTask } from "./task-context.ts";
import { cancelled } from "./user-code.ts";

/** The owner cancels a task; one that has not begun is remembered by its link. */
export function cancelOnLink(
  owner: Owner,
  link: ExecutorLink,
  wire: number,
  attempt: number,
  isRecursive: boolean,
): void {
  const running = link.running.get(wire);
  const isRunning = running !== undefined && running.attempt === attempt;
  for (const { type } of link.cancels.handle({ type: "cancel", wire, attempt, isRunning })) {
    if (type === "abort" && running !== undefined)
      abort(owner, running, cancelled(running.definition.name), isRecursive);
  }
}

/**
 * The owner of a link has ended: what runs for it is cancelled.
 * @param retire replaces this process when a task does not end in its grace: nobody else is left who would
 */
export function cancelOrphans(
  owner: Owner,
  link: ExecutorLink,
  retire: ((reason: string) => void) | null,
): void {
  const orphans = [...link.running.values()];
  for (const running of orphans)
    abort(owner, running, new IonoError("OwnerDied", "the owner of this task ended"), true);
  if (orphans.length === 0 || retire === null) return;
  setTimeout(() => {
    if (orphans.some((running) => !running.ended))
      retire("a task of an owner that had ended did not end in its grace");
  }, limits.cancelGrace.value).unref();
}

function abort(owner: Owner, running: RunningTask, reason: Error, isRecursive: boolean): void {
  if (isRecursive) {
    running.cancelsChildren = true;
    for (const child of [...(running.children ?? [])]) owner.cancelTask(child);
  }
  if (!running.cancelled) running.abort(reason);
}
