/**
 * The workers an owner may send tasks of one resource shape to, and the tasks that wait for one.
 * The agent grants workers and recalls them; this pool asks by saying how many tasks wait.
 */
import { claim, noClaimSlot, nodeOf, type IonoError } from "@iono/core";
import { Deque } from "./deque.ts";
import type { Definition } from "./definition.ts";
import { Failure } from "./failure.ts";
import { isSettled } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import type { Sender } from "./sender.ts";
import type { Destination, Task } from "./task.ts";
import { workerLost } from "./worker-loss.ts";

/** What the pool needs of its process. */
export interface LeaseSurroundings {
  /** Tells the agent how many tasks of this shape want to run. */
  demand(pool: LeasePool, count: number): void;
  /** Returns a worker to the agent. */
  release(pool: LeasePool, worker: number, lease: number, isLost: boolean): void;
  /** Runs one task in this process, if it may (its own tasks all wait); null in drivers. */
  readonly loopback: Sender | null;
  /** The pool of the same shape near a node's data; absent where that makes no difference. */
  readonly near?: (node: number) => LeasePool;
  /** The node where its tasks had rather run; absent when it makes no difference. */
  readonly home?: number;
}

export class LeasePool implements Destination {
  readonly shape: string;
  /** The shape's resources, as the agent understands them. */
  readonly resources: object;
  readonly #owner: Owner;
  readonly #surroundings: LeaseSurroundings;
  readonly near: ((node: number) => LeasePool) | undefined;
  readonly senders: Sender[] = [];
  readonly queue = new Deque<Task>();
  /** The count last told to the agent. */
  #told = 0;
  #idleTicks = 0;
  #isStopped = false;
  /** Senders that made no progress since the last tick, with more than one entry. */
  readonly #stalled = new Set<Sender>();
  /** Senders that have answered nothing yet. */
  readonly #unproved = new Set<Sender>();

