/**
 * What an agent has when it is one of several: links to the head and to other agents, and what is said on them. The
 * agent's own machines hear of other nodes through this; nothing here waits on a node.
 */
import {
  ClusterView,
  frameKinds,
  headNode,
  nodeId,
  nodeOf,
  readViewDelta,
  type ErrorCode,
  type JobInfo,
  type LeftNode,
  type NodeInfo,
  type NodeMessage,
  type NodeReport,
  type ToHead,
  type Welcome,
} from "@iono/core";
import type { Mesh, MeshChannel, MeshEvents } from "../../mesh/network.ts";
import type { StoreServer } from "../../objects/index.ts";
import { Transfers } from "../../objects/transfers.ts";
import { Circuits } from "../circuits.ts";
import type { HeadConnection, LivingActor } from "../head-connection.ts";
import { answerTo } from "./answers.ts";
import type { ClusterPort } from "./cluster-port.ts";
import { clusterStatus } from "./cluster-status.ts";
import { FarLeases } from "./far-leases.ts";
import { ForeignPrograms } from "./foreign-programs.ts";
import { HeadWatch } from "./head-watch.ts";
import { Jobs } from "./jobs.ts";
import { NodeLinks } from "./node-links.ts";
import { Requests } from "./requests.ts";
import { Usage } from "./usage.ts";

export interface ClusterNodeOptions {
  readonly welcome: Welcome;
  readonly report: NodeReport;
  readonly store: StoreServer;
  /** Where packages are found for programs of other machines. */
  readonly directory: string;
  /** The program that this agent belongs to; null for a node without one. */
  readonly job: JobInfo | null;
  readonly port: ClusterPort;
  /** The ways to other nodes, told whom there are. */
  readonly network: { known(info: NodeInfo): void; gone(node: number): void };
  createMesh(events: MeshEvents): Mesh;
}

/** The head drops the link when it has heard that this node leaves: nobody says more. */
const leaveMs = 150;

export class ClusterNode implements HeadConnection {
  readonly node: number;
  readonly name: string;
  readonly #options: ClusterNodeOptions;
  readonly #port: ClusterPort;
  readonly #nodes = new Map<number, NodeInfo>();
  readonly #lost = new Map<number, string>();
  readonly #links: NodeLinks;
  readonly leases: FarLeases;
  readonly circuits: Circuits;
  readonly transfers: Transfers;
  readonly jobs: Jobs;
  readonly code: ForeignPrograms;
  readonly requests: Requests;
  readonly #usage: Usage;
  readonly #view: ClusterView;
  readonly #head = new HeadWatch((reason) => this.#end(reason));
  #relayPath = "";
  #closed = false;

