/**
 * One process's side of an actor: its calls, in the order they were made, and the link to the actor's process. Handles
 * of this process share it; when the last of them is collected, the agent is told.
 */
import { IonoError, limits } from "@iono/core";
import type { AgentLink } from "../member/agent-link.ts";
import type { Peers } from "../member/peers.ts";
import type { Definition } from "./definition.ts";
import { Deque } from "./deque.ts";
import { Failure } from "./failure.ts";
import { refState } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { unpackMessage, type ActorDescriptor, type Payload } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Destination, Task } from "./task.ts";

interface AddressReply {
  readonly process?: number;
  readonly path?: string;
  readonly pid?: number;
  readonly dead?: string;
  readonly error?: Uint8Array | null;
}

export class ActorClient implements Destination {
  readonly #owner: Owner;
  readonly #agent: AgentLink;
  readonly #peers: Peers;
  descriptor: ActorDescriptor;
  readonly #queue = new Deque<Task>();
  #sender: Sender | null = null;
  #connecting = false;
  /** The agent does not know the actor yet: it waits for the constructor's arguments. */
  #announced: boolean;
  #death: Failure | null = null;
  #warnAt = limits.actorQueueWarning.value;
  /** Calls not finished. */
  pending = 0;
  /** Method definitions of this process, by name and options. */
  readonly definitions = new Map<string, Definition>();
  readonly #readyWaiters: Array<{ resolve(): void; reject(error: Error): void }> = [];
  #alive = false;
  /** What the constructor's arguments hold, until it has run. */
  holds: readonly object[] = [];

  constructor(owner: Owner, agent: AgentLink, peers: Peers, descriptor: ActorDescriptor, announced: boolean) {
    this.#owner = owner;
    this.#agent = agent;
    this.#peers = peers;
    this.descriptor = descriptor;
    this.#announced = announced;
  }

  /** The agent knows the actor now. */
  created(): void {
    this.#announced = true;
    if (this.#queue.length > 0 || this.#readyWaiters.length > 0) this.#connect();
  }

  get id(): number {
    return this.descriptor.actor;
  }

  // Destination

  ready(_task: Task): void {
    this.#pump();
  }

  enqueue(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.pending++;
    this.#queue.push(task);
    if (this.pending > this.#warnAt) {
      this.#warnAt *= 2;
      process.emitWarning(`${this.pending} calls of actor ${this.descriptor.className} are pending; await some results`, "IonoWarning");
    }
    this.#pump();
  }

  withdraw(task: Task): boolean {
    // It stays in the queue as a settled task and is passed over: removal would be linear.
    return task.queued;
  }

  /** Throws when this caller has too many unfinished calls. */
  admit(maxPendingCalls: number): void {
    if (maxPendingCalls >= 0 && this.pending >= maxPendingCalls) {
      throw new IonoError(
        "PendingCallsLimit",
        `${this.pending} calls of ${this.descriptor.className} are unfinished; maxPendingCalls is ${maxPendingCalls}`,
      );
    }
  }

  /** Resolves when the constructor has run; rejects with ActorDied when the actor is dead. */
  whenReady(): Promise<void> {
    if (this.#alive && this.#death === null) return Promise.resolve();
    if (this.#death !== null) return this.#death.toError(this.#owner.codec).then((error) => Promise.reject(error));
    this.#connect();
    return new Promise((resolve, reject) => this.#readyWaiters.push({ resolve, reject }));
  }

  /** The actor cannot be made, or is gone: every call fails with this. */
  die(failure: Failure): void {
    if (this.#death !== null) return;
    this.#death = failure;
    this.holds = [];
    for (const waiter of this.#readyWaiters.splice(0)) void failure.toError(this.#owner.codec).then(waiter.reject);
    this.#pump();
  }

  #pump(): void {
    const queue = this.#queue;
    for (let task = queue.peek(); task !== undefined; task = queue.peek()) {
      if (task.ref.state !== refState.pending) {
        this.#leave(task);
        continue;
      }
      if (this.#death !== null) {
        this.#leave(task);
        this.#owner.fail(task, this.#death);
        continue;
      }
      if (task.unsettled > 0) return;
      if (task.failedDependency !== null) {
        this.#leave(task);
        this.#owner.failDependency(task);
        continue;
      }
      const sender = this.#sender;
      if (sender === null) {
        this.#connect();
        return;
      }
      if (!sender.hasRoom()) return;
      queue.shift();
      task.queued = false;
      sender.append(task);
      this.#owner.appended(sender);
    }
  }

  #leave(task: Task): void {
    this.#queue.shift();
    task.queued = false;
  }

  finished(): void {
    this.pending--;
  }

  #connect(): void {
    if (this.#connecting || this.#sender !== null || !this.#announced) return;
    this.#connecting = true;
    this.#agent.request<AddressReply>({ t: "actor address", actor: this.id }).then(
      (reply) => {
        this.#connecting = false;
        if (reply.dead !== undefined) this.die(this.#deathOf(reply.dead, reply.error ?? null));
        else this.#attach(reply.process ?? 0, reply.path ?? "", reply.pid ?? 0);
      },
      (error: Error) => this.die(new Failure(null, error)),
    );
  }

  #attach(process: number, path: string, pid: number): void {
    this.#alive = true;
    this.holds = [];
    const sender = this.#peers.sender(process, path, pid, (lost) => this.#lost(lost));
    sender.onProgress = () => this.#pump();
    this.#sender = sender;
    for (const waiter of this.#readyWaiters.splice(0)) waiter.resolve();
    this.#pump();
    this.#owner.flush();
  }

  #lost(sender: Sender): void {
    if (this.#sender === sender) this.#sender = null;
    const unwritten = sender.unwrittenResults();
    if (unwritten !== null) this.#owner.results(sender, unwritten, 0, unwritten.length);
    const running = sender.tasks.filter((task) => task !== null);
    for (const task of running) sender.settle(task);
    sender.dispose();
    void this.#agent.request<AddressReply>({ t: "actor address", actor: this.id }).then(
      (reply) => this.#buried(reply.dead ?? "its link broke", reply.error ?? null, running),
      (error: Error) => this.#buried(error.message, null, running),
    );
  }

  #buried(reason: string, error: Uint8Array | null, running: readonly Task[]): void {
    const death = this.#deathOf(reason, error);
    for (const task of running) this.#owner.fail(task, death);
    this.die(death);
  }

  #deathOf(reason: string, error: Uint8Array | null): Failure {
    const { className } = this.descriptor;
    const message = `actor ${className} is dead: ${reason}`;
    if (error === null) return new Failure(null, new IonoError("ActorDied", message));
    return new ConstructorFailure(this.#owner, message, error);
  }
}

/** The constructor threw: ActorDied, caused by the user's error, decoded afresh for each `get`. */
class ConstructorFailure extends Failure {
  readonly #owner: Owner;
  readonly #message: string;
  readonly #packed: Uint8Array;

  constructor(owner: Owner, message: string, packed: Uint8Array) {
    super(null, new IonoError("ActorDied", message));
    this.#owner = owner;
    this.#message = message;
    this.#packed = packed;
  }

  override async toError(): Promise<Error> {
    const payload = unpackMessage(this.#packed, 0, this.#packed.length) as Payload;
    const cause = await new Failure(this.#owner.references.receive(payload, false), null).toError(this.#owner.codec);
    return new IonoError("ActorDied", this.#message, { cause });
  }
}
