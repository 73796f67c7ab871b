/**
 * The node agent (in a local cluster also the head): leases, the object store, logs, and the way to head and other nodes.
 * It runs no user code and waits on nothing. Messages become events of the machines in core; their instructions become
 * I/O here.
 */
import {
  IonoError,
  limits,
  nodeOf,
  sanitizeResources,
  type FromAgent,
  type FromHead,
  type JobInfo,
  type LeaseEvent,
  type ToAgent,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import type { StoreServer } from "../objects/index.ts";
import { unpackMessage } from "../owner/payload.ts";
import type { ClusterNode } from "./cluster/cluster-node.ts";
import type { ClusterPort } from "./cluster/cluster-port.ts";
import { FarQuestions } from "./far-questions.ts";
import type { HeadConnection } from "./head-connection.ts";
import { LeaseInstructions } from "./lease-instructions.ts";
import { NodeLeases } from "./leases.ts";
import { LocalFit } from "./local-fit.ts";
import { LocalHead } from "./local-head.ts";
import { driverNumber, firstWorkerNumber, type AgentOptions } from "./options.ts";
import { Outputs } from "./outputs.ts";
import { Processes, type Peer } from "./processes.ts";
import { describeNode } from "./status.ts";
import type { StartWorker } from "./worker-processes.ts";
import { Workers } from "./workers.ts";

/** After so many failed starts in a row, what waits for a worker is given up. */
const hopelessStarts = 8;
/** How long other nodes may take to send what their workers have printed. */
const farLogsMs = 1000;

export interface AgentParts {
  readonly options: AgentOptions;
  readonly node: number;
  /** The program that the agent belongs to. */
  readonly job: JobInfo | null;
  readonly driver: Link | null;
  readonly store: StoreServer;
  readonly storePath: string;
  /** Null in a local cluster. */
  readonly joinCluster: ((port: ClusterPort) => ClusterNode) | null;
  readonly startWorker: StartWorker;
  /** Where workers connect; "" when they are children of this process. */
  readonly agentPath: string;
  answerCode(request: unknown): Promise<unknown>;
  /** The agent is to end. `isOver`: so has its cluster. */
  end(reason: string, isOver: boolean): void;
}

export class Agent {
  readonly #parts: AgentParts;
  readonly #leases: NodeLeases;
  readonly #head: HeadConnection;
  readonly #cluster: ClusterNode | null;
  readonly #processes = new Processes();
  readonly #far: FarQuestions;
  readonly #instructions: LeaseInstructions;
  readonly #workers: Workers;
  readonly #outputs: Outputs;
  readonly #fit: LocalFit;
  readonly #driver: number;
  readonly startedAtMs = Date.now();

  constructor(parts: AgentParts) {
    const { options, node, driver, store, storePath, job } = parts;
    this.#parts = parts;
    this.#driver = driver === null ? 0 : driverNumber(node);
    if (driver !== null)
      this.#processes.add({ number: this.#driver, link: driver, pid: options.driver?.pid ?? 0, path: "" });
    this.#outputs = new Outputs({
      send: (process, message) => this.#toMember(process, message),
      queuedBytes: (process) => this.#processes.get(process)?.link.queuedBytes ?? 0,
    });
    this.#workers = new Workers({
      options,
      store,
      storePath,
      startWorker: parts.startWorker,
      agentPath: parts.agentPath,
      processes: this.#processes,
      outputs: this.#outputs,
      jobInfo: (key) => this.#jobInfo(key),
      foreignCode: (number, { job: key, hostId, root, version }) =>
        this.#cluster?.code.forWorker(number, key, hostId, root, version) ?? null,
      message: (peer, chunk, start, end) => this.#message(peer, chunk, start, end),
      started: (number, { job: each }) => this.#cluster?.jobs.runsIn(number, each),
      ended: (number, reason) => this.#processEnded(number, reason),
      cannotStart: (count, reason) => this.#cannotStart(count, reason),
    });
    this.#leases = new NodeLeases(
      {
        total: options.resources,
        maxWorkers: options.maxWorkers,
        firstWorker: firstWorkerNumber(node),
        idleWorkers: Math.max(1, options.startWorkers),
      },
      (instruction) => this.#instructions.perform(instruction),
    );
    this.#cluster = parts.joinCluster === null ? null : parts.joinCluster(this.#clusterPort());
    this.#fit = new LocalFit(options, (process, message) =>
      this.#processes.send(process === 0 ? this.#driver : process, message),
    );
    this.#head = this.#cluster ?? new LocalHead(this.#fit, (message) => this.#fromHead(message));
    this.#instructions = new LeaseInstructions({
      node,
      driver: this.#driver,
      processes: this.#processes,
      workers: this.#workers,
      cluster: this.#cluster,
      head: this.#head,
    });
    this.#far = new FarQuestions(node, this.#processes, this.#cluster);
    if (job !== null) this.#cluster?.jobs.runsIn(job.job, job.job);
  }

  /** The store is full: every process is to let go of its garbage. */
  askToCollect(): void {
    this.#processes.sendAll({ t: "collect" });
  }

  async start(): Promise<void> {
    await this.#cluster?.start();
    this.#leases.start(this.#parts.options.startWorkers);
  }

  // messages

  /** A control frame of the driver. */
  fromDriver(chunk: Buffer, start: number, end: number): void {
    const driver = this.#processes.get(this.#driver);
    if (driver !== undefined) this.#message(driver, chunk, start, end);
  }

  #message(peer: Peer, chunk: Buffer, start: number, end: number): void {
    const message = unpackMessage(chunk, start, end) as ToAgent;
    const owner = peer.number;
    switch (message.t) {
      case "listening":
        this.#processes.listens(peer, message.path);
        if (owner === this.#driver) break;
        this.#workers.listens();
        this.#lease({ type: "worker ready", worker: owner });
        break;
      case "demand":
        this.#demand(owner, message);
        break;
      case "release": {
        const { worker, lease, isLost, shape } = message;
        if (this.#cluster?.leases.released(owner, worker, lease, shape, isLost) === true) break;
        this.#lease({ type: "released", owner, worker, lease, isLost });
        break;
      }
      case "blocked":
        this.#lease({ type: "worker blocked", worker: owner, blocked: message.blocked });
        break;
      case "address":
        this.#far.address({ peer, id: message.id }, message.process);
        break;
      case "death reason":
        this.#far.deathReason({ peer, id: message.id }, message.process);
        break;
      case "replace":
        if (this.#isNear(message.worker)) this.#workers.kill(message.worker, message.reason);
        else this.#cluster?.send(nodeOf(message.worker), message);
        break;
      case "retire":
        this.#workers.retires(owner, message.reason);
        break;
      case "create actor":
      case "actor address":
      case "get actor":
      case "list actors":
      case "hold actor":
      case "drop actor":
      case "actor constructed":
        this.#head.sendHead({ ...message, process: owner });
        break;
      case "supply actor":
      case "abandon actor":
      case "kill actor":
        this.#head.sendHead(message);
        break;
      case "log":
        this.#outputs
          .of(this.#jobOf(owner))
          .write(owner, message.stream, message.label, peer.pid, message.text);
        break;
      case "flush logs":
        this.#flushLogs(this.#jobOf(owner), () => this.#processes.reply({ peer, id: message.id }, null));
        break;
      case "flushed":
        this.#outputs.of(this.#jobOf(owner)).flushed(owner);
        break;
      case "status":
        void this.clusterStatus().then((status) => this.#processes.reply({ peer, id: message.id }, status));
        break;
      case "hold object":
      case "fetch object":
      case "release object":
      case "free object":
        this.#far.object(peer, message);
        break;
    }
  }

  #demand(owner: number, message: Extract<ToAgent, { t: "demand" }>): void {
    const { shape, strategy, count } = message;
    const resources = sanitizeResources(message.resources);
    if (this.#cluster === null) {
      if (strategy === "" || this.#fit.mayRun(owner, shape, strategy))
        this.#lease({ type: "demand", owner, resources, count, tag: strategy });
    } else this.#cluster.leases.demand(owner, this.#jobOf(owner), resources, shape, strategy, count);
  }

  #isNear(process: number): boolean {
    return nodeOf(process) === this.#parts.node;
  }

  /** Process number of the driver whose program a process of this node belongs to. */
  #jobOf(process: number): number {
    return this.#workers.jobOf(process) ?? this.#driver;
  }

  #jobInfo(key: string): JobInfo | Promise<JobInfo> {
    const { job } = this.#parts;
    if (key === "" || this.#cluster === null) {
      if (job === null) throw new IonoError("Internal", "a worker for no program");
      return job;
    }
    return this.#cluster.jobs.known(Number(key)) ?? this.#cluster.jobs.info(Number(key));
  }

  // processes

  #processEnded(number: number, reason: string): void {
    if (this.#cluster === null) this.#head.sendHead({ t: "process ended", process: number, reason });
    else this.#cluster.processEnded(number, reason);
    this.#lease({ type: "worker ended", worker: number });
    this.#processes.sendAll({ t: "process ended", process: number, reason });
    this.#cluster?.jobs.processEnded(number);
  }

  /** Said at the first failure in a row, the second, the fourth …: tasks wait, and people should know for what. */
  #cannotStart(count: number, reason: string): void {
    if (count % hopelessStarts === 0) {
      this.#processes.sendAll({ t: "cannot start", reason });
      this.#cluster?.leases.cannotStart(reason);
      this.#head.sendHead({ t: "cannot start", node: this.#parts.node, reason });
    }
    if ((count & (count - 1)) !== 0) return;
    const times = count === 1 ? "" : ` (${count} in a row)`;
    const text = `iono: a worker could not start${times}: ${reason}\n`;
    if (this.#driver === 0) process.stderr.write(text);
    else
      this.#processes.send(this.#driver, {
        t: "log",
        stream: "stderr",
        label: "agent",
        pid: process.pid,
        text,
      });
  }

  /** To a process of this node, or a line that was printed to a driver elsewhere. */
  #toMember(process: number, message: FromAgent): void {
    if (this.#isNear(process)) this.#processes.send(process, message);
    else if (message.t === "log")
      this.#cluster?.send(nodeOf(process), { ...message, driver: process, node: this.#cluster.name });
  }

  #flushLogs(job: number, done: () => void): void {
    const far = this.#isNear(job)
      ? (this.#cluster?.flushLogs(job, farLogsMs) ?? Promise.resolve())
      : Promise.resolve();
    this.#outputs.of(job).flush(() => void far.then(done));
  }

  // leases

  #lease(event: LeaseEvent): void {
    this.#leases.handle(event);
    this.#cluster?.useChanged();
  }

  // the head

  #fromHead(message: FromHead): void {
    switch (message.t) {
      case "reply": {
        const { process, id, value, error } = message;
        this.#processes.send(process, { t: "reply", id, value, ...(error === undefined ? {} : { error }) });
        break;
      }
      case "actor at": {
        const { process, id, host: number } = message;
        const host = this.#processes.get(number);
        const path = this.#isNear(number) ? (host?.path ?? "") : (this.#cluster?.relayPath ?? "");
        this.#processes.send(process, {
          t: "reply",
          id,
          value: { process: number, path, pid: host?.pid ?? 0 },
        });
        break;
      }
      case "place actor":
        this.#lease({
          type: "actor requested",
          request: message.actor,
          placement: sanitizeResources(message.placement),
          running: sanitizeResources(message.running),
          job: this.#cluster === null ? "" : String(message.job),
          detached: message.detached,
        });
        break;
      case "withdraw actor":
        this.#lease({ type: "actor withdrawn", request: message.actor });
        break;
      case "host actor":
        this.#processes.send(message.process, { t: "host actor", actor: message.actor });
        break;
      case "end process":
        if (message.force) this.#workers.kill(message.process, message.reason);
        else this.#endGently(message.process, message.reason);
        break;
    }
  }

  /** Lets an actor's process run its exit handlers; one that computes without end is killed after its grace. */
  #endGently(process: number, reason: string): void {
    this.#processes.send(process, { t: "stop", reason });
    setTimeout(() => this.#workers.kill(process, reason), limits.cancelGrace.value).unref();
  }

  // other nodes

  #clusterPort(): ClusterPort {
    const { options, answerCode, end } = this.#parts;
    return {
      secret: options.secret,
      lease: (event) => this.#lease(event),
      deliver: (process, message) => this.#processes.send(process, message),
      deliverAll: (message) => this.#processes.sendAll(message),
      fromHead: (message) => this.#fromHead(message),
      pathOf: (process) => this.#processes.get(process)?.path,
      deathReason: (process) => this.#processes.whenEnded(process),
      kill: (worker, reason) => this.#workers.kill(worker, reason),
      jobEnded: (job) => {
        this.#lease({ type: "job ended", job: String(job) });
        this.#outputs.forget(job);
      },
      flushLogs: (job, done) => this.#outputs.of(job).flush(done),
      use: () => ({
        available: this.#leases.machine.unclaimed(),
        queued: this.#leases.machine.unserved(),
      }),
      status: () => this.status(),
      answerCode,
      end,
    };
  }

  // what people ask

  status(): object {
    const { options, node, store } = this.#parts;
    return describeNode({
      options,
      node,
      name: this.#cluster?.name ?? "local",
      startedAtMs: this.startedAtMs,
      leases: this.#leases.machine,
      workers: this.#workers.all,
      actors: this.#head.livingActors(),
      store: store.stats(),
      moved: this.#cluster?.transfers.stats() ?? { receivedBytes: 0, sentBytes: 0 },
    });
  }

  /** The nodes of the whole cluster. */
  clusterStatus(): Promise<object> {
    return this.#cluster === null ? Promise.resolve(this.status()) : this.#cluster.status(this.status());
  }

  /** Kills every worker, leaves the cluster. Resolves when all have ended; the agent exits then. */
  async stop(reason: string): Promise<void> {
    await Promise.all([this.#workers.stop(reason), this.#cluster?.close(reason)]);
  }
}
