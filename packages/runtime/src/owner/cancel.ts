/**
 * Cancelling: the ref settles at once; what is queued is dropped; what runs is told (its signal aborts) and, when it has
 * not ended after its grace, its worker is replaced. Children go with their parent.
 */
import { claim, frameKinds, IonoError } from "@iono/core";
import { Failure } from "./failure.ts";
import { Ref, refState, settle } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { packMessage } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

export interface CancelOptions {
  readonly force: boolean;
  readonly recursive: boolean;
}

export function cancelRef(owner: Owner, ref: Ref, options: CancelOptions): void {
  if (ref.state !== refState.pending) return;
  if (ref.home !== owner.identity) {
    void owner.peers.reach(ref.home.processNumber).then(
      (link) => link.send("control", frameKinds.cancelRef, packMessage({ sequence: ref.sequence, ...options })),
      () => {},
    );
    return;
  }
  const task = taskOf(owner, ref);
  if (task === undefined) return;
  if (options.force && task.definition.method !== null) {
    throw new IonoError("BadOption", "cancel: force is not for actor calls; use kill(handle) to end the actor");
  }
  cancelTask(owner, task, new IonoError("TaskCancelled", `${task.definition.options.name} was cancelled`), options);
}

export function cancelTask(owner: Owner, task: Task, error: IonoError, options: CancelOptions): void {
  if (task.cancelled) return;
  task.cancelled = true;
  const { sender } = task;
  const failure = new Failure(null, error);
  if (sender === null) {
    task.destination.withdraw(task);
    owner.fail(task, failure);
    return;
  }
  const isActorCall = task.definition.method !== null;
  if (sender.takeBack(task)) {
    owner.fail(task, failure);
    return;
  }
  // It runs, or may: the entry stays in the table until the executor answers, so that its slot is accounted for.
  if (task.stream !== null) task.stream.fail(failure);
  const held = task.held;
  settleOnly(task, failure);
  task.held = held;
  sender.cancel(task.wire, options.recursive);
  if (isActorCall) return;
  const graceMs = options.force ? 0 : task.definition.options.cancelGraceMs;
  setTimeout(() => replaceIfStillRunning(owner, task, sender), graceMs).unref();
}

function replaceIfStillRunning(owner: Owner, task: Task, sender: Sender): void {
  if (task.sender !== sender || sender.tasks[task.index] !== task) return;
  const state = sender.claimOf(task);
  if (state === claim.queued || state === claim.done) return;
  owner.surroundings.replaceWorker(sender.worker, `${task.definition.options.name} was cancelled and did not end in its grace`);
}

function settleOnly(task: Task, failure: Failure): void {
  for (const ref of task.refs ?? [task.ref]) settle(ref, refState.error, failure);
}

function taskOf(owner: Owner, ref: Ref): Task | undefined {
  const direct = owner.table.find(ref.sequence >>> 0);
  if (direct !== undefined && direct.ref === ref) return direct;
  for (const task of owner.table) if (task.refs?.includes(ref) === true) return task;
  return undefined;
}
