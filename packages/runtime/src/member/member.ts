/**
 * A member of a cluster: what drivers and workers have in common. It owns what it submits, reaches its agent, its peers
 * and the store, and keeps the lease pools and actor clients of this process.
 */
import {
  actorNumber,
  actorsPerProcess,
  IonoError,
  limits,
  nodeOf,
  type FromAgent,
  type ResourceVector,
} from "@iono/core";
import type { Executor } from "../executor/executor.ts";
import { taskStorage } from "../executor/task-context.ts";
import { StoreClient } from "../objects/index.ts";
import { ActorClient } from "../owner/actor-client.ts";
import type { ActorDescriptor, Payload } from "../owner/payload.ts";
import { BoundedMap } from "../owner/bounded-map.ts";
import type { Definition } from "../owner/definition.ts";
import type { LeasePool } from "../owner/lease-pool.ts";
import { Owner, type TaskContext } from "../owner/owner.ts";
import type { Sender } from "../owner/sender.ts";
import { platform } from "../platform/index.ts";
import { AgentLink } from "./agent-link.ts";
import { AgentObjects } from "./agent-objects.ts";
import { infeasibleText } from "./infeasible-text.ts";
import { IdleCollection } from "./idle-collection.ts";
import { jobIdOf, type JobSeed } from "./job-id.ts";
import { LeasePools } from "./lease-pools.ts";
import { loopbackSender } from "./loopback.ts";
import { Peers } from "./peers.ts";
import { setThisNode } from "./this-node.ts";

export interface MemberOptions {
  readonly processNumber: number;
  readonly entryUrl: string | undefined;
  readonly namespace: string;
  readonly job: JobSeed;
  /** Resources of the node, for `runtimeContext` and loopback decisions. */
  readonly resources: ResourceVector;
  /** Something is owed, or nothing any more. */
  owed(isOwed: boolean): void;
  warn(message: string): void;
  /** The agent asks this process to end. */
  stop(reason: string): void;
  onLog?(message: Extract<FromAgent, { t: "log" }>): void;
  /** The agent wants everything that was printed. */
  onFlush?(): void;
  onHost?(message: Extract<FromAgent, { t: "host actor" }>): void;
}

export class Member {
  readonly options: MemberOptions;
  readonly agent: AgentLink;
  readonly peers: Peers;
  readonly owner: Owner;
  executor: Executor | null = null;
  readonly leasePools: LeasePools;
  readonly #actors = new Map<number, ActorClient>();
  readonly #dropped = new FinalizationRegistry<ActorClient>((client) => this.#dropActor(client));
  /** Requests under way by which this process may get a handle; meanwhile no drop is told, which would be told too late. */
  #acquiring = 0;
  #idleCollection: IdleCollection | null = null;
  readonly #dropsHeld = new Set<ActorClient>();
  #actorCount = 0;
  #loopback: Sender | null = null;
  #store: StoreClient | null = null;
  #storeAt: { path: string; agentPid: number } | null = null;
  #functionCount = 0;
  #jobId: string | null = null;
  readonly #deaths = new Map<number, string>();

  constructor(options: MemberOptions, agent = new AgentLink()) {
    this.options = options;
    setThisNode(options.processNumber);
    this.agent = agent;
    this.peers = new Peers(this.agent, () => options.processNumber);
    const member = this;
    this.owner = new Owner({
      identity: { processNumber: options.processNumber },
      capture: { entryUrl: options.entryUrl, warn: (message) => options.warn(message) },
      peers: this.peers,
      get store() {
        return member.#openStore();
      },
      currentTask: (): TaskContext | null =>
        this.executor === null ? null : (taskStorage.getStore() ?? null),
      waiting: (interrupt) => {
        const running = this.executor === null ? undefined : taskStorage.getStore();
        return running === undefined ? null : running.executor.wait(running, interrupt);
      },
      owed: (isOwed) => this.owed(isOwed),
      replaceWorker: (worker, reason) => this.agent.notify({ t: "replace", worker, reason }),
    });
    this.peers.owner = this.owner;
    this.leasePools = new LeasePools(this.owner, this.agent, options.processNumber, (resources) =>
      this.#mayLoopBack(resources) ? this.#loopback : null,
    );
    this.agent.onMessage = (message) => this.#message(message);
  }