  constructor(options: ClusterNodeOptions) {
    const { welcome, port, store, report } = options;
    this.#options = options;
    this.#port = port;
    this.node = welcome.node;
    this.name = welcome.name;
    this.requests = new Requests((node, message) => this.send(node, message));
    this.jobs = new Jobs(options.job, (job) => this.requests.ask<JobInfo>(nodeOf(job), { t: "job", job }));
    this.code = new ForeignPrograms({
      node: welcome.name,
      hostId: report.hostId,
      secret: port.secret,
      packagesDir: options.directory,
      ask: (job, request) => this.requests.ask(nodeOf(job), { t: "code", job, request }),
    });
    this.#view = new ClusterView({ local: this.node });
    this.#view.own({
      name: this.name,
      total: report.resources,
      available: report.resources,
      labels: report.labels,
      isDraining: report.kind === "driver",
    });
    const mesh = options.createMesh({
      linked: (node, channel, link) => void this.#links.listen(node, channel, link),
      health: (node, health) => {
        if (node === headNode) this.#head.health(health);
      },
    });
    this.#links = new NodeLinks(mesh, {
      message: (node, message) => this.#message(node, message),
      circuitFrame: (node, chunk, start, end) => this.circuits.frame(node, chunk, start, end),
      pieces: (node, payload) => this.transfers.onPieces(node, payload),
      ended: (node, channel) => this.#linkEnded(node, channel),
      drained: (node, channel) => {
        if (channel === "bulk") this.transfers.drained(node);
        else this.circuits.setPaused(node, false);
      },
    });
    const cluster = this;
    this.leases = new FarLeases({
      node: this.node,
      view: this.#view,
      jobs: this.jobs,
      agent: port,
      get relayPath() {
        return cluster.relayPath;
      },
      send: (node, message) => this.send(node, message),
      roundTripMs: (node) => this.#links.roundTripMs(node),
    });
    this.circuits = new Circuits({
      node: this.node,
      secret: port.secret,
      pathOf: (process) => port.pathOf(process),
      link: (node) => this.#links.get(node, "control"),
      opening: (process, node) => this.transfers.meet(process, node),
    });
    this.transfers = new Transfers({
      node: this.node,
      store,
      send: (node, messages) => this.send(node, { t: "object", message: messages }),
      sendPieces: (node, payload) => {
        const link = this.#links.get(node, "bulk");
        return link.closed || link.send("data", frameKinds.piece, payload);
      },
    });
    this.#usage = new Usage(
      () => ({ ...port.use(), isDraining: report.kind === "driver" }),
      (change) => {
        this.#view.own(change);
        this.send(headNode, { t: "usage", change: { ...change, node: this.node } });
      },
    );
  }

  /**
   * Opens what members of this node connect to, and tells the head that this node is there. Resolves when the head has
   * taken it in.
   * @throws IonoError Unreachable.
   */
  async start(): Promise<void> {
    this.#relayPath = await this.circuits.listen();
    await this.code.listen();
    this.send(headNode, { t: "register", info: this.#options.report });
    this.#usage.changed();
    await this.#head.whenRegistered(this.#options.welcome.head.endpoint);
  }

  /** Where members of this node connect to reach those of others. */
  get relayPath(): string {
    return this.#relayPath;
  }

  info(node: number): NodeInfo | undefined {
    return this.#nodes.get(node);
  }

  nodes(): NodeInfo[] {
    return [...this.#nodes.values()];
  }

  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#head.close();
    this.send(headNode, { t: "leave", reason });
    this.#usage.close();
    this.leases.close();
    this.circuits.close();
    this.code.close();
    this.transfers.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, leaveMs)));
    await Promise.race([this.#links.close(), late]);
    clearTimeout(timer);
  }

  // the head

  /** The head beside this node has ended: it cannot say so itself. */
  headLost(reason: string): void {
    for (const node of this.#nodes.keys()) this.send(node, { t: "stop", reason });
  }

  #end(reason: string, isOver = false): void {
    const { job } = this.#options;
    if (job !== null) this.#port.deliver(job.job, { t: "stop", reason });
    this.#port.end(reason, isOver);
  }

  sendHead(message: ToHead): void {
    this.send(headNode, { t: "to head", message });
  }

  livingActors(): LivingActor[] {
    return [];
  }

  /** What is free here has changed. */
  useChanged(): void {
    this.#usage.changed();
  }

  // processes

  /** A process of this node has ended: the head, and all whom that may concern, are told. */
  processEnded(process: number, reason: string): void {
    this.leases.ownerEnded(process);
    this.transfers.processEnded(process);
    this.code.processEnded(process);
    this.sendHead({ t: "process ended", process, reason });
    for (const node of this.#links.nodes())
      if (node !== headNode) this.send(node, { t: "process ended", process, reason });
  }

  /** How a node ended, if it has. */
  lossOf(node: number): string | undefined {
    return this.#lost.get(node);
  }

  /** What workers elsewhere have printed for a program of this node is on its way when it resolves. */
  async flushLogs(job: number, timeoutMs: number): Promise<void> {
    const nodes = this.#links.nodes().filter((node) => this.#nodes.get(node)?.kind === "node");
    const asked = nodes.map((node) => this.requests.ask(node, { t: "flush logs", job }, timeoutMs));
    await Promise.allSettled(asked);
  }

  /** Every node's own account, and the links of this one. */
  status(own: object): Promise<object> {
    const { welcome, report } = this.#options;
    return clusterStatus(own, {
      welcome,
      isDriver: report.kind === "driver",
      others: this.nodes(),
      links: this.#links,
      requests: this.requests,
      unplaced: this.leases.unplaced(),
    });
  }

  // messages

  send(node: number, message: NodeMessage): void {
    this.#links.send(node, message);
  }

  #linkEnded(node: number, channel: MeshChannel): void {
    if (this.#closed) return;
    if (node !== headNode) this.transfers.nodeForgot(node);
    if (channel !== "control") return;
    if (node === headNode) this.#end("the head has lost this node's state, or has ended");
    else {
      this.circuits.nodeLost(node);
      this.requests.nodeLost(node, `the link to ${nodeId(node)} has ended`);
    }
  }

  #message(from: number, message: NodeMessage): void {
    switch (message.t) {
      case "demand":
        this.leases.demanded(from, message);
        break;
      case "release":
        this.leases.releasedBy(from, message);
        break;
      case "grant":
        this.leases.grantedBy(from, message);
        break;
      case "recall":
        this.leases.recalledBy(from, message);
        break;
      case "replace":
        this.#port.kill(message.worker, message.reason);
        break;
      case "cannot start":
        for (const owner of message.owners)
          this.#port.deliver(owner, { t: "cannot start", reason: message.reason });
        break;
      case "process ended":
        if (nodeOf(message.process) !== from) break;
        this.leases.processEndedOf(from, message.process);
        this.#port.deliverAll({ t: "process ended", process: message.process, reason: message.reason });
        break;
      case "address":
      case "death reason":
      case "job":
      case "flush logs":
      case "code":
      case "status":
        void this.requests.answerWith(from, message.id, answerTo(message, this.#port, this.jobs));
        break;
      case "answer":
        this.requests.answered(
          message.id,
          message.value,
          message.error as { code: ErrorCode; message: string },
        );
        break;
      case "log": {
        const { driver, node, stream, label, pid, text } = message;
        this.#port.deliver(driver, { t: "log", stream, label, pid, node, text });
        break;
      }
      case "infeasible":
        if (message.missing !== "")
          this.#port.deliver(message.driver, {
            t: "infeasible",
            shape: message.shape,
            missing: message.missing,
            actor: message.actor,
          });
        break;
      case "object":
        this.transfers.onMessages(from, message.message);
        break;
      case "stop":
        this.#end(`the cluster has ended: ${message.reason}`, true);
        break;
      default:
        if (from === headNode) this.#fromHead(message);
    }
  }

  #fromHead(message: NodeMessage): void {
    switch (message.t) {
      case "from head":
        this.#port.fromHead(message.message);
        break;
      case "view": {
        const delta = readViewDelta(message.delta);
        if (delta === undefined) break;
        if (this.#view.apply(delta) === "gap") this.send(headNode, { t: "view wanted" });
        else this.leases.viewChanged();
        break;
      }
      case "nodes":
        this.#head.registered();
        for (const info of message.joined) if (info.node !== this.node) this.#nodeJoined(info);
        for (const left of message.left) this.#nodeLeft(left);
        break;
      case "fenced":
        this.#end(message.reason);
        break;
      default:
        break;
    }
  }

  #nodeJoined(info: NodeInfo): void {
    this.#nodes.set(info.node, info);
    this.#options.network.known(info);
  }

  #nodeLeft({ node, name, reason }: LeftNode): void {
    const info = this.#nodes.get(node);
    this.#nodes.delete(node);
    const text = `node ${name} is gone: ${reason}`;
    this.#lost.set(node, text);
    this.requests.nodeLost(node, text);
    this.#options.network.gone(node);
    this.#links.forget(node);
    this.circuits.nodeLost(node);
    this.transfers.nodeLost(node, text, info?.kind === "driver");
    this.leases.nodeLost(node);
    this.#port.deliverAll({ t: "node ended", node, reason: text });
    if (info?.kind !== "driver") return;
    for (const job of this.jobs.ofNode(node)) {
      // Its detached actors live on, and may submit work: what is known of it is kept.
      this.#port.jobEnded(job);
      this.code.forget(job);
    }
  }
}
