/**
 * The owner's end of a link to an executor (a worker, or an actor): batches of entries out, batches of results in.
 * Credit is time: a worker holds about 5 ms of work by its function's running mean, so that a long task never has
 * company waiting behind it. The shared page says what became of each entry, also after a crash and while the
 * worker's thread is busy.
 */
import {
  claim,
  frameHeaderBytes,
  frameKinds,
  limits,
  linkPage,
  noClaimSlot,
  taskEntryHeaderBytes,
  wholeResult,
  writeFrameHeader,
  type FrameKind,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import type { SharedPage } from "../platform/platform.ts";
import type { Definition } from "./definition.ts";
import type { FarSide } from "./far-side.ts";
import { packMessage } from "./payload.ts";
import type { PendingTable } from "./pending-table.ts";
import type { Task } from "./task.ts";

const batchBytes = limits.batchBytes.value;
const batchEntries = limits.batchEntries.value;
/** Buffers below this size come from Node's pool. */
const pooledBytes = 2048;
const windowUs = limits.workerWindow.value * 1000;

export class Sender {
  /** Process number of the executor. */
  readonly worker: number;
  readonly pid: number;
  readonly link: Link;
  readonly page: SharedPage | null;
  readonly #claims: Int32Array | null;
  readonly words: Int32Array | null;
  /** Task by claim slot. */
  readonly tasks: Array<Task | null> = new Array<Task | null>(linkPage.claims).fill(null);
  readonly #freeSlots: number[] = [];
  /** Slots taken back that the executor has not passed yet. */
  readonly #limbo: number[] = [];
  /** Entries sent and not answered, and how many of them wait in `get`. */
  outstanding = 0;
  blocked = 0;
  /** Time the outstanding entries are thought to need. */
  queuedUs = 0;
  /** When the last frame came from the executor (ms, monotonic). */
  lastHeardMs = 0;
  /** Number of the lease under which work goes there; 0 for an actor or this process. */
  lease = 0;
  /** No further work goes here: recalled, or dying. */
  closing = false;
  readonly #defined: boolean[] = [];
  #frame: Buffer = Buffer.allocUnsafe(batchBytes);
  #view: DataView = viewOf(this.#frame);
  #at: number = frameHeaderBytes;
  #entries = 0;

  /** For an executor on another node. */
  readonly far: FarSide | null;
  readonly #windowUs: number;

  constructor(worker: number, pid: number, link: Link, page: SharedPage | null, far: FarSide | null = null) {
    this.far = far;
    // What is on its way counts too.
    this.#windowUs = windowUs + (far === null ? 0 : far.roundTripMs * 1000);
    this.worker = worker;
    this.pid = pid;
    this.link = link;
    this.page = page;
    this.words = page === null ? null : new Int32Array(page.memory, 0, linkPage.claimsAt / 4);
    this.#claims =
      page === null ? (far?.claims ?? null) : new Int32Array(page.memory, linkPage.claimsAt, linkPage.claims);
    for (let slot = linkPage.claims - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
  }

  /** Set by who uses the sender: called after results or a change of what waits. */
  onProgress: () => void = () => {};

  /** A task of this sender begins or ends to wait in `get`: its turn is free for others meanwhile. */
  setBlocked(wire: number, isBlocked: boolean, table: PendingTable): void {
    const task = table.find(wire);
    if (task === undefined || task.sender !== this || task.blocked === isBlocked) return;
    task.blocked = isBlocked;
    this.blocked += isBlocked ? 1 : -1;
  }

  get idle(): boolean {
    return this.outstanding === this.blocked;
  }

  /** Whether a task of this kind may be sent now. */
  accepts(definition: Definition): boolean {
    if (this.closing) return false;
    if (this.outstanding === this.blocked) return this.#freeSlots.length > 0 || this.#reclaim();
    const mean = definition.meanUs;
    // The worker of a task with `maxCalls` ends after it: nothing is to wait behind it.
    if (mean < 0 || this.queuedUs + mean > this.#windowUs || definition.options.maxCalls > 0) return false;
    return this.#freeSlots.length > 0 || this.#reclaim();
  }

  hasRoom(): boolean {
    return !this.closing && (this.#freeSlots.length > 0 || this.#reclaim());
  }

  /**
   * Adds a task to the batch under way. For tasks the caller made sure of `accepts` or `hasRoom`. Calls of an actor
   * beyond the claim ring go without a slot: they cannot be taken back, and count as begun when the actor dies.
   */
  append(task: Task): void {
    const definition = task.definition;
    if (this.#defined[definition.number] !== true) this.#define(definition);
    const need = taskEntryHeaderBytes + task.length;
    if (this.#at + need > this.#frame.length) {
      this.flush();
      if (frameHeaderBytes + need > this.#frame.length) this.#start(frameHeaderBytes + need);
    }
    const slot = this.#takeSlot();
    if (slot !== noClaimSlot) {
      if (this.#claims !== null) Atomics.store(this.#claims, slot, claim.queued);
      this.tasks[slot] = task;
    }
    task.sender = this;
    task.index = slot;
    const estimate = definition.meanUs > 0 ? definition.meanUs : 0;
    task.estimateUs = estimate;
    this.queuedUs += estimate;
    // Silence counts from here on.
    if (this.outstanding === 0) this.lastHeardMs = performance.now();
    this.outstanding++;

    const view = this.#view;
    const at = this.#at;
    view.setUint32(at, task.wire, true);
    view.setUint32(at + 4, definition.number, true);
    view.setUint16(at + 8, task.flags | ((task.attempt & 0xff) << 8), true);
    view.setUint16(at + 10, slot, true);
    view.setUint32(at + 12, task.length, true);
    copy(task.bytes, task.at, this.#frame, at + taskEntryHeaderBytes, task.length);
    this.#at = at + need;
    if (++this.#entries >= batchEntries) this.flush();
  }

  flush(): void {
    if (this.#entries === 0) return;
    writeFrameHeader(this.#view, 0, frameKinds.tasks, this.#at - frameHeaderBytes);
    if (this.#at > pooledBytes) {
      this.link.sendFrame(this.#frame.subarray(0, this.#at));
      this.#start(batchBytes);
      return;
    }
    // A small batch goes out as a copy from Node's pool: a fresh large buffer each would feed the garbage collector.
    const copied = Buffer.allocUnsafe(this.#at);
    this.#frame.copy(copied, 0, 0, this.#at);
    this.link.sendFrame(copied);
    this.#at = frameHeaderBytes;
    this.#entries = 0;
  }

  /** The task was answered, or is given up: its slot is free again. */
  settle(task: Task): void {
    if (task.index !== noClaimSlot) this.tasks[task.index] = null;
    task.sender = null;
    this.outstanding--;
    if (task.blocked) {
      task.blocked = false;
      this.blocked--;
    }
    this.queuedUs -= task.estimateUs;
    if (this.queuedUs < 0 || this.outstanding === 0) this.queuedUs = 0;
    if (task.index !== noClaimSlot) this.#freeSlots.push(task.index);
  }

  /** Takes a task back that has not begun. False when it runs already (or nobody can tell). */
  takeBack(task: Task): boolean {
    this.flush();
    // On another node its agent is asked (far.askBack).
    if (this.#claims === null || this.far !== null || task.index === noClaimSlot) return false;
    if (Atomics.compareExchange(this.#claims, task.index, claim.queued, claim.taken) !== claim.queued)
      return false;
    this.#takenBack(task);
    return true;
  }

  /** The agent of another node has taken the entry in this slot back. */
  takenBack(slot: number): Task | null {
    const task = this.tasks[slot] ?? null;
    if (task !== null) {
      if (this.#claims !== null) this.#claims[slot] = claim.taken;
      this.#takenBack(task);
    }
    return task;
  }

  #takenBack(task: Task): void {
    this.#limbo.push(task.index);
    this.tasks[task.index] = null;
    task.sender = null;
    this.outstanding--;
    this.queuedUs = Math.max(0, this.queuedUs - task.estimateUs);
  }

  /** The consumer of a stream has taken `count` items. */
  consumed(wire: number, count: number): void {
    this.#sendPair(frameKinds.streamConsumed, wire, count);
  }

  acknowledgeItem(wire: number, index: number): void {
    this.#sendPair(frameKinds.resultReceived, wire, index);
  }

  /** Asks the executor to abort a task that runs. */
  cancel(wire: number, attempt: number, recursive: boolean): void {
    this.flush();
    this.#sendPair(frameKinds.cancel, wire, ((attempt & 0xff) << 8) | (recursive ? 1 : 0));
  }

  /** Nobody here can call the function any more. */
  forget(number: number): void {
    if (this.#defined[number] !== true) return;
    this.#defined[number] = false;
    this.#sendPair(frameKinds.dropFunction, number, 0);
  }

  #sendPair(kind: FrameKind, first: number, second: number): void {
    if (this.link.closed) return;
    const payload = Buffer.allocUnsafe(8);
    payload.writeUInt32LE(first, 0);
    payload.writeUInt32LE(second, 4);
    this.link.send("control", kind, payload);
  }

  /** What the task's result holds is held here now: the executor may let go. */
  acknowledge(wire: number): void {
    this.#sendPair(frameKinds.resultReceived, wire, wholeResult);
  }

  claimOf(task: Task): number {
    return this.#claims === null || task.index === noClaimSlot
      ? claim.running
      : Atomics.load(this.#claims, task.index);
  }

  /** Result entries that the executor has finished and, being busy, not written yet; null when there are none. */
  unwrittenResults(): Buffer | null {
    const words = this.words;
    if (words === null || this.page === null) return null;
    const epoch = Atomics.load(words, linkPage.wordResultEpoch);
    const bytes = Atomics.load(words, linkPage.wordResultBytes);
    if (bytes <= 0 || bytes > linkPage.resultsBytes || (epoch & 1) === 1) return null;
    const copied = Buffer.from(new Uint8Array(this.page.memory, linkPage.resultsAt, bytes));
    return Atomics.load(words, linkPage.wordResultEpoch) === epoch ? copied : null;
  }

  /** Ends the use of the shared page; the link is gone. */
  dispose(): void {
    this.closing = true;
    this.page?.close();
  }

  #define(definition: Definition): void {
    this.#defined[definition.number] = true;
    this.link.send(
      "control",
      frameKinds.defineFunction,
      packMessage({
        number: definition.number,
        key: definition.key,
        name: definition.options.name,
        method: definition.method,
        group: definition.group,
        generator: definition.generator,
        numReturns: definition.options.numReturns,
        backpressure: definition.options.backpressure,
        maxCalls: definition.options.maxCalls,
        resources: definition.options.resources,
        payload:
          definition.payload === null
            ? null
            : definition.owner.references.currentPayload(definition.payload, definition.holds),
        companions: definition.companions(),
      }),
    );
  }

  #start(bytes: number): void {
    this.#frame = Buffer.allocUnsafe(bytes);
    this.#view = viewOf(this.#frame);
    this.#at = frameHeaderBytes;
    this.#entries = 0;
  }

  #takeSlot(): number {
    if (this.#freeSlots.length === 0) this.#reclaim();
    return this.#freeSlots.pop() ?? noClaimSlot;
  }

  #reclaim(): boolean {
    const claims = this.#claims;
    if (claims === null) return false;
    for (let i = this.#limbo.length - 1; i >= 0; i--) {
      const slot = this.#limbo[i];
      if (Atomics.load(claims, slot) !== claim.free) continue;
      this.#limbo[i] = this.#limbo[this.#limbo.length - 1];
      this.#limbo.pop();
      this.#freeSlots.push(slot);
    }
    return this.#freeSlots.length > 0;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** A loop beats TypedArray.set for the few bytes of ordinary arguments. */
function copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  if (length > 64) to.set(from.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i];
}
