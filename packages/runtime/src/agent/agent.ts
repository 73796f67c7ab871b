/**
 * The node agent (in a local cluster also the head): leases, actors, the object store, logs. It runs no user code and
 * waits on nothing. Messages become events of the machines in core; their instructions become I/O here.
 */
import {
  limits,
  sanitizeResources,
  type FromHead,
  type LeaseEvent,
  type LeaseInstruction,
  type ToAgent,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import type { StoreServer } from "../objects/index.ts";
import { unpackMessage } from "../owner/payload.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { HeadConnection } from "./head-connection.ts";
import { LocalHead } from "./local-head.ts";
import { Processes, type Peer } from "./processes.ts";
import { NodeLeases } from "./leases.ts";
import { WorkerOutput } from "./output.ts";
import { describeNode } from "./status.ts";
import { driverNumber, firstWorkerNumber, type AgentOptions } from "./options.ts";
import { killed, killWorker, startWorker, type WorkerProcess } from "./worker-processes.ts";

/** After so many failed starts in a row, what waits for a worker is given up. */
const hopelessStarts = 8;

export class Agent {
  readonly #options: AgentOptions;
  readonly #leases: NodeLeases;
  readonly #head: HeadConnection = new LocalHead((message) => this.#fromHead(message));
  readonly #processes = new Processes();
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #store: StoreServer;
  readonly #storePath: string;
  readonly #output = new WorkerOutput(driverNumber, {
    send: (process, message) => this.#processes.send(process, message),
    queuedBytes: (process) => this.#processes.get(process)?.link.queuedBytes ?? 0,
  });
  #failedStarts = 0;
  #isStopped = false;
  readonly startedAtMs = Date.now();

  constructor(options: AgentOptions, driver: Link, store: StoreServer, storePath: string) {
    this.#options = options;
    this.#store = store;
    this.#storePath = storePath;
    this.#processes.add({ number: driverNumber, link: driver, pid: options.driverPid, path: "" });
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
    this.#processes.sendAll({ t: "collect" });
  }

  start(): void {
    this.#leases.start(this.#options.startWorkers);
  }

  // messages

  /** A control frame of the driver. */
  fromDriver(chunk: Buffer, start: number, end: number): void {
    const driver = this.#processes.get(driverNumber);
    if (driver !== undefined) this.#message(driver, chunk, start, end);
  }

  #message(peer: Peer, chunk: Buffer, start: number, end: number): void {
    const message = unpackMessage(chunk, start, end) as ToAgent;
    switch (message.t) {
      case "listening":
        this.#processes.listens(peer, message.path);
        if (peer.number !== driverNumber) this.#failedStarts = 0;
        if (peer.number !== driverNumber) this.#lease({ type: "worker ready", worker: peer.number });
        break;
      case "demand":
        this.#lease({
          type: "demand",
          owner: peer.number,
          resources: sanitizeResources(message.resources),
          count: message.count,
        });
        break;
      case "release":
        this.#lease({
          type: "released",
          owner: peer.number,
          worker: message.worker,
          lease: message.lease,
          isLost: message.isLost,
        });
        break;
      case "blocked":
        this.#lease({ type: "worker blocked", worker: peer.number, blocked: message.blocked });
        break;
      case "address":
        this.#processes.address({ peer, id: message.id }, message.process);
        break;
      case "death reason":
        this.#processes.deathReason({ peer, id: message.id }, message.process);
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
      case "actor address":
      case "get actor":
      case "list actors":
      case "hold actor":
      case "drop actor":
      case "actor constructed":
        this.#head.send({ ...message, process: peer.number });
        break;
      case "supply actor":
      case "abandon actor":
      case "kill actor":
        this.#head.send(message);
        break;
      case "log":
        this.#output.write(peer.number, message.stream, message.label, peer.pid, message.text);
        break;
      case "flush logs":
        this.#output.flush(() => this.#processes.reply({ peer, id: message.id }, null));
        break;
      case "flushed":
        this.#output.flushed(peer.number);
        break;
      case "status":
        this.#processes.reply({ peer, id: message.id }, this.status());
        break;
    }
  }

  // what people ask

  status(): object {
    return describeNode({
      options: this.#options,
      startedAtMs: this.startedAtMs,
      leases: this.#leases.machine,
      workers: this.#workers,
      actors: this.#head.livingActors(),
      store: this.#store.stats(),
    });
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
        const worker = this.#processes.get(instruction.worker);
        if (worker === undefined) break;
        const { lease, shape } = instruction;
        this.#processes.send(instruction.owner, {
          t: "grant",
          worker: worker.number,
          lease,
          path: worker.path,
          pid: worker.pid,
          shape,
        });
        break;
      }
      case "recall":
        this.#processes.send(instruction.owner, {
          t: "recall",
          worker: instruction.worker,
          lease: instruction.lease,
          shape: instruction.shape,
        });
        break;
      case "place actor":
        this.#head.send({ t: "actor placed", actor: instruction.request, process: instruction.worker });
        break;
      case "stop":
        // One that is not up yet has nothing to end in order.
        if (instruction.force) this.#kill(instruction.worker, "the owner of what it ran had ended");
        else if (this.#processes.get(instruction.worker)?.path === "")
          this.#kill(instruction.worker, "it was not needed any more");
        else this.#processes.send(instruction.worker, { t: "stop", reason: "it was not needed any more" });
        break;
      case "infeasible":
        this.#infeasible(instruction);
        break;
    }
  }

  #fromHead(message: FromHead): void {
    switch (message.t) {
      case "reply": {
        const { process, id, value, error } = message;
        this.#processes.send(process, { t: "reply", id, value, ...(error === undefined ? {} : { error }) });
        break;
      }
      case "actor at": {
        const host = this.#processes.get(message.host);
        const value = { process: message.host, path: host?.path ?? "", pid: host?.pid ?? 0 };
        this.#processes.send(message.process, { t: "reply", id: message.id, value });
        break;
      }
      case "place actor":
        this.#lease({
          type: "actor requested",
          request: message.actor,
          placement: sanitizeResources(message.placement),
          running: sanitizeResources(message.running),
        });
        break;
      case "withdraw actor":
        this.#lease({ type: "actor withdrawn", request: message.actor });
        break;
      case "host actor":
        this.#processes.send(message.process, { t: "host actor", actor: message.actor });
        break;
      case "end process":
        if (message.force) this.#kill(message.process, message.reason);
        else this.#endGently(message.process, message.reason);
        break;
    }
  }

  /** Lets an actor's process run its exit handlers; one that computes without end is killed after its grace. */
  #endGently(process: number, reason: string): void {
    this.#processes.send(process, { t: "stop", reason });
    setTimeout(() => this.#kill(process, reason), limits.cancelGrace.value).unref();
  }

  #spawn(number: number, gpuIds: readonly number[]): void {
    if (this.#isStopped) return;
    const boot: WorkerOptions = {
      number,
      job: this.#options.job,
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
        const peer = this.#processes.get(from.number);
        if (peer !== undefined) this.#message(peer, chunk, start, end);
      },
      output: (from, stream, text) =>
        this.#output.write(from.number, stream, "worker", from.child.pid ?? 0, text),
      ended: (from, reason) => this.#workerEnded(from, reason),
    });
    this.#workers.set(number, worker);
    this.#processes.add({ number, link: worker.link, pid: worker.child.pid ?? 0, path: "" });
  }

  #workerEnded(worker: WorkerProcess, reason: string): void {
    const { number } = worker;
    if (!this.#workers.delete(number)) return;
    // Someone else's SIGKILL says nothing about whether workers can start.
    const failed = worker.reason === "" && worker.child.signalCode !== "SIGKILL";
    if (failed && this.#processes.get(number)?.path === "") this.#startFailed(reason);
    worker.link.destroy();
    this.#output.flushed(number);
    this.#store.processDied(number);
    this.#processes.ended(number, reason);
    this.#head.send({ t: "process ended", process: number, reason });
    this.#lease({ type: "worker ended", worker: number });
    this.#processes.sendAll({ t: "process ended", process: number, reason });
  }

  /** Nothing that waits for a worker is going to run (I7). */
  #giveUpWaiting(reason: string): void {
    this.#processes.sendAll({ t: "cannot start", reason });
    this.#head.send({ t: "cannot start", node: 0, reason });
  }

  /** Said at the first failure in a row, the second, the fourth …: tasks wait, and people should know for what. */
  #startFailed(reason: string): void {
    const count = ++this.#failedStarts;
    if (count % hopelessStarts === 0) this.#giveUpWaiting(reason);
    if ((count & (count - 1)) !== 0) return;
    const times = count === 1 ? "" : ` (${count} in a row)`;
    const text = `iono: a worker could not start${times}: ${reason}\n`;
    this.#processes.send(driverNumber, {
      t: "log",
      stream: "stderr",
      label: "agent",
      pid: process.pid,
      text,
    });
  }

  #kill(number: number, reason: string): void {
    const worker = this.#workers.get(number);
    if (worker !== undefined) killWorker(worker, reason);
  }

  #infeasible(instruction: Extract<LeaseInstruction, { type: "infeasible" }>): void {
    const { request, shape, missing } = instruction;
    // People read it at the driver, whoever asked.
    this.#processes.send(driverNumber, { t: "infeasible", shape, missing, actor: request });
  }

  /** Kills every worker, and starts none any more. Resolves when all have ended; the agent exits then. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#workers.values()].map((worker) => killed(worker, reason)));
  }
}
