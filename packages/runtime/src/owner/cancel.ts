/**
 * Cancelling: the ref settles at once; what is queued is dropped; what runs is told (its signal aborts) and, when it has
 * not ended after its grace, its worker is replaced. Children go with their parent. Core's TaskCancellation decides.
 */
import {
  claim,
  frameKinds,
  IonoError,
  limits,
  TaskCancellation,
  type CancelClaim,
  type CancelEvent,
  type CancelInstruction,
} from "@iono/core";
import { Failure } from "./failure.ts";
import { refState, settle, type Ref } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { packMessage } from "./payload.ts";
import type { Task } from "./task.ts";

export interface CancelOptions {
  readonly force: boolean;
  readonly recursive: boolean;
}

/** @throws IonoError BadOption when an actor call is to be forced */
export function cancelRef(owner: Owner, ref: Ref, options: CancelOptions): void {
  if (ref.home !== owner.identity) {
    if (ref.state === refState.pending) askOwner(owner, ref, options);
    return;
  }
  const task = taskOf(owner, ref);
  if (task === undefined) return;
  if (options.force && task.definition.method !== null) {
    throw new IonoError(
      "BadOption",
      "cancel: force is not for actor calls; use kill(handle) to end the actor",
    );
  }
  cancelTask(owner, task, cancelledError(task), options);
}

/** A process that was given the ref asks. What it may not ask for is left out: nobody there would see an error. */
export function cancelForBorrower(
  owner: Owner,
  request: { readonly sequence: number } & CancelOptions,
): void {
  const ref = owner.references.escaped(request.sequence);
  const task = ref === undefined ? undefined : taskOf(owner, ref);
  if (task === undefined) return;
  const force = request.force === true && task.definition.method === null;
  cancelTask(owner, task, cancelledError(task), { force, recursive: request.recursive !== false });
}

export function cancelledError(task: Task): IonoError {
  return new IonoError("TaskCancelled", `${task.definition.options.name} was cancelled`);
}

/** The task's parent was cancelled, with its children, before it submitted this one. */
export function cancelUnsent(owner: Owner, task: Task): void {
  const error = cancelledError(task);
  error.remote = owner.origin(task, error.stack ?? "");
  owner.fail(task, new Failure(null, error));
}

/** Cancels the task when it takes longer than its definition allows. */
export function startTimeout(owner: Owner, task: Task): void {
  const { timeoutMs, name } = task.definition.options;
  task.timer = setTimeout(() => {
    const error = new IonoError("TaskTimeout", `${name} did not finish within ${timeoutMs} ms`);
    cancelTask(owner, task, error, { force: false, recursive: true });
  }, timeoutMs);
  task.timer.unref();
}

export function cancelTask(
  owner: Owner,
  task: Task,
  error: IonoError,
  { force, recursive }: CancelOptions,
): void {
  const place = owner.table.find(task.wire) !== task ? "done" : task.sender === null ? "here" : "sent";
  task.cancellation ??= new TaskCancellation();
  error.remote ??= owner.origin(task, error.stack ?? "");
  const { definition } = task;
  decide(owner, task, new Failure(null, error), {
    type: "cancel",
    place,
    force,
    recursive,
    isActorCall: definition.method !== null,
    graceMs: definition.options.cancelGraceMs,
  });
}

/** What became of a task that was cancelled while it was out: its answer came, or its worker is gone. */
export function cancelEnded(owner: Owner, task: Task, how: "answered" | "worker lost"): void {
  decide(owner, task, null, { type: how });
}

function decide(owner: Owner, task: Task, failure: Failure | null, event: CancelEvent): void {
  for (const instruction of task.cancellation?.handle(event) ?? [])
    carryOut(owner, task, failure, instruction);
}

function carryOut(owner: Owner, task: Task, failure: Failure | null, instruction: CancelInstruction): void {
  const { sender } = task;
  switch (instruction.type) {
    case "settle":
      if (failure !== null) settleAll(task, failure);
      break;
    case "withdraw":
      task.destination.withdraw(task);
      break;
    case "take back":
      decide(owner, task, failure, { type: "claimed", byOwner: sender?.takeBack(task) === true });
      break;
    case "tell executor":
      sender?.cancel(task.wire, task.attempt, instruction.recursive);
      break;
    case "await grace":
      setTimeout(() => graceOver(owner, task, failure), instruction.graceMs).unref();
      break;
    case "replace worker":
      if (sender !== null) {
        owner.surroundings.replaceWorker(
          sender.worker,
          `${task.definition.options.name} was cancelled and did not end in its grace`,
        );
      }
      break;
    case "finish":
      owner.finish(task);
      owner.settledSome();
      break;
  }
}

function graceOver(owner: Owner, task: Task, failure: Failure | null): void {
  const { sender } = task;
  const end = (): void => decide(owner, task, failure, { type: "grace over", claim: claimOf(task) });
  // What runs on another node is asked for there.
  if (sender === null || sender.far === null || sender.link.closed) end();
  else sender.far.sweep(sender, end);
}

function settleAll(task: Task, failure: Failure): void {
  task.stream?.fail(failure);
  for (const ref of task.refs ?? []) settle(ref, refState.error, failure);
  settle(task.ref, refState.error, failure);
}

function claimOf(task: Task): CancelClaim {
  switch (task.sender?.claimOf(task)) {
    case claim.queued:
      return "queued";
    case claim.running:
      return "running";
    case claim.blocked:
      return "blocked";
    case undefined:
    case claim.done:
    case claim.taken:
    case claim.free:
      return "done";
    default:
      return "unknown";
  }
}

function askOwner(owner: Owner, ref: Ref, options: CancelOptions): void {
  void owner.peers.reach(ref.home.processNumber).then(
    (link) => link.send("control", frameKinds.cancelRef, packMessage({ sequence: ref.sequence, ...options })),
    // Its process has ended: the ref fails with OwnerDied.
    () => {},
  );
}

const mostReturns = limits.numReturns.value;

/** The pending task of a ref; the refs of one task have consecutive sequences. */
function taskOf(owner: Owner, ref: Ref): Task | undefined {
  const direct = owner.table.find(ref.sequence >>> 0);
  if (direct !== undefined && direct.ref === ref) return direct;
  if (ref.state !== refState.pending) return undefined;
  for (let back = 1; back < mostReturns; back++) {
    const task = owner.table.find((ref.sequence - back) >>> 0);
    if (task === undefined) continue;
    return task.refs?.[back] === ref ? task : undefined;
  }
  return undefined;
}
