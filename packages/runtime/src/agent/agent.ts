/**
 * The node agent (in a local cluster also the head): leases, actors, the object store, logs. It runs no user code and
 * waits on nothing. Messages become events of the machines in core; their instructions become I/O here.
 */
import {
  ActorDirectory,
  IonoError,
  limits,
  resourceAmounts,
  sanitizeResources,
  type ActorEvent,
  type ActorInstruction,
  type FromAgent,
  type LeaseEvent,
  type LeaseInstruction,
  type ToAgent,
  frameKinds,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import { StoreServer } from "../objects/index.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { NodeLeases } from "./leases.ts";
import { WorkerOutput } from "./output.ts";
import { driverNumber, firstWorkerNumber, type AgentOptions } from "./options.ts";
import { killWorker, startWorker, type WorkerProcess } from "./worker-processes.ts";

/** A process of this node as the agent knows it. */
interface Peer {
  readonly number: number;
  readonly link: Link;
  readonly pid: number;
  /** Where it listens; "" until it has said so. */
  path: string;
}

interface AddressWaiter {
  readonly peer: Peer;
  readonly id: number;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #leases: NodeLeases;
  readonly #actors = new ActorDirectory();
  readonly #peers = new Map<number, Peer>();
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #ended = new Map<number, string>();
  readonly #deathWaiters = new Map<number, AddressWaiter[]>();
  readonly #addressWaiters = new Map<number, AddressWaiter[]>();
  readonly #actorWaiters = new Map<number, AddressWaiter[]>();
  readonly #creators = new Map<number, AddressWaiter>();
  readonly #store: StoreServer;
  readonly #storePath: string;
  readonly #output = new WorkerOutput(driverNumber, {
    send: (process, message) => this.#send(process, message),
    queuedBytes: (process) => this.#peers.get(process)?.link.queuedBytes ?? 0,
  });
  readonly startedAtMs = Date.now();

  constructor(options: AgentOptions, driver: Link, store: StoreServer, storePath: string) {
    this.#options = options;
    this.#store = store;
    this.#storePath = storePath;
    this.#peers.set(driverNumber, { number: driverNumber, link: driver, pid: options.driverPid, path: "" });
    this.#leases = new NodeLeases(
      {
        total: options.resources,
        maxWorkers: options.maxWorkers,
        firstWorker: firstWorkerNumber,
        idleWorkers: Math.max(1, options.startWorkers),
      },
      (instruction) => this.#perform(instruction),
    );
  }

  /** The store is full: every process is to let go of its garbage. */
  askToCollect(): void {
    for (const number of this.#peers.keys()) this.#send(number, { t: "collect" });
  }

  start(): void {
    this.#leases.start(this.#options.startWorkers);
  }

  // messages

  /** A control frame of the driver. */
  fromDriver(chunk: Buffer, start: number, end: number): void {
    const driver = this.#peers.get(driverNumber);
    if (driver !== undefined) this.#message(driver, chunk, start, end);
  }

  #message(peer: Peer, chunk: Buffer, start: number, end: number): void {
    const message = unpackMessage(chunk, start, end) as ToAgent;
    switch (message.t) {
      case "listening":
        peer.path = message.path;
        this.#answerAddresses(peer);
        if (peer.number !== driverNumber) this.#lease({ type: "worker ready", worker: peer.number });
        break;
      case "demand":
        this.#lease({ type: "demand", owner: peer.number, resources: sanitizeResources(message.resources), count: message.count });
        break;
      case "release":
        this.#lease({ type: "released", owner: peer.number, worker: message.worker, lease: message.lease, isLost: message.isLost });
        break;
      case "blocked":
        this.#lease({ type: "worker blocked", worker: peer.number, blocked: message.blocked });
        break;
      case "address":
        this.#address(peer, message.id, message.process);
        break;
      case "death reason":
        this.#deathReason(peer, message.id, message.process);
        break;
      case "replace":
        this.#kill(message.worker, message.reason);
        break;
      case "retire": {
        const worker = this.#workers.get(peer.number);
        if (worker !== undefined) worker.reason = message.reason;
        break;
      }
      case "create actor":
        this.#creators.set(message.actor.actor, { peer, id: message.id });
        this.#actor({ type: "create", owner: peer.number, spec: message.actor });
        break;
      case "supply actor":
        this.#actor({ type: "supply", actor: message.actor, payload: message.payload });
        break;
      case "abandon actor":
        this.#actor({ type: "abandon", actor: message.actor, reason: message.reason, error: message.error });
        break;
      case "actor address":
        this.#actorAddress(peer, message.id, message.actor);
        break;
      case "get actor": {
        const spec = this.#actors.named(message.namespace, message.name);
        if (spec === undefined) {
          this.#refuse(peer, message.id, new IonoError("NoSuchActor", `no actor is named "${message.name}" in namespace "${message.namespace}"`));
        } else {
          this.#actor({ type: "hold", actor: spec.actor, holder: peer.number });
          this.#reply(peer, message.id, { ...spec, payload: null });
        }
        break;
      }
      case "list actors":
        this.#reply(peer, message.id, this.#actors.names(message.namespace));
        break;
      case "hold actor":
        this.#actor({ type: "hold", actor: message.actor, holder: peer.number });
        this.#reply(peer, message.id, null);
        break;
      case "drop actor":
        this.#actor({ type: "drop", actor: message.actor, holder: peer.number });
        break;
      case "kill actor":
        this.#actor({ type: "kill", actor: message.actor, reason: message.reason });
        break;
      case "actor constructed":
        this.#actor({ type: "constructed", process: peer.number, error: message.error, message: message.message });
        break;
      case "log":
        this.#output.write(peer.number, message.stream, message.label, peer.pid, message.text);
        break;
      case "flush logs":
        this.#output.flush(() => this.#reply(peer, message.id, null));
        break;
      case "flushed":
        this.#output.flushed(peer.number);
        break;
      case "status":
        this.#reply(peer, message.id, this.status());
        break;
    }
  }

  // what people ask

  status(): object {
    const total = this.#options.resources;
    return {
      pid: process.pid,
      driverPid: this.#options.driverPid,
      program: this.#options.program,
      startedAtMs: this.startedAtMs,
      nodes: [
        {
          id: "local",
          resources: { total: resourceAmounts(total), available: resourceAmounts(this.#leases.machine.available()) },
          workers: this.#leases.machine.states().map((state) => ({ ...state, pid: this.#workers.get(state.worker)?.child.pid ?? 0 })),
          actors: this.#actors.list().filter((actor) => actor.state !== "dead"),
          demand: this.#leases.machine.demands(),
        },
      ],
      store: this.#store.stats(),
      versions: { iono: this.#options.version, node: process.versions.node },
    };
  }

  // machines to I/O

  #lease(event: LeaseEvent): void {
    this.#leases.handle(event);
  }

  #perform(instruction: LeaseInstruction): void {
      switch (instruction.type) {
        case "spawn":
          this.#spawn(instruction.worker, instruction.gpuIds);
          break;
        case "grant": {
          const worker = this.#peers.get(instruction.worker);
          if (worker === undefined) break;
          const { lease, shape } = instruction;
          this.#send(instruction.owner, { t: "grant", worker: worker.number, lease, path: worker.path, pid: worker.pid, shape });
          break;
        }
        case "recall":
          this.#send(instruction.owner, { t: "recall", worker: instruction.worker, lease: instruction.lease, shape: instruction.shape });
          break;
        case "place actor":
          this.#actor({ type: "placed", actor: instruction.request, process: instruction.worker });
          break;
        case "stop":
          // One that is not up yet has nothing to end in order.
          if (instruction.force) this.#kill(instruction.worker, "the owner of what it ran had ended");
          else if (this.#peers.get(instruction.worker)?.path === "") this.#kill(instruction.worker, "it was not needed any more");
          else this.#send(instruction.worker, { t: "stop", reason: "it was not needed any more" });
          break;
        case "infeasible":
          this.#infeasible(instruction);
          break;
      }
  }

  #actor(event: ActorEvent): void {
    for (const instruction of this.#actors.handle(event)) this.#performActor(instruction);
  }

  #performActor(instruction: ActorInstruction): void {
    switch (instruction.type) {
      case "place": {
        const { placement, running } = instruction.spec;
        this.#lease({
          type: "actor requested",
          request: instruction.actor,
          placement: sanitizeResources(placement),
          running: sanitizeResources(running),
        });
        break;
      }
      case "withdraw":
        this.#lease({ type: "actor withdrawn", request: instruction.actor });
        break;
      case "host":
        this.#send(instruction.process, { t: "host actor", actor: instruction.spec });
        break;
      case "created": {
        const creator = this.#creators.get(instruction.actor);
        this.#creators.delete(instruction.actor);
        const existing = instruction.existing === 0 ? null : this.#actors.spec(instruction.existing);
        if (creator !== undefined) this.#reply(creator.peer, creator.id, existing === null ? null : { ...existing, payload: null });
        break;
      }
      case "name taken": {
        const creator = this.#creators.get(instruction.actor);
        this.#creators.delete(instruction.actor);
        if (creator !== undefined) {
          this.#refuse(creator.peer, creator.id, new IonoError("NameTaken", `an actor named "${instruction.name}" exists already`));
        }
        break;
      }
      case "alive":
      case "dead":
        this.#answerActor(instruction.actor);
        break;
      case "end process":
        if (instruction.force) this.#kill(instruction.process, instruction.reason);
        else this.#endGently(instruction.process, instruction.reason);
        break;
    }
  }

  /** Lets an actor's process run its exit handlers; one that computes without end is killed after its grace. */
  #endGently(process: number, reason: string): void {
    this.#send(process, { t: "stop", reason });
    setTimeout(() => this.#kill(process, reason), limits.cancelGrace.value).unref();
  }

  #spawn(number: number, gpuIds: readonly number[]): void {
    const boot: WorkerOptions = {
      number,
      agentPid: process.pid,
      entry: this.#options.entry,
      secret: this.#options.secret,
      storePath: this.#storePath,
      namespace: this.#options.namespace,
      gpuIds,
      resources: this.#options.resources,
    };
    this.#store.admit(number, this.#options.secret);
    const worker = startWorker(number, gpuIds, this.#options, boot, {
      frame: (from, chunk, start, end) => {
        const peer = this.#peers.get(from.number);
        if (peer !== undefined) this.#message(peer, chunk, start, end);
      },
      output: (from, stream, text) => this.#output.write(from.number, stream, "worker", from.child.pid ?? 0, text),
      ended: (from, reason) => this.#workerEnded(from, reason),
    });
    this.#workers.set(number, worker);
    this.#peers.set(number, { number, link: worker.link, pid: worker.child.pid ?? 0, path: "" });
  }

  #workerEnded(worker: WorkerProcess, reason: string): void {
    const { number } = worker;
    if (!this.#workers.delete(number)) return;
    this.#peers.delete(number);
    this.#ended.set(number, reason);
    if (this.#ended.size > rememberedEnds) {
      const oldest = this.#ended.keys().next().value;
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    worker.link.destroy();
    this.#output.flushed(number);
    this.#store.processDied(number);
    for (const waiter of this.#deathWaiters.get(number) ?? []) this.#reply(waiter.peer, waiter.id, reason);
    this.#deathWaiters.delete(number);
    for (const waiter of this.#addressWaiters.get(number) ?? []) this.#refuseGone(waiter.peer, waiter.id, number);
    this.#addressWaiters.delete(number);
    this.#actor({ type: "process ended", process: number, reason });
    this.#lease({ type: "worker ended", worker: number });
    for (const peer of this.#peers.values()) this.#send(peer.number, { t: "process ended", process: number, reason });
  }

  #kill(number: number, reason: string): void {
    const worker = this.#workers.get(number);
    if (worker !== undefined) killWorker(worker, reason);
  }

  // addresses

  #address(peer: Peer, id: number, process: number): void {
    const target = this.#peers.get(process);
    if (target === undefined) this.#refuseGone(peer, id, process);
    else if (target.path !== "") this.#reply(peer, id, { path: target.path, pid: target.pid });
    else push(this.#addressWaiters, process, { peer, id });
  }

  #answerAddresses(peer: Peer): void {
    for (const waiter of this.#addressWaiters.get(peer.number) ?? []) {
      this.#reply(waiter.peer, waiter.id, { path: peer.path, pid: peer.pid });
    }
    this.#addressWaiters.delete(peer.number);
  }

  #actorAddress(peer: Peer, id: number, actor: number): void {
    push(this.#actorWaiters, actor, { peer, id });
    this.#answerActor(actor);
  }

  /** Answers those who wait for an actor, if it is alive or dead. */
  #answerActor(actor: number): void {
    const waiters = this.#actorWaiters.get(actor);
    if (waiters === undefined) return;
    const found = this.#actors.state(actor);
    if (found !== undefined && found.state !== "alive" && found.state !== "dead") return;
    this.#actorWaiters.delete(actor);
    for (const { peer, id } of waiters) {
      if (found?.state === "alive") {
        const host = this.#peers.get(found.process);
        this.#reply(peer, id, { process: found.process, path: host?.path ?? "", pid: host?.pid ?? 0 });
      } else this.#reply(peer, id, { dead: found?.reason ?? "it is not known", error: found?.error ?? null });
    }
  }

  #deathReason(peer: Peer, id: number, process: number): void {
    const reason = this.#ended.get(process);
    if (reason !== undefined) this.#reply(peer, id, reason);
    else push(this.#deathWaiters, process, { peer, id });
  }

  #infeasible(instruction: Extract<LeaseInstruction, { type: "infeasible" }>): void {
    const { owner, request, shape, missing } = instruction;
    const target = owner !== 0 ? owner : (this.#creatorOf(request) ?? driverNumber);
    this.#send(target, { t: "infeasible", shape, missing, actor: request });
    if (target !== driverNumber) this.#send(driverNumber, { t: "infeasible", shape, missing, actor: request });
  }

  #creatorOf(actor: number): number | undefined {
    const creator = Math.floor(actor / 2 ** 32);
    return this.#peers.has(creator) ? creator : undefined;
  }

  /** Ends every worker; the agent exits after this. */
  stop(reason: string): void {
    for (const worker of this.#workers.values()) killWorker(worker, reason);
  }

  #refuseGone(peer: Peer, id: number, process: number): void {
    this.#refuse(peer, id, new IonoError("OwnerDied", `process ${process} has ended: ${this.#ended.get(process) ?? "unknown"}`));
  }

  #reply(peer: Peer, id: number, value: unknown): void {
    this.#send(peer.number, { t: "reply", id, value });
  }

  #refuse(peer: Peer, id: number, error: IonoError): void {
    this.#send(peer.number, { t: "reply", id, value: null, error: { code: error.code, message: error.message } });
  }

  #send(to: number, message: FromAgent): void {
    const peer = this.#peers.get(to);
    if (peer !== undefined && !peer.link.closed) peer.link.send("control", frameKinds.control, packMessage(message));
  }
}

const rememberedEnds = 10_000;

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