  /** Of the program; the same in all its processes. */
  get jobId(): string {
    return (this.#jobId ??= jobIdOf(this.options.job));
  }

  get number(): number {
    return this.options.processNumber;
  }

  /** Makes this member execute what others (and itself, by loopback) send. */
  execute(executor: Executor, loopback: boolean): void {
    this.executor = executor;
    this.peers.executor = executor;
    if (!loopback) return;
    this.#loopback = loopbackSender(this.owner, executor, this.number);
    this.#idleCollection = new IdleCollection({
      held: () => this.#actors.size,
      idle: () => executor.idle,
      runs: () => executor.runs,
    });
    executor.onAllWaiting = () => {
      for (const pool of this.leasePools.all()) if (pool.queue.length > 0) pool.dispatch();
      this.owner.flush();
    };
  }

  /** The only place to run things in an inline runtime. */
  get loopback(): Sender | null {
    return this.#loopback;
  }

  useStore(path: string, agentPid: number): void {
    this.#storeAt = { path, agentPid };
  }

  /** How a member that needs the store before the agent has told where it is learns that, without returning to its loop. */
  findStore: (() => { path: string; agentPid: number } | null) | null = null;

  #debts = 0;
  #owes = false;

  /** Counts who owes something; the process is told when that changes between none and some. */
  owed(isOwed: boolean): void {
    this.#debts += isOwed ? 1 : -1;
    const owes = this.#debts > 0;
    if (owes === this.#owes) return;
    this.#owes = owes;
    this.options.owed(owes);
  }

  /** Id of the actor that this process is, if it is one. */
  actorId: string | undefined = undefined;
  /** What a task of this process has. */
  taskResources: ResourceVector = {};
  gpuIds: readonly number[] = [];

  nextFunctionNumber(): number {
    return ++this.#functionCount;
  }

  /** The code of remote functions that arrived, by key: a function that submits itself names its own key only. */
  readonly #definitions = new BoundedMap<string, Payload>(limits.knownFunctions.value);

  learnDefinition(key: string, payload: Payload): void {
    this.#definitions.set(key, payload);
  }

  /** Executors forget a function when nobody here can call it any more. */
  watchDefinition(definition: Definition): void {
    this.#collected.register(definition, definition.number);
  }

  readonly #collected = new FinalizationRegistry<number>((number) => {
    for (const pool of this.leasePools.all()) for (const sender of pool.senders) sender.forget(number);
    this.#loopback?.forget(number);
  });

  definitionPayload(key: string): Payload | null {
    return this.#definitions.get(key) ?? null;
  }

  // leases

  pool(shape: string, resources: ResourceVector, strategy = ""): LeasePool {
    return this.leasePools.get(shape, resources, strategy);
  }

  /** A child may run in this process when its tasks all wait and the child asks for CPUs only. */
  #mayLoopBack(resources: ResourceVector): boolean {
    if (this.executor === null || !this.executor.mayLoopBack) return false;
    return Object.keys(resources).every((name) => name === "CPU");
  }

  // actors

  nextActorId(): number {
    if (this.#actorCount + 1 >= actorsPerProcess)
      throw new IonoError(
        "TooManyPending",
        `this process has created ${this.#actorCount} actors, the most there may be`,
      );
    return actorNumber(this.number, ++this.#actorCount);
  }

  /** The client of an actor; `hold` when this process has not told the agent yet that it holds a handle. */
  actorClient(descriptor: ActorDescriptor, hold: boolean, announced = hold): ActorClient {
    const known = this.#actors.get(descriptor.actor);
    if (known !== undefined) return known;
    const client = new ActorClient(this.owner, this.agent, this.peers, descriptor, announced);
    this.#actors.set(descriptor.actor, client);
    if (hold) this.owner.borrows.expect(this.agent.request({ t: "hold actor", actor: descriptor.actor }));
    this.#idleCollection?.arm();
    return client;
  }

  /** `handle` is the one handle of this process; when it is collected, the process no longer holds the actor. */
  watchHandle(client: ActorClient, handle: object): void {
    client.handle = new WeakRef(handle);
    this.#dropped.register(handle, client);
  }

  /** The client of the named actor that was found instead, if this process has one; else `client` is that from now on. */
  redirect(client: ActorClient, existing: ActorDescriptor): ActorClient | null {
    this.#actors.delete(client.id);
    const known = this.#actors.get(existing.actor);
    if (known !== undefined) return known;
    client.descriptor = existing;
    this.#actors.set(existing.actor, client);
    return null;
  }

  /** A request that may give this process a handle of an actor it dropped a moment ago. */
  async acquireActor<T>(request: Promise<T>, then: (reply: T) => void): Promise<void> {
    this.#acquiring++;
    try {
      then(await request);
    } finally {
      if (--this.#acquiring === 0) {
        const held = [...this.#dropsHeld];
        this.#dropsHeld.clear();
        for (const client of held) this.#dropActor(client);
      }
    }
  }

  #dropActor(client: ActorClient): void {
    // A new handle was made meanwhile.
    if (client.handle?.deref() !== undefined) return;
    if (this.#acquiring > 0) {
      this.#dropsHeld.add(client);
      return;
    }
    client.close();
    if (this.#actors.get(client.id) !== client) return;
    this.#actors.delete(client.id);
    this.agent.notify({ t: "drop actor", actor: client.id });
  }

  // the agent's messages

  #message(message: FromAgent): void {
    switch (message.t) {
      case "grant":
        this.#granted(message);
        break;
      case "recall":
        this.leasePools.find(message.shape)?.recalled(message.worker, message.lease);
        this.owner.flush();
        break;
      case "process ended":
        this.#deaths.set(message.process, message.reason);
        this.owner.borrows.ownerDied(message.process, message.reason);
        break;
      case "node ended":
        this.owner.borrows.nodeDied(message.node, message.reason);
        break;
      case "never":
        this.leasePools
          .find(message.shape)
          ?.failQueued(new IonoError("Infeasible", `no node can ever run it: ${message.reason}`));
        break;
      case "infeasible":
        this.options.warn(infeasibleText(message));
        break;
      case "host actor":
        this.options.onHost?.(message);
        break;
      case "log":
        this.options.onLog?.(message);
        break;
      case "cannot start":
        for (const pool of this.leasePools.all())
          pool.failQueued(new IonoError("WorkerDied", `workers cannot start: ${message.reason}`));
        break;
      case "collect":
        this.#store?.collect();
        break;
      case "flush":
        this.options.onFlush?.();
        break;
      case "stop":
        this.options.stop(message.reason);
        break;
      default:
        break;
    }
  }

  #granted(grant: Extract<FromAgent, { t: "grant" }>): void {
    const pool = this.leasePools.find(grant.shape);
    if (pool === undefined) {
      const { worker, lease, shape } = grant;
      this.agent.notify({ t: "release", worker, lease, shape, isLost: false });
      return;
    }
    const onLost = (lost: Sender): void => {
      pool.lost(lost, this.#deathReason(grant.worker));
      this.owner.flush();
    };
    const sender =
      this.peers.formerSender(grant.worker, onLost) ??
      this.peers.sender(grant.worker, grant.path, grant.pid, onLost, grant.roundTripMs);
    sender.lease = grant.lease;
    sender.onProgress = () => pool.progressed(sender);
    pool.granted(sender);
    this.owner.flush();
  }

  async #deathReason(worker: number): Promise<string> {
    const known = this.#deaths.get(worker);
    if (known !== undefined) return known;
    const timeout = new Promise<string>((resolve) =>
      setTimeout(resolve, deathReasonMs, "its link ended").unref(),
    );
    return Promise.race([
      this.agent
        .request<string>({ t: "death reason", process: worker })
        .catch((error: Error) => error.message),
      timeout,
    ]);
  }

  #openStore(): StoreClient | null {
    if (this.#store !== null) return this.#store;
    this.#storeAt ??= this.findStore?.() ?? null;
    if (this.#storeAt === null) return null;
    this.#store = StoreClient.connect({
      platform: platform(),
      socketPath: this.#storeAt.path,
      process: this.number,
      secret: this.peers.secret,
      ...(nodeOf(this.number) === 0
        ? {}
        : {
            remote: {
              objects: new AgentObjects(this.agent),
              expect: (held) => this.owner.borrows.expect(held),
            },
          }),
    });
    return this.#store;
  }

  get openedStore(): StoreClient | null {
    return this.#store;
  }

  /** The agent is gone, or the runtime is shut down: everything pending fails. */
  close(reason: IonoError): void {
    this.agent.lose(reason);
    this.owner.close(reason);
    this.peers.close();
    this.#store?.close();
  }
}

const deathReasonMs = 2000;