  constructor(owner: Owner, surroundings: LeaseSurroundings, shape: string, resources: object) {
    this.prepared = new Promise((resolve) => (this.#resolvePrepared = resolve));
    this.#owner = owner;
    this.#surroundings = surroundings;
    this.near = surroundings.near;
    this.shape = shape;
    this.resources = resources;
    owner.tickers.add(() => this.#tick());
  }

  ready(task: Task): void {
    if (!isSettled(task.ref)) this.enqueue(task);
  }

  enqueue(task: Task): void {
    if (task.unsettled > 0 || task.queued || task.sender !== null) return;
    if (task.failedDependency !== null) {
      this.#owner.failDependency(task);
      return;
    }
    if (this.queue.length === 0) {
      const sender = this.#pick(task.definition);
      if (sender !== null) {
        sender.append(task);
        this.#owner.appended(sender);
        return;
      }
    }
    task.queued = true;
    this.queue.push(task);
    this.#tell();
  }

  /** Puts back tasks that a worker did not begin, ahead of the others. */
  requeue(tasks: readonly Task[]): void {
    for (let i = tasks.length - 1; i >= 0; i--) {
      if (isSettled(tasks[i].ref)) continue;
      tasks[i].queued = true;
      this.queue.unshift(tasks[i]);
    }
    this.dispatch();
  }

  /** Asks for workers ahead of any task; `prepared` resolves when they are there. They stay until others need them. */
  prepare(count: number): void {
    this.#preparing = count;
    this.#idleTicks = Number.NEGATIVE_INFINITY;
    this.#demand(count);
  }

  readonly prepared: Promise<void>;
  #resolvePrepared: () => void = () => {};
  #preparing = 0;

  /** No worker is to be had: what waits for one fails. */
  failQueued(error: IonoError): void {
    for (let task = this.queue.shift(); task !== undefined; task = this.queue.shift()) {
      task.queued = false;
      if (!isSettled(task.ref)) this.#owner.fail(task, new Failure(null, error));
    }
  }

  finished(): void {}

  withdraw(task: Task): boolean {
    if (!task.queued) return false;
    task.queued = false;
    return this.queue.remove(task);
  }

  granted(sender: Sender): void {
    sender.closing = false;
    if (sender.far !== null) {
      sender.far.onTaken = (tasks) => {
        this.requeue(tasks.sort(bySequence));
        if (sender.closing) this.#releaseIfDone(sender);
        this.#owner.flush();
      };
    }
    this.senders.push(sender);
    this.#unproved.add(sender);
    this.dispatch();
    if (this.#preparing > 0 && this.senders.length >= this.#preparing) this.#endPreparing();
  }

  #endPreparing(): void {
    this.#preparing = 0;
    // Granted is not in use: what nobody needs is the cluster's again.
    if (this.queue.length + this.#outstanding() === 0) this.#demand(0);
    this.#resolvePrepared();
  }

  /** The agent wants a worker back: what it has not begun returns to the queue. */
  recalled(worker: number, lease: number): void {
    const sender = this.senders.find((each) => each.worker === worker && each.lease === lease);
    if (sender === undefined) return;
    sender.closing = true;
    // A lease serves one task at least: shapes that take turns all get on, however short their turns.
    const waiting = sender.tasks.filter((task): task is Task => task !== null).sort(bySequence);
    if (this.#unproved.delete(sender)) waiting.shift();
    if (sender.far !== null) sender.far.askBack(sender, waiting.filter(hasSlot));
    else this.requeue(waiting.filter((task) => sender.takeBack(task)));
    this.#releaseIfDone(sender);
    this.#tell();
  }

  /** The link to a worker ended. `reason` says how, when the agent has told. */
  lost(sender: Sender, reason: Promise<string>): void {
    const at = this.senders.indexOf(sender);
    if (at >= 0) this.senders.splice(at, 1);
    this.#forget(sender);
    this.#surroundings.release(this, sender.worker, sender.lease, true);
    workerLost(this.#owner, this, sender, reason);
    this.#tell();
  }

  /** Sends nothing further: what no worker has begun waits here. */
  stopSending(): void {
    this.#isStopped = true;
    for (const sender of this.senders) this.#takeBackFrom(sender);
  }

  /** Sends what can be sent. */
  dispatch(): void {
    const { queue } = this;
    for (let task = queue.peek(); task !== undefined; task = queue.peek()) {
      if (isSettled(task.ref)) {
        queue.shift();
        task.queued = false;
        continue;
      }
      const sender = this.#pick(task.definition);
      if (sender === null) break;
      queue.shift();
      task.queued = false;
      sender.append(task);
      this.#owner.appended(sender);
    }
    if (queue.length > 0) this.#tell();
  }

  /** Results came from a sender. */
  progressed(sender: Sender): void {
    this.#stalled.delete(sender);
    this.#unproved.delete(sender);
    if (this.queue.length > 0) this.dispatch();
    if (sender.closing) this.#releaseIfDone(sender);
  }

  /** The sender that takes a task of this kind now: the one with the least to do. */
  #pick(definition: Definition): Sender | null {
    if (this.#isStopped) return null;
    let best: Sender | null = null;
    let least = Infinity;
    for (const sender of this.senders) {
      let load = sender.outstanding - sender.blocked;
      if (load >= least || !sender.accepts(definition)) continue;
      if (this.#stalled.size > 0 && this.#stalled.has(sender)) {
        // It may be busy for somebody else: the last choice.
        if (load > 0 || best !== null) continue;
        load = 0.5;
      }
      best = sender;
      least = load;
      if (load === 0) break;
    }
    if (best !== null && least < 1) return best;
    const { loopback } = this.#surroundings;
    if (best === null && loopback !== null && loopback.idle && loopback.hasRoom()) return loopback;
    return best;
  }

  #tell(): void {
    const count = Math.min(this.queue.length + this.#outstanding(), 65_536);
    // Told in doublings; but never less than is waited for once the agent has granted all that it was told of.
    const isMet = this.#told <= this.senders.length && this.queue.length > 0;
    if (count > this.#told * 2 || (count > this.#told && (isMet || this.#told === 0))) this.#demand(count);
  }

  /** The workers there are do not suffice: one more would be of use. */
  #askForOneMore(): void {
    if (this.#told <= this.senders.length) this.#demand(this.senders.length + 1);
  }

  #demand(count: number): void {
    this.#told = count;
    this.#surroundings.demand(this, count);
  }

  #outstanding(): number {
    let total = 0;
    for (const sender of this.senders) total += sender.outstanding;
    return total;
  }

  #releaseIfDone(sender: Sender): void {
    if (sender.outstanding > 0) return;
    const at = this.senders.indexOf(sender);
    if (at < 0) return;
    this.senders.splice(at, 1);
    this.#forget(sender);
    this.#surroundings.release(this, sender.worker, sender.lease, false);
  }

  #forget(sender: Sender): void {
    this.#stalled.delete(sender);
    this.#unproved.delete(sender);
  }

  /** True while it wants to be called again though nothing is pending: demand that is over is withdrawn after a while. */
  #tick(): boolean {
    const now = performance.now();
    for (const sender of this.senders) {
      if (sender.outstanding === 0 || now - sender.lastHeardMs < 4) continue;
      if (sender.far !== null) {
        sender.far.watch(sender, now, () => this.#unstick(sender));
        continue;
      }
      const unwritten = sender.unwrittenResults();
      if (unwritten !== null) this.#owner.results.read(sender, unwritten, 0, unwritten.length);
      this.#unstick(sender);
    }
    if (this.queue.length > 0) this.dispatch();
    const busy = this.queue.length + this.#outstanding() > 0;
    this.#idleTicks = busy ? 0 : this.#idleTicks + 1;
    if (!busy && this.#told > 0 && this.#idleTicks >= idleTicks) {
      this.#demand(0);
      this.#leaveOthers();
    }
    // Workers that were granted ahead took the work without a word: what lasts is said.
    else if (busy && this.#told === 0) this.#demand(this.queue.length + this.#outstanding());
    return this.#told > 0 && this.#idleTicks >= 0;
  }

  /** The next tasks try their own node again. */
  #leaveOthers(): void {
    const { home } = this.#surroundings;
    if (home === undefined) return;
    for (const sender of this.senders.filter(({ worker }) => nodeOf(worker) !== home))
      this.#releaseIfDone(sender);
  }

  /** A worker says nothing: what waits behind its task goes elsewhere. */
  #unstick(sender: Sender): void {
    const waiting = sender.outstanding - sender.blocked;
    if (waiting > 1) this.#takeBackFrom(sender);
    else if (waiting === 1 && isStuck(sender)) this.#relieve(sender);
  }

  /** The only entry of a sender waits: its worker is busy for another owner. */
  #relieve(sender: Sender): void {
    this.#stalled.add(sender);
    const isFree = (other: Sender): boolean => other.idle && !other.closing && !this.#stalled.has(other);
    if (this.senders.some(isFree) || this.#surroundings.loopback?.idle === true) this.#takeBackFrom(sender);
    else this.#askForOneMore();
  }

  /** A worker is busy with something long: what waits behind it goes elsewhere. */
  #takeBackFrom(sender: Sender): void {
    this.#stalled.add(sender);
    if (sender.far !== null) {
      const queued = sender.tasks.filter(
        (task): task is Task => task !== null && sender.claimOf(task) === claim.queued,
      );
      sender.far.askBack(sender, queued);
      return;
    }
    const back: Task[] = [];
    for (const task of sender.tasks) {
      if (task !== null && sender.claimOf(task) === claim.queued && sender.takeBack(task)) back.push(task);
    }
    if (back.length > 0) this.requeue(back.sort(bySequence));
  }
}

const idleTicks = 4;

function isStuck(sender: Sender): boolean {
  return sender.tasks.some((task) => task !== null && !task.blocked && sender.claimOf(task) === claim.queued);
}

function hasSlot({ index }: Task): boolean {
  return index !== noClaimSlot;
}

function bySequence(a: Task, b: Task): number {
  return a.wire - b.wire;
}
