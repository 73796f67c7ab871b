/**
 * One process's side of an actor: its calls, in the order they were made, and the link to the actor's process. Core's
 * ActorQueue decides what is sent and what fails. Handles of this process share the client; when the last of them is
 * collected, the agent is told. A handle is kept while calls of it are under way.
 */
import {
  ActorQueue,
  actorQueueEvent,
  actorQueueInstruction,
  IonoError,
  limits,
  type ActorQueueEvent,
} from "@iono/core";
import type { AgentLink } from "../member/agent-link.ts";
import type { Peers } from "../member/peers.ts";
import { actorDeath, ActorDeath } from "./actor-death.ts";
import type { Definition } from "./definition.ts";
import { Failure } from "./failure.ts";
import { isSettled } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import type { ActorDescriptor } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Destination, Task } from "./task.ts";

interface AddressReply {
  readonly process?: number;
  readonly path?: string;
  readonly pid?: number;
  readonly dead?: string;
  readonly error?: Uint8Array | null;
}

interface ReadyWaiter {
  resolve(): void;
  reject(error: Error): void;
}

/** How long the agent may take to learn of the end of a process whose link is gone. */
const deathReasonMs = 2000;
/** After this long without a word from a busy actor its finished results are looked for. */
const quietMs = 4;

export class ActorClient implements Destination {
  readonly #owner: Owner;
  readonly #agent: AgentLink;
  readonly #peers: Peers;
  descriptor: ActorDescriptor;
  readonly #queue = new ActorQueue();
  /** Calls that are not over, by their row in the queue. */
  readonly #tasks: Array<Task | undefined> = [];
  #sender: Sender | null = null;
  /** The agent knows the actor. */
  #announced: boolean;
  #connectWanted = false;
  #connecting = false;
  #alive = false;
  #death: Failure | null = null;
  /** The actor existed already, and this process has a client of it: that one does everything. */
  #stands: ActorClient | null = null;
  /** The handle of that client, which lives as long as the handle of this one. */
  standsHandle: object | null = null;
  #warnAt = limits.actorQueueWarning.value;
  readonly #readyWaiters = new Set<ReadyWaiter>();
  /** The handle of this process, and what keeps it while something is under way. */
  handle: WeakRef<object> | null = null;
  #kept: object | null = null;
  #closed = false;
  #telling = false;
  /** Method definitions of this process, by name and options. */
  readonly definitions = new Map<string, Definition>();
  /** What the constructor's arguments hold, until it has run. */
  holds: readonly object[] = [];

  constructor(owner: Owner, agent: AgentLink, peers: Peers, descriptor: ActorDescriptor, announced: boolean) {
    this.#owner = owner;
    this.#agent = agent;
    this.#peers = peers;
    this.descriptor = descriptor;
    this.#announced = announced;
  }

  get id(): number {
    return this.descriptor.actor;
  }

  get dead(): boolean {
    return this.#death !== null;
  }

  /** Calls not finished. */
  get pending(): number {
    return this.#stands?.pending ?? this.#queue.calls;
  }

