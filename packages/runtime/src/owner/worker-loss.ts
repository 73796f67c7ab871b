/**
 * What becomes of the tasks of a worker that ended: finished results are read from the shared page, what had not begun
 * or only waited in `get` is requeued free of charge, the task to blame runs again while its retries last.
 */
import { claim, IonoError, nodeId, nodeOf } from "@iono/core";
import { cancelEnded } from "./cancel.ts";
import { Failure } from "./failure.ts";
import { isSettled } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

/**
 * A task that never gets to its end because its workers keep ending is given up after so many of them. One that waited
 * counts for more: what ended the worker may be a child of its own, which runs in the same process.
 */
const mostBystanderLosses = 20;
const blockedLossWeight = 5;

interface Requeues {
  requeue(tasks: readonly Task[]): void;
}

export function workerLost(owner: Owner, pool: Requeues, sender: Sender, reason: Promise<string>): void {
  const unwritten = sender.unwrittenResults();
  if (unwritten !== null) owner.results.read(sender, unwritten, 0, unwritten.length);
  sender.far?.lost();
  const again: Task[] = [];
  const failed: Task[] = [];
  for (const task of sender.tasks) {
    if (task === null) continue;
    const state = sender.claimOf(task);
    sender.settle(task);
    if (task.cancelled) {
      cancelEnded(owner, task, "worker lost");
      continue;
    }
    if (state === claim.queued) task.bystanderLosses++;
    else if (state === claim.blocked) task.bystanderLosses += blockedLossWeight;
    const blameless =
      (state === claim.queued || state === claim.blocked) && task.bystanderLosses < mostBystanderLosses;
    if (!blameless && (task.retriesLeft <= 0 || task.bystanderLosses >= mostBystanderLosses)) {
      failed.push(task);
      continue;
    }
    if (!blameless) task.retriesLeft--;
    if (state !== claim.queued) task.attempt++;
    again.push(task);
  }
  sender.dispose();
  pool.requeue(again.sort((a, b) => a.wire - b.wire));
  if (failed.length > 0) {
    void reason.then((text) => {
      for (const task of failed) {
        if (isSettled(task.ref)) continue;
        const { name } = task.definition.options;
        const error = new IonoError(
          "WorkerDied",
          `the worker that ran ${name} ended (${text}) in attempt ${task.attempt}`,
        );
        error.remote = {
          task: name,
          node: nodeId(nodeOf(sender.worker)),
          pid: sender.pid,
          attempt: task.attempt,
          stack: "",
        };
        owner.fail(task, new Failure(null, error));
      }
    });
  }
  owner.settledSome();
}
