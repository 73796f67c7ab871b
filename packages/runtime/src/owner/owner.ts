/**
 * The owner: the part of a driver or worker that submits work and owns what it creates.
 *
 * Hot path (architecture §4): `submit` encodes the arguments into a slab, takes a slot in the ring of pending tasks and
 * returns a ref: no promise, no await, no I/O beyond the batch under way. Results come back in frames; small ones are
 * written into the ref.
 */
import {
  CannotTravelError,
  IonoError,
  limits,
  resultEntryHeaderBytes,
  resultStatus,
  payloadForms,
  shouldRetry,
  taskFlags,
  type RemoteOrigin,
  type RetryOn,
  type StoreLocation,
} from "@iono/core";
import type { CaptureContext } from "../capture/index.ts";
import { StoreHandle, type StoreClient } from "../objects/index.ts";
import { allocate } from "../values/fast-buffer.ts";
import { requiredModules, writeValue } from "../values/index.ts";
import { releaseArguments, resolveArguments } from "./arguments.ts";
import { isImmediate } from "./immediate.ts";
import { InlineBudget } from "./inline-budget.ts";
import { Borrows } from "./borrows.ts";
import { BoundedMap } from "./bounded-map.ts";
import { cancelEnded, cancelledError, cancelTask } from "./cancel.ts";
import { Codec } from "./codec.ts";
import type { Definition } from "./definition.ts";
import { Failure, toError } from "./failure.ts";
import type { WaitingGet } from "./get.ts";
import { addWaiter, isSettled, Ref, refState, setReleaseHook, settle, type Identity } from "./object-ref.ts";
import { unpackMessage, unpackPayload, type Payload } from "./payload.ts";
import { PendingTable } from "./pending-table.ts";
import { Received, References } from "./references.ts";
import type { Sender } from "./sender.ts";
import { RefStream, StreamState } from "./stream.ts";
import { Task, type Destination } from "./task.ts";
import type { Link } from "../links/link.ts";

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
  children: Set<Task> | null;
}