  /** The agent knows the actor now. `holding`: its constructor's arguments are kept here until it has run. */
  created(holding: boolean): void {
    this.#announced = true;
    if (this.#connectWanted || holding) this.#connect();
  }

  /** The actor is one that `other`, also of this process, calls: its queue takes what waits here. */
  standFor(other: ActorClient, handle: object): void {
    this.#stands = other;
    this.standsHandle = handle;
    this.holds = [];
    const waiting = this.#tasks
      .filter((task): task is Task => task !== undefined)
      .sort((a, b) => a.wire - b.wire);
    for (const task of waiting) {
      this.finished(task);
      other.enqueue(task);
    }
    for (const waiter of this.#readyWaiters) other.#whenReady(waiter);
    this.#readyWaiters.clear();
    this.#kept = null;
  }

  // Destination

  enqueue(task: Task): void {
    if (this.#stands !== null) return this.#stands.enqueue(task);
    if (task.call >= 0) return;
    const call = this.#queue.nextCall;
    task.call = call;
    this.#tasks[call] = task;
    if (this.#kept === null) this.#kept = this.handle?.deref() ?? null;
    const isWaiting = task.unsettled > 0 || task.failedDependency !== null;
    this.#tell(isWaiting ? actorQueueEvent.submittedWaiting : actorQueueEvent.submitted, call);
    if (isWaiting && task.unsettled === 0) this.#tell(actorQueueEvent.argumentFailed, call);
    if (this.#queue.calls > this.#warnAt) this.#warn();
  }

  ready(task: Task): void {
    if (this.#stands !== null) return this.#stands.ready(task);
    if (task.call < 0) return;
    this.#tell(
      task.failedDependency === null ? actorQueueEvent.settled : actorQueueEvent.argumentFailed,
      task.call,
    );
  }

  /** What is withdrawn is over next: the line passes it. */
  withdraw(task: Task): boolean {
    return task.call >= 0;
  }

  finished(task: Task): void {
    if (this.#stands !== null && task.call >= 0 && this.#tasks[task.call] !== task)
      return this.#stands.finished(task);
    const { call } = task;
    if (call < 0) return;
    task.call = -1;
    this.#tasks[call] = undefined;
    this.#tell(actorQueueEvent.over, call);
    if (this.#queue.calls === 0) this.#letGo();
  }

  /** Throws when this caller has too many unfinished calls. */
  admit(maxPendingCalls: number): void {
    const { pending } = this;
    if (pending < maxPendingCalls) return;
    throw new IonoError(
      "PendingCallsLimit",
      `${pending} calls of ${this.descriptor.className} are unfinished; maxPendingCalls is ${maxPendingCalls}`,
    );
  }

  /** Resolves when the constructor has run; rejects with ActorDied when the actor is dead. */
  whenReady(): Promise<void> {
    return new Promise((resolve, reject) => this.#whenReady({ resolve, reject }));
  }

  #whenReady(waiter: ReadyWaiter): void {
    if (this.#stands !== null) return this.#stands.#whenReady(waiter);
    if (this.#death !== null) {
      void this.#death.toError(this.#owner.codec).then(waiter.reject, waiter.reject);
      return;
    }
    if (this.#alive) return waiter.resolve();
    this.#kept ??= this.handle?.deref() ?? null;
    this.#readyWaiters.add(waiter);
    this.#wantConnection();
  }

  /** The actor cannot be made, or is gone: what is not sent yet, and every later call, fails with this. */
  die(failure: Failure): void {
    if (this.#stands !== null) return this.#stands.die(failure);
    if (this.#death !== null) return;
    this.#death = failure;
    this.holds = [];
    for (const { reject } of this.#readyWaiters) void failure.toError(this.#owner.codec).then(reject, reject);
    this.#readyWaiters.clear();
    this.#tell(actorQueueEvent.died, -1);
    if (this.#queue.calls === 0) this.#letGo();
  }

  kill(reason: string): void {
    if (this.#stands !== null) return this.#stands.kill(reason);
    this.#agent.notify({ t: "kill actor", actor: this.id, reason });
    this.die(new ActorDeath(this.descriptor.className, reason, null));
  }

  /** No handle of this process is left. */
  close(): void {
    this.#closed = true;
    this.standsHandle = null;
    const sender = this.#sender;
    this.#owner.tickers.delete(this.#tick);
    // What its last results brought is registered first: until then the actor's process holds it.
    if (sender !== null) void this.#owner.borrows.confirmed().then(() => sender.link.close());
  }

  // the queue's instructions

  #tell(event: ActorQueueEvent, call: number): void {
    const queue = this.#queue;
    queue.handle(event, call);
    // What an instruction brings is taken by the loop further out: thousands of failures must not nest.
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let told = queue.take(); told !== -1; told = queue.take()) {
        if (told === actorQueueInstruction.connect) {
          this.#wantConnection();
          continue;
        }
        const task = this.#tasks[queue.taken];
        if (task === undefined) continue;
        if (told === actorQueueInstruction.send) this.#send(task);
        else if (told === actorQueueInstruction.failArgument) this.#owner.failDependency(task);
        else this.#fail(task);
      }
    } finally {
      this.#telling = false;
    }
  }

  #send(task: Task): void {
    const sender = this.#sender;
    if (sender === null) throw new IonoError("Internal", "a call of an actor was to be sent without a link");
    if (isSettled(task.ref)) {
      this.#owner.finish(task);
      return;
    }
    sender.append(task);
    this.#owner.appended(sender);
  }

  #fail(task: Task): void {
    task.sender?.settle(task);
    this.#owner.fail(task, this.#death ?? new ActorDeath(this.descriptor.className, "its link broke", null));
  }

  #warn(): void {
    this.#warnAt *= 2;
    process.emitWarning(
      `${this.#queue.calls} calls of actor ${this.descriptor.className} are pending; await some results`,
      "IonoWarning",
    );
  }

  #letGo(): void {
    if (this.#readyWaiters.size === 0) this.#kept = null;
  }

  // the link

  #wantConnection(): void {
    if (this.#announced) this.#connect();
    else this.#connectWanted = true;
  }

  #connect(): void {
    if (this.#connecting || this.#sender !== null || this.#death !== null) return;
    this.#connecting = true;
    this.#agent.request<AddressReply>({ t: "actor address", actor: this.id }).then(
      (reply) => {
        this.#connecting = false;
        if (reply.dead === undefined) this.#attach(reply.process ?? 0, reply.path ?? "", reply.pid ?? 0);
        else this.die(actorDeath(this.#owner, this.descriptor.className, reply.dead, reply.error ?? null));
      },
      (error: Error) => this.die(new Failure(null, error)),
    );
  }

  #attach(process: number, path: string, pid: number): void {
    this.holds = [];
    if (this.#closed || this.#death !== null) return;
    let sender: Sender;
    try {
      sender = this.#peers.sender(process, path, pid, (lost) => this.#lost(lost, process));
    } catch (error) {
      void this.#bury(process, error instanceof Error ? error.message : String(error));
      return;
    }
    this.#alive = true;
    this.#sender = sender;
    this.#owner.tickers.add(this.#tick);
    for (const { resolve } of this.#readyWaiters) resolve();
    this.#readyWaiters.clear();
    this.#tell(actorQueueEvent.connected, -1);
    if (this.#queue.calls === 0) this.#letGo();
    this.#owner.flush();
  }

  /** What an actor that computes has finished, and not written yet, is read from the link's shared page. */
  readonly #tick = (): boolean => {
    const sender = this.#sender;
    if (sender === null || sender.outstanding === 0) return false;
    const now = performance.now();
    if (sender.far !== null) sender.far.watch(sender, now, () => this.#owner.flush());
    else if (now - sender.lastHeardMs >= quietMs) this.#readUnwritten(sender);
    return true;
  };

  #readUnwritten(sender: Sender): void {
    const unwritten = sender.unwrittenResults();
    if (unwritten !== null) this.#owner.results.read(sender, unwritten, 0, unwritten.length);
  }

  #lost(sender: Sender, process: number): void {
    if (this.#sender !== sender) return;
    this.#readUnwritten(sender);
    this.#owner.tickers.delete(this.#tick);
    this.#sender = null;
    sender.dispose();
    this.#tell(actorQueueEvent.lost, -1);
    if (!this.#closed && this.#death === null) void this.#bury(process, "its link broke");
  }

  /** Learns from the agent how the actor ended: its process first, or the agent might still think that it lives. */
  async #bury(process: number, otherwise: string): Promise<void> {
    const { className } = this.descriptor;
    try {
      const late = new Promise<string>((resolve) => setTimeout(resolve, deathReasonMs, otherwise).unref());
      const reason = await Promise.race([
        this.#agent.request<string | null>({ t: "death reason", process }),
        late,
      ]);
      const reply = await this.#agent.request<AddressReply>({ t: "actor address", actor: this.id });
      this.die(actorDeath(this.#owner, className, reply.dead ?? reason ?? otherwise, reply.error ?? null));
    } catch (error) {
      this.die(
        error instanceof IonoError ? new Failure(null, error) : new ActorDeath(className, otherwise, null),
      );
    }
  }
}
