/**
 * The owner: the part of a driver or worker that submits work and owns what it creates.
 *
 * Hot path (architecture §4): `submit` encodes the arguments into a slab, takes a slot in the ring of pending tasks and
 * returns a ref: no promise, no await, no I/O beyond the batch under way. Results come back in frames; small ones are
 * written into the ref.
 */
import { IonoError, payloadForms, taskFlags, type RemoteOrigin, type StoreLocation } from "@iono/core";
import type { CaptureContext } from "../capture/index.ts";
import type { Link } from "../links/link.ts";
import { StoreHandle, type StoreClient } from "../objects/index.ts";
import { allocate } from "../values/fast-buffer.ts";
import { encodeComposite, releaseArguments, resolveArguments } from "./arguments.ts";
import { BriefPolling } from "./brief-polling.ts";
import { Borrows } from "./borrows.ts";
import { cancelledError, cancelTask, cancelUnsent, startTimeout } from "./cancel.ts";
import { Codec } from "./codec.ts";
import { Debts } from "./debts.ts";
import type { Definition } from "./definition.ts";
import { Failure, toError } from "./failure.ts";
import { Functions } from "./functions.ts";
import type { WaitingGet } from "./get.ts";
import { isImmediate } from "./immediate.ts";
import { InlineBudget } from "./inline-budget.ts";
import { isSettled, Ref, refState, setReleaseHook, settle, type Identity } from "./object-ref.ts";
import type { Payload } from "./payload.ts";
import { PendingTable } from "./pending-table.ts";
import { encodePlain } from "./plain-arguments.ts";
import { fillPut, fillPutAsync } from "./puts.ts";
import { Received, References } from "./references.ts";
import { Results } from "./results.ts";
import type { Sender } from "./sender.ts";
import { RefStream, StreamState } from "./stream.ts";
import { Task, type Destination } from "./task.ts";
import { nodeIdOf, thisNodeId } from "../member/this-node.ts";

/** Links to other processes of this node, by process number. */
export interface Peers {
  reach(processNumber: number): Promise<Link>;
}

/** What the owner needs of its process. */
export interface OwnerSurroundings {
  readonly identity: Identity;
  readonly capture: CaptureContext;
  readonly peers: Peers;
  /** Opened at first use; null when this process has no store. */
  readonly store: StoreClient | null;
  /** The running task that submits (a worker's), so that children are cancelled with their parent. */
  currentTask(): TaskContext | null;
  /**
   * The running task of this process begins to wait for refs; call the result when it no longer does. `interrupt` is
   * called when the task is cancelled meanwhile.
   */
  waiting(interrupt: (reason: Error) => void): (() => void) | null;
  /** Something is owed, or nothing any more: keeps the event loop alive. */
  owed(isOwed: boolean): void;
  /** Asks the agent to end a worker whose task did not heed its cancellation. */
  replaceWorker(worker: number, reason: string): void;
}

/** The children of a running task. */
export interface TaskContext {
  /** It was cancelled together with its children: so is what it submits from now on. */
  readonly cancelsChildren: boolean;
  children: Set<Task> | null;
}