export class Owner {
  readonly identity: Identity;
  readonly surroundings: OwnerSurroundings;
  readonly peers: Peers;
  readonly table = new PendingTable();
  readonly references: References;
  readonly borrows: Borrows;
  readonly codec: Codec;
  readonly #inline = new InlineBudget();
  /** Senders with entries in an unfinished batch. */
  #dirty: Sender[] = [];
  #flushArmed = false;
  readonly #flushSoon = (): void => {
    this.#flushArmed = false;
    this.flush();
  };
  #closed: IonoError | null = null;
  readonly #putReferences: readonly object[] = none;
  /** Warns of gets that wait very long; drivers have one. */
  overdue: { watch(wait: WaitingGet): void } | null = null;
  /** Called every few milliseconds while tasks are pending, and as long as one of them answers true. */
  readonly tickers = new Set<() => boolean>();
  #ticking = false;

  constructor(surroundings: OwnerSurroundings) {
    this.surroundings = surroundings;
    this.identity = surroundings.identity;
    this.peers = surroundings.peers;
    this.references = new References(this);
    this.borrows = new Borrows(this);
    this.codec = new Codec(this, surroundings.capture);
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
  submit(definition: Definition, destination: Destination, args: readonly unknown[]): Ref | Ref[] | RefStream | undefined {
    if (this.#closed !== null) throw this.#closed;
    const { numReturns } = definition.options;
    const sequence = this.table.allocate(numReturns > 1 ? numReturns : 1);
    const ref = new Ref(this.identity, sequence);
    const { slab } = this.codec;
    if (slab.position > slabBytes) this.#nextSlab();
    const at = slab.position;
    const task = this.#encodeSimple(args)
      ? new Task(sequence, ref, definition, destination, slab.buffer, at, slab.position - at, args.length)
      : this.#encodeComposite(sequence, ref, definition, destination, args);
    const context = this.surroundings.currentTask();
    if (context !== null) {
      task.parent = context;
      (context.children ??= new Set()).add(task);
    }
    if (this.table.size === 0) this.#startOwing();
    this.table.add(sequence, task);
    const result = definition.generator || numReturns !== 1 ? this.#manyResults(task, sequence) : ref;
    if (definition.options.timeoutMs > 0) this.#startTimeout(task);
    destination.enqueue(task);
    return result;
  }

  /** Arguments without refs, handles, imports or large data: straight into the slab. False when they are not like that. */
  #encodeSimple(args: readonly unknown[]): boolean {
    const { slab, host } = this.codec;
    const at = slab.position;
    let i = 0;
    try {
      for (; i < args.length; i++) {
        const value = args[i];
        if (!(value instanceof Ref)) writeValue(slab, value, host);
        // A settled ref of a small value is as good as the value; others take the longer way.
        else if (value.state === refState.immediate) writeValue(slab, value.value, host);
        else if (value.state !== refState.bytes || requiredModules(value.value as Uint8Array).length > 0) break;
        else slab.raw(value.value as Uint8Array);
      }
    } catch (error) {
      slab.position = at;
      slab.parts.length = 0;
      slab.modules.length = 0;
      host.objects.length = 0;
      if (error instanceof CannotTravelError) throw atArgument(error, i);
      throw error;
    }
    const simple =
      i === args.length && slab.parts.length === 0 && slab.modules.length === 0 && host.objects.length === 0 &&
      slab.position - at <= limits.inlineValue.value &&
      !(this.#inline.exceededBy(slab.position - at) && this.hasStore);
    if (!simple) {
      slab.position = at;
      slab.parts.length = 0;
      slab.modules.length = 0;
      host.objects.length = 0;
    }
    return simple;
  }

  #encodeComposite(sequence: number, ref: Ref, definition: Definition, destination: Destination, args: readonly unknown[]): Task {
    const task = new Task(sequence, ref, definition, destination, nothing, 0, 0, args.length);
    task.flags |= taskFlags.composite;
    // Values are snapshotted now (I3); refs wait for their values.
    const toStore = this.#inline.exceededBy(0) && this.hasStore;
    const held = args.map((value, i) => (value instanceof Ref ? value : this.codec.encode(value, [`argument ${i}`], undefined, toStore)));
    task.held = held;
    for (const each of new Set(held)) {
      if (each instanceof Ref && each.state === refState.pending) {
        task.unsettled++;
        addWaiter(each, task);
      }
    }
    if (task.unsettled === 0) resolveArguments(this, task);
    return task;
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
    this.#fillPut(ref, value);
    return ref;
  }

  /** As `put`; waits without blocking while the store is full. */
  async putAsync(value: unknown): Promise<Ref> {
    if (this.#closed !== null) throw this.#closed;
    const ref = new Ref(this.identity, this.table.allocate());
    const large = await this.codec.encodeLarge(value);
    if (large === null) this.#fillPut(ref, value);
    else {
      ref.state = refState.payload;
      ref.value = new Received(large.payload, large.payload.form === 0 ? [] : large.objects, null);
      ref.keep = large.holds;
    }
    return ref;
  }

  #fillPut(ref: Ref, value: unknown): void {
    if (value === null || (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol")) {
      ref.state = refState.immediate;
      ref.value = value;
      return;
    }
    if (value instanceof Ref) throw new CannotTravelError([], "a ref is put already: pass it on as it is, or put [ref]");
    const { payload, holds } = this.codec.encode(value, []);
    if (payload.form === 0) {
      if (this.#inline.exceededBy(payload.bytes.length) && this.hasStore) {
        this.#settleInStore(ref, payload.bytes);
        return;
      }
      ref.state = refState.bytes;
      ref.value = payload.bytes;
      return;
    }
    ref.state = refState.payload;
    ref.value = new Received(payload, payload.references.length === 0 ? this.#putReferences : holds, null);
    ref.keep = holds;
  }

  // results

  /** A frame of result entries. */
  results(sender: Sender, chunk: Buffer, start: number, end: number): void {
    let at = start;
    while (at + resultEntryHeaderBytes <= end) {
      const wire = chunk.readUInt32LE(at);
      const status = chunk[at + 4];
      const form = chunk[at + 5];
      const length = chunk.readUInt32LE(at + 12);
      const from = at + resultEntryHeaderBytes;
      const task = this.table.find(wire);
      if (task !== undefined && task.sender === sender && chunk[at + 6] === (task.attempt & 0xff)) {
        this.#result(task, sender, status, form, chunk.readFloatLE(at + 8), chunk, from, from + length);
      } else if (form !== 0) this.#unwanted(sender, wire, status, form, chunk, from, from + length);
      at = from + length;
    }
    this.settledSome();
  }

  #result(task: Task, sender: Sender, status: number, form: number, durationUs: number, chunk: Buffer, start: number, end: number): void {
    if (status === resultStatus.item) {
      task.stream?.item(form, chunk, start, end, sender);
      return;
    }
    sender.settle(task);
    if (task.cancellation !== null) {
      this.#answeredCancelled(task, sender, status, form, chunk, start, end);
      return;
    }
    task.definition.measured(durationUs);
    if (status === resultStatus.value) {
      this.finish(task);
      if (task.refs !== null) this.#settleSeveral(task, chunk, start, end);
      else this.#settleValue(task.ref, form, chunk, start, end);
      if (form !== 0) this.#acknowledge(sender, task);
      return;
    }
    if (status === resultStatus.end) {
      this.finish(task);
      task.stream?.end(task.attempt, Number(this.codec.decodePlain(chunk, start, end)));
      return;
    }
    if (status === resultStatus.skipped) {
      this.finish(task);
      return;
    }
    const failure = new Failure(this.received(form, chunk, start, end, true), null);
    if (form !== 0) this.#acknowledge(sender, task);
    if (status === resultStatus.error && task.definition.options.retryOn !== null && task.retriesLeft > 0) {
      void this.#retryIfWanted(task, failure);
      return;
    }
    this.fail(task, failure);
  }

  #settleValue(ref: Ref, form: number, chunk: Buffer, start: number, end: number): void {
    if (form === 0) {
      if (ref.state !== refState.pending) return;
      if (isImmediate(chunk[start])) settle(ref, refState.immediate, this.codec.decodePlain(chunk, start, end));
      else if (this.#inline.exceededBy(end - start) && this.hasStore) this.#settleInStore(ref, chunk.subarray(start, end));
      else settle(ref, refState.bytes, Uint8Array.prototype.slice.call(chunk, start, end));
      return;
    }
    this.settleWith(ref, unpackPayload(form, chunk, start, end), false, true);
  }

  /** A small value that is too much for this process's memory. */
  #settleInStore(ref: Ref, bytes: Uint8Array): void {
    const location = this.store.write({ bytes, parts: [] }, this.identity.processNumber);
    const received = new Received({ form: 2, location, references: [] }, none, this.store.adopt(location));
    ref.keep = received;
    settle(ref, refState.payload, received);
  }

  #settleSeveral(task: Task, chunk: Buffer, start: number, end: number): void {
    const payloads = unpackMessage(chunk, start, end) as Payload[];
    if (payloads.length === 0) settle(task.ref, refState.immediate, undefined);
    task.refs?.forEach((ref, i) => this.settleWith(ref, payloads[i], false, true));
  }

  /** The refs of a cancelled task are settled: what its executor sent besides is let go. */
  #answeredCancelled(task: Task, sender: Sender, status: number, form: number, chunk: Buffer, start: number, end: number): void {
    if (status === resultStatus.value && task.refs !== null) {
      for (const payload of unpackMessage(chunk, start, end) as Payload[]) this.discard(payload);
      if (form !== 0) sender.acknowledge(task.wire);
    } else if (form !== 0) this.#unwanted(sender, task.wire, status, form, chunk, start, end);
    cancelEnded(this, task, "answered");
  }

  /** A result that nobody waits for any more: what it holds, here and at its executor, is let go. */
  #unwanted(sender: Sender, wire: number, status: number, form: number, chunk: Buffer, start: number, end: number): void {
    if (status === resultStatus.item) {
      this.discard(unpackPayload(form, chunk, start + 4, end));
      sender.acknowledgeItem(wire, chunk.readUInt32LE(start));
      return;
    }
    const message = unpackMessage(chunk, start, end) as Payload | Payload[];
    for (const payload of Array.isArray(message) ? message : [message]) this.discard(payload);
    sender.acknowledge(wire);
  }

  /** Lets go of what a payload that arrived, and that nobody wants, holds in the store for this process. */
  discard(payload: Payload): void {
    if (payload.form === payloadForms.stored) this.store.adopt(payload.location).release();
  }

  /** The function of a definition that arrived, decoded once in this process. */
  functionOf(key: string, received: Received | null): Promise<Function> {
    let known = this.#functions.get(key);
    if (known === undefined) {
      if (received === null) return Promise.reject(new IonoError("ObjectLost", `the code of function ${key} did not arrive`));
      known = this.codec.decode(received).then((fn) => {
        if (typeof fn !== "function") throw new IonoError("ObjectLost", `function ${key} arrived as ${typeof fn}`);
        return fn;
      });
      this.#functions.set(key, known);
    }
    return known;
  }

  /** The owner of a definition has dropped it. */
  forgetFunction(key: string): void {
    this.#functions.delete(key);
  }

  readonly #functions = new BoundedMap<string, Promise<Function>>(limits.knownFunctions.value);

  received(form: number, chunk: Buffer, start: number, end: number, pinned: boolean): Received {
    return this.references.receive(unpackPayload(form, chunk, start, end), pinned);
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

  /** Tells the executor that what its result holds is held here now. */
  #acknowledge(sender: Sender, task: Task): void {
    void this.borrows.confirmed().then(() => sender.acknowledge(task.wire));
  }

  async #retryIfWanted(task: Task, failure: Failure): Promise<void> {
    const { retryOn, retryDelayMs } = task.definition.options;
    let wanted: boolean;
    try {
      wanted = shouldRetry(retryOn as RetryOn, await failure.toError(this.codec));
    } catch {
      // An error that cannot be decoded is reported as it is, by `get`.
      wanted = false;
    }
    if (task.cancelled) return;
    if (!wanted) {
      this.fail(task, failure);
      return;
    }
    task.retriesLeft--;
    task.attempt++;
    if (retryDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, retryDelayMs));
    if (!isSettled(task.ref)) {
      task.destination.enqueue(task);
      this.flush();
    }
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

  settledSome(): void {
    if (this.#owing && this.table.size === 0) {
      this.#owing = false;
      this.surroundings.owed(false);
    }
  }

  #owing = false;

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
    const isForeign = (item: object): boolean => item instanceof Ref && item.state === refState.pending && item.home !== this.identity;
    if (!items.some(isForeign)) return resumed;
    this.surroundings.owed(true);
    let over = false;
    return () => {
      resumed?.();
      if (!over) this.surroundings.owed(false);
      over = true;
    };
  }

  #startOwing(): void {
    if (!this.#owing) {
      this.#owing = true;
      this.surroundings.owed(true);
    }
    this.startTicking();
  }

  startTicking(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setTimeout(this.#tick, tickMs).unref();
  }

  readonly #tick = (): void => {
    let goesOn = this.table.size > 0;
    for (const ticker of this.tickers) if (ticker()) goesOn = true;
    if (!goesOn) this.#ticking = false;
    else setTimeout(this.#tick, tickMs).unref();
  };

  #startTimeout(task: Task): void {
    const { timeoutMs, name } = task.definition.options;
    task.timer = setTimeout(() => {
      const error = new IonoError("TaskTimeout", `${name} did not finish within ${timeoutMs} ms`);
      cancelTask(this, task, error, { force: false, recursive: true });
    }, timeoutMs);
    task.timer.unref();
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
    return { task: task.definition.options.name, node: "local", pid: task.sender?.pid ?? 0, attempt: task.attempt, stack };
  }
}

const slabBytes = 60 * 1024;
const tickMs = 5;
const nothing = new Uint8Array(0);
const none: readonly object[] = [];

function atArgument(error: CannotTravelError, index: number): CannotTravelError {
  const first = error.path[0];
  if (first !== undefined && first.startsWith("argument ")) return error;
  const reason = error.message.slice(error.message.indexOf(": ") + 2);
  return new CannotTravelError([`argument ${index}`, ...error.path], error.path.length > 0 ? reason : error.message, { cause: error });
}

export { toError };