export class Owner {
  readonly identity: Identity;
  readonly surroundings: OwnerSurroundings;
  readonly peers: Peers;
  readonly table = new PendingTable();
  readonly references: References;
  readonly borrows: Borrows;
  /** How this process waits for what comes soon. */
  readonly polling = new BriefPolling();
  readonly codec: Codec;
  readonly functions: Functions;
  readonly inline = new InlineBudget();
  readonly results = new Results(this);
  /** Senders with entries in an unfinished batch. */
  #dirty: Sender[] = [];
  #flushArmed = false;
  readonly #flushSoon = (): void => {
    this.#flushArmed = false;
    this.flush();
  };
  #closed: IonoError | null = null;
  /** Warns of gets that wait very long; drivers have one. */
  overdue: { watch(wait: WaitingGet): void } | null = null;
  /** Called every few milliseconds while tasks are pending, and as long as one of them answers true. */
  readonly tickers = new Set<() => boolean>();
  readonly #debts: Debts;

  constructor(surroundings: OwnerSurroundings) {
    this.surroundings = surroundings;
    this.identity = surroundings.identity;
    this.peers = surroundings.peers;
    this.#debts = new Debts(surroundings, this.table, this.tickers);
    this.references = new References(this);
    this.borrows = new Borrows(this);
    this.codec = new Codec(this, surroundings.capture);
    this.functions = new Functions(this.codec);
    setReleaseHook((ref) => this.release(ref));
  }

  get hasStore(): boolean {
    return this.surroundings.store !== null;
  }

  get store(): StoreClient {
    const { store } = this.surroundings;
    if (store === null) throw new IonoError("NotInitialized", "this process has no object store");
    return store;
  }

  // submitting

  /** Submits one call. Returns a ref, the list of refs when the definition returns several, or a stream. */
  submit(
    definition: Definition,
    destination: Destination,
    args: readonly unknown[],
  ): Ref | Ref[] | RefStream | undefined {
    if (this.#closed !== null) throw this.#closed;
    const { numReturns } = definition.options;
    const sequence = this.table.allocate(numReturns > 1 ? numReturns : 1);
    const ref = new Ref(this.identity, sequence);
    const { slab } = this.codec;
    if (slab.position > slabBytes) this.#nextSlab();
    const at = slab.position;
    const task = encodePlain(this, args)
      ? new Task(sequence, ref, definition, destination, slab.buffer, at, slab.position - at, args.length)
      : encodeComposite(this, sequence, ref, definition, destination, args);
    const context = this.surroundings.currentTask();
    if (context !== null) {
      task.parent = context;
      (context.children ??= new Set()).add(task);
    }
    if (this.table.size === 0) this.#debts.begin();
    this.table.add(sequence, task);
    const result = definition.generator || numReturns !== 1 ? this.#manyResults(task, sequence) : ref;
    if (definition.options.timeoutMs > 0) startTimeout(this, task);
    if (context !== null && context.cancelsChildren) cancelUnsent(this, task);
    else task.destination.enqueue(task);
    return result;
  }

  /** A ref among the arguments has its outcome. */
  dependencySettled(task: Task, ref: Ref): void {
    task.unsettled--;
    if (ref.state === refState.error || ref.state === refState.freed) task.failedDependency ??= ref;
    if (task.unsettled > 0 || isSettled(task.ref)) return;
    resolveArguments(this, task);
    task.destination.ready(task);
  }

  #manyResults(task: Task, sequence: number): Ref[] | RefStream | undefined {
    const { definition } = task;
    if (definition.generator) {
      task.flags |= taskFlags.stream;
      task.stream = new StreamState(this, task);
      return new RefStream(task.stream);
    }
    const refs: Ref[] = [];
    for (let i = 0; i < definition.options.numReturns; i++) {
      refs.push(i === 0 ? task.ref : new Ref(this.identity, sequence + i));
    }
    task.refs = refs;
    return refs.length === 0 ? undefined : refs;
  }

  #nextSlab(): void {
    this.codec.slab.useBuffer(allocate(slabBytes + 4096));
  }

  /** Entries of `sender` wait in its batch: written when the pipe is empty, or with the next flush. */
  appended(sender: Sender): void {
    if (sender.outstanding - sender.blocked === 1) sender.flush();
    else {
      if (!this.#dirty.includes(sender)) this.#dirty.push(sender);
      if (!this.#flushArmed) {
        this.#flushArmed = true;
        setImmediate(this.#flushSoon);
      }
    }
  }

  flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const sender of dirty) sender.flush();
  }

  // putting

  put(value: unknown): Ref {
    if (this.#closed !== null) throw this.#closed;
    const ref = new Ref(this.identity, this.table.allocate());
    fillPut(this, ref, value);
    return ref;
  }

  /** As `put`; waits without blocking while the store is full. */
  async putAsync(value: unknown): Promise<Ref> {
    if (this.#closed !== null) throw this.#closed;
    const ref = new Ref(this.identity, this.table.allocate());
    await fillPutAsync(this, ref, value);
    return ref;
  }

  // settling

  /** A small value that is too much for this process's memory. */
  settleInStore(ref: Ref, bytes: Uint8Array): void {
    const location = this.store.write({ bytes, parts: [] }, this.identity.processNumber);
    const received = new Received({ form: 2, location, references: [] }, none, this.store.adopt(location));
    ref.keep = received;
    settle(ref, refState.payload, received);
  }

  /** Lets go of what a payload that arrived, and that nobody wants, holds in the store for this process. */
  discard(payload: Payload): void {
    if (payload.form === payloadForms.stored) this.store.adopt(payload.location).release();
  }

  /** Settles a ref with a payload that arrived. `pinned`: its block was pinned for this process by the sender. */
  settleWith(ref: Ref, payload: Payload, failed: boolean, pinned: boolean): void {
    if (ref.state !== refState.pending) {
      if (pinned) this.discard(payload);
      return;
    }
    let received: Received;
    try {
      received = this.references.receive(payload, pinned);
    } catch (error) {
      settle(ref, refState.error, new Failure(null, toError(error)));
      return;
    }
    if (failed) settle(ref, refState.error, new Failure(received, null));
    else if (payload.form !== 0) {
      ref.keep = received;
      settle(ref, refState.payload, received);
    } else if (isImmediate(payload.bytes[0])) {
      settle(ref, refState.immediate, this.codec.decodePlain(payload.bytes, 0, payload.bytes.length));
    } else settle(ref, refState.bytes, payload.bytes);
  }

  /** The task is over: its arguments are let go. */
  finish(task: Task): void {
    if (!this.table.remove(task)) return;
    if (task.held !== null) releaseArguments(task);
    task.destination.finished(task);
    if (task.timer !== null) clearTimeout(task.timer);
    if (task.parent !== null) (task.parent as TaskContext).children?.delete(task);
  }

  /** Ends a task with an error: all its refs are settled with it. */
  fail(task: Task, failure: Failure): void {
    this.finish(task);
    if (task.stream !== null) task.stream.fail(failure);
    else if (task.refs !== null) for (const ref of task.refs) settle(ref, refState.error, failure);
    settle(task.ref, refState.error, failure);
    this.settledSome();
  }

  /** Tasks are over: maybe nothing is owed any more. */
  settledSome(): void {
    if (this.table.size === 0) this.#debts.end();
  }

  /** A dependency failed: the task fails with it, without running. */
  failDependency(task: Task): void {
    const ref = task.failedDependency;
    if (ref !== null && ref.value instanceof Failure) {
      this.fail(task, ref.value.through(task.definition.options.name));
      return;
    }
    const error = new IonoError("ObjectFreed", `an argument of ${task.definition.options.name} was released`);
    error.remote = this.origin(task, error.stack ?? "");
    this.fail(task, new Failure(null, error));
  }

  // reading

  /** The payload of a settled ref, as it travels. */
  payloadOf(ref: Ref): Payload {
    switch (ref.state) {
      case refState.immediate:
        return this.codec.encode(ref.value, []).payload;
      case refState.bytes:
        return { form: 0, bytes: ref.value as Uint8Array };
      case refState.payload:
        return (ref.value = this.references.current(ref.value as Received)).payload;
      case refState.error:
        return (ref.value as Failure).payload(this.codec);
      default:
        throw new IonoError("ObjectFreed", `${ref.id} was released`);
    }
  }

  /** Moves the small value of a settled ref to the store; returns its payload from now on. */
  moveToStore(ref: Ref): Payload {
    const payload = this.payloadOf(ref);
    if (payload.form === payloadForms.stored) return payload;
    const objects = ref.value instanceof Received ? ref.value.objects : none;
    const outgoing = this.codec.toStore(payload);
    ref.state = refState.payload;
    ref.value = new Received(outgoing.payload, objects, null);
    ref.keep = [...objects, ...outgoing.holds];
    return outgoing.payload;
  }

  /** Takes values from everyone who has them, as far as they are in the store. Nobody reads them after it has returned. */
  free(refs: readonly Ref[]): void {
    let last: StoreLocation | null = null;
    for (const ref of refs) {
      if (ref.state === refState.payload) {
        const { payload } = ref.value as Received;
        if (payload.form === payloadForms.stored) this.store.free((last = payload.location));
      }
      this.release(ref);
    }
    // Frees have no reply; an answer to what is asked after them says that they are done.
    if (last !== null) this.store.whereIs(last);
  }

  /** Lets go of a ref's value at once. */
  release(ref: Ref): void {
    if (ref.state === refState.pending) {
      // The task goes on; whoever waits for its value is told, and the value is let go when it comes.
      ref.keep = null;
      settle(ref, refState.freed, undefined);
      return;
    }
    const { value, keep } = ref;
    ref.state = refState.freed;
    ref.value = undefined;
    // What contains it, here or elsewhere, needs the block still: it goes with the last of them.
    if (this.references.hasLeft(ref)) {
      ref.keep ??= value instanceof Received ? value : null;
      return;
    }
    ref.keep = null;
    if (Array.isArray(keep)) for (const each of keep) if (each instanceof StoreHandle) each.release();
    if (value instanceof Received) value.handle?.release();
  }

  // waiting

  /**
   * Somebody begins to wait for `items`; call the result when they no longer do. Refs of other processes keep the event
   * loop alive meanwhile, as pending tasks of this one do anyway.
   */
  waiting(items: readonly object[], interrupt: (reason: Error) => void): (() => void) | null {
    const resumed = this.surroundings.waiting(interrupt);
    const isForeign = (item: object): boolean =>
      item instanceof Ref && item.state === refState.pending && item.home !== this.identity;
    if (!items.some(isForeign)) return resumed;
    this.surroundings.owed(true);
    let over = false;
    return () => {
      resumed?.();
      if (!over) this.surroundings.owed(false);
      over = true;
    };
  }

  cancelTask(task: Task): void {
    cancelTask(this, task, cancelledError(task), { force: false, recursive: true });
  }

  /** Ends the owner: everything pending fails with `reason`, further calls throw it. */
  close(reason: IonoError): void {
    this.#closed = reason;
    for (const task of [...this.table]) this.fail(task, new Failure(null, reason));
  }

  origin(task: Task, stack: string): RemoteOrigin {
    return {
      task: task.definition.options.name,
      node: task.sender === null ? thisNodeId() : nodeIdOf(task.sender.worker),
      pid: task.sender?.pid ?? 0,
      attempt: task.attempt,
      stack,
    };
  }
}

const slabBytes = 60 * 1024;
const none: readonly object[] = [];
