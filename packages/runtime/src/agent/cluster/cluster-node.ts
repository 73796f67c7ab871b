/**
 * What an agent has when it is one of several: links to the head and to other agents, and what is said on them. The
 * agent's own machines hear of other nodes through this; nothing here waits on a node.
 */
import {
  ClusterView,
  DemandRouter,
  frameKinds,
  headNode,
  IonoError,
  nodeOf,
  readViewDelta,
  routerTickMs,
  type ErrorCode,
  type FromAgent,
  type FromHead,
  type JobInfo,
  type LeaseEvent,
  type LeftNode,
  type NodeInfo,
  type NodeMessage,
  type NodeReport,
  type ResourceVector,
  type RouterEvent,
  type RouterInstruction,
  type ToHead,
  type Welcome,
} from "@iono/core";
import type { Link } from "../../links/link.ts";
import type { Mesh, MeshEvents } from "../../mesh/network.ts";
import type { StoreServer } from "../../objects/index.ts";
import { Transfers } from "../../objects/transfers.ts";
import { packMessage, unpackMessage } from "../../owner/payload.ts";
import { Circuits } from "../circuits.ts";
import type { HeadConnection, LivingActor } from "../head-connection.ts";
import type { ClusterPort } from "./cluster-port.ts";
import { Jobs } from "./jobs.ts";
import { Requests } from "./requests.ts";
import { Usage } from "./usage.ts";

export interface ClusterNodeOptions {
  readonly welcome: Welcome;
  readonly report: NodeReport;
  readonly store: StoreServer;
  /** The program that this agent belongs to; null for a node without one. */
  readonly job: JobInfo | null;
  readonly port: ClusterPort;
  /** The ways to other nodes, told whom there are. */
  readonly network: { known(info: NodeInfo): void; gone(node: number): void };
  createMesh(events: MeshEvents): Mesh;
}

const leaveMs = 500;
const statusMs = 2000;

export class ClusterNode implements HeadConnection {
  readonly node: number;
  readonly name: string;
  readonly #options: ClusterNodeOptions;
  readonly #port: ClusterPort;
  readonly #mesh: Mesh;
  readonly #links = new Map<number, Link>();
  readonly #bulkLinks = new Map<number, Link>();
  readonly #nodes = new Map<number, NodeInfo>();
  readonly #lost = new Map<number, string>();
  /** Owners of other nodes that may have leases here. */
  readonly #farOwners = new Map<number, Set<number>>();
  readonly circuits: Circuits;
  readonly transfers: Transfers;
  readonly jobs: Jobs;
  readonly requests: Requests;
  readonly #usage: Usage;
  readonly #view: ClusterView;
  readonly #router: DemandRouter;
  #ticking = false;
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
    this.#view = new ClusterView({ local: this.node });
    this.#view.own({
      name: this.name,
      total: report.resources,
      available: report.resources,
      labels: report.labels,
      isDraining: report.kind === "driver",
    });
    this.#router = new DemandRouter(this.#view, { local: this.node, seed: this.node });
    this.#mesh = options.createMesh({
      linked: (node, channel, link) => this.#listen(node, channel, link),
      health: () => {},
    });
    this.circuits = new Circuits({
      node: this.node,
      secret: port.secret,
      pathOf: (process) => port.pathOf(process),
      link: (node) => this.#link(node),
      opening: (process, node) => this.transfers.meet(process, node),
    });
    this.transfers = new Transfers({
      node: this.node,
      store,
      send: (node, messages) => this.send(node, { t: "object", message: messages }),
      sendPieces: (node, payload) => {
        const link = this.#bulk(node);
        return link.closed || link.send("data", frameKinds.piece, payload);
      },
      onWarning: (message) => process.stderr.write(`iono: ${message}\n`),
    });
    this.#usage = new Usage(
      () => ({ ...port.use(), isDraining: report.kind === "driver" }),
      (change) => {
        this.#view.own(change);
        this.send(headNode, { t: "usage", change: { ...change, node: this.node } });
      },
    );
  }

  /** Opens what members of this node connect to, and tells the head that this node is there. */
  async start(): Promise<void> {
    this.#relayPath = await this.circuits.listen();
    this.send(headNode, { t: "register", info: this.#options.report });
    this.#usage.changed();
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
    this.send(headNode, { t: "leave", reason });
    this.#usage.close();
    this.circuits.close();
    this.transfers.close();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, leaveMs)));
    await Promise.race([this.#mesh.close(), late]);
    clearTimeout(timer);
  }

  // the head

  sendHead(message: ToHead): void {
    this.send(headNode, { t: "to head", message });
  }

  livingActors(): LivingActor[] {
    return [];
  }

  // leases across nodes

  /** An owner of this node wants so many of a shape. */
  demand(
    owner: number,
    job: number,
    resources: ResourceVector,
    shape: string,
    strategy: string,
    count: number,
  ): void {
    const now = performance.now();
    this.#route({ type: "demand", owner, key: shape, resources, strategy, job: String(job), count, now });
  }

  /** A worker was granted to an owner of this node. */
  granted(owner: number, worker: number, shape: string): void {
    this.#route({ type: "granted", owner, key: shape, worker });
  }

  /** An owner of this node gives a worker back. True when that is another node's. */
  released(owner: number, worker: number, lease: number, shape: string, isLost: boolean): boolean {
    this.#route({ type: "released", owner, key: shape, worker, now: performance.now() });
    const node = nodeOf(worker);
    if (node === this.node) return false;
    this.send(node, { t: "release", owner, worker, lease, isLost });
    return true;
  }

  #route(event: RouterEvent): void {
    for (const instruction of this.#router.handle(event)) this.#routed(instruction);
    if (this.#ticking || !this.#router.wantsTicks || this.#closed) return;
    this.#ticking = true;
    setTimeout(() => {
      this.#ticking = false;
      this.#route({ type: "tick", now: performance.now() });
    }, routerTickMs).unref();
  }

  #routed(instruction: RouterInstruction): void {
    switch (instruction.type) {
      case "set demand": {
        const { node, owner, resources, strategy, count } = instruction;
        const job = Number(instruction.job);
        if (node === this.node)
          this.#port.lease({ type: "demand", owner, resources, tag: strategy, job: instruction.job, count });
        else
          void this.jobs.info(job).then(
            (info) => this.send(node, { t: "demand", owner, resources, strategy, count, job: info }),
            () => {},
          );
        break;
      }
      case "owner ended":
        if (instruction.node === this.node)
          this.#port.lease({ type: "owner ended", owner: instruction.owner });
        // Others hear of it by "process ended".
        break;
      case "infeasible":
        this.#infeasible(instruction.owner, instruction.key, instruction.missing);
        if (instruction.isFinal)
          this.#port.deliver(instruction.owner, {
            t: "never",
            shape: instruction.key,
            reason: instruction.missing,
          });
        break;
      case "feasible again":
        break;
    }
  }

  #infeasible(owner: number, shape: string, missing: string): void {
    const driver = this.jobs.driverOf(owner);
    if (nodeOf(driver) === this.node)
      this.#port.deliver(driver, { t: "infeasible", shape, missing, actor: 0 });
    else this.send(nodeOf(driver), { t: "infeasible", driver, shape, missing, actor: 0 });
  }

  /** What is free here has changed. */
  useChanged(): void {
    this.#usage.changed();
  }

  // processes

  /** A process of this node has ended: the head, and all whom that may concern, are told. */
  processEnded(process: number, reason: string): void {
    this.#route({ type: "owner ended", owner: process });
    this.transfers.processEnded(process);
    this.sendHead({ t: "process ended", process, reason });
    for (const node of this.#links.keys())
      if (node !== headNode) this.send(node, { t: "process ended", process, reason });
  }

  /** How a node ended, if it has. */
  lossOf(node: number): string | undefined {
    return this.#lost.get(node);
  }

  /** What workers elsewhere have printed for a program of this node is on its way when it resolves. */
  async flushLogs(job: number, timeoutMs: number): Promise<void> {
    const nodes = [...this.#links.keys()].filter((node) => this.#nodes.get(node)?.kind === "node");
    const asked = nodes.map((node) => this.requests.ask(node, { t: "flush logs", job }, timeoutMs));
    await Promise.allSettled(asked);
  }

  /** Every node's own account. */
  async status(own: { nodes?: unknown[] }): Promise<object> {
    const others = this.nodes().filter(({ kind }) => kind === "node");
    const told = await Promise.allSettled(
      others.map(({ node }) => this.requests.ask<{ nodes?: unknown[] }>(node, { t: "status" }, statusMs)),
    );
    const nodes: unknown[] = [];
    for (const each of [own, ...told.map((one) => (one.status === "fulfilled" ? one.value : null))]) {
      const listed = each?.nodes;
      if (listed !== undefined) nodes.push(...listed);
    }
    return { ...own, nodes };
  }

  // messages

  send(node: number, message: NodeMessage): void {
    if (this.#lost.has(node)) return;
    const link = this.#link(node);
    if (!link.closed) link.send("control", frameKinds.mesh, packMessage(message));
  }

  #link(node: number): Link {
    const known = this.#links.get(node);
    if (known !== undefined && !known.closed) return known;
    return this.#listen(node, "control", this.#mesh.link(node, "control"));
  }

  #bulk(node: number): Link {
    const known = this.#bulkLinks.get(node);
    if (known !== undefined && !known.closed) return known;
    return this.#listen(node, "bulk", this.#mesh.link(node, "bulk"));
  }

  #listen(node: number, channel: "control" | "bulk", link: Link): Link {
    const links = channel === "control" ? this.#links : this.#bulkLinks;
    links.set(node, link);
    link.listen({
      frame: (kind, chunk, start, end) => {
        if (kind === frameKinds.circuit) this.circuits.frame(node, chunk, start, end);
        else if (kind === frameKinds.piece) this.transfers.onPieces(node, chunk.subarray(start, end));
        else if (kind === frameKinds.mesh)
          this.#message(node, unpackMessage(chunk, start, end) as NodeMessage);
      },
      closed: () => {
        if (links.get(node) === link) links.delete(node);
        if (channel === "control") this.#linkEnded(node);
      },
      drained: () => {
        if (channel === "bulk") this.transfers.drained(node);
        else this.circuits.setPaused(node, false);
      },
    });
    return link;
  }

  #linkEnded(node: number): void {
    if (this.#closed) return;
    if (node === headNode) this.#port.end("the head has lost this node's state, or has ended");
    else this.circuits.nodeLost(node);
  }

  #message(from: number, message: NodeMessage): void {
    switch (message.t) {
      case "demand": {
        const { owner, resources, strategy, count, job } = message;
        if (nodeOf(owner) !== from) break;
        this.jobs.learn(job);
        const owners = this.#farOwners.get(from);
        if (owners === undefined) this.#farOwners.set(from, new Set([owner]));
        else owners.add(owner);
        this.#port.lease({ type: "demand", owner, resources, tag: strategy, job: String(job.job), count });
        break;
      }
      case "release": {
        const { owner, worker, lease, isLost } = message;
        if (nodeOf(owner) !== from) break;
        this.#port.lease({ type: "released", owner, worker, lease, isLost });
        break;
      }
      case "replace":
        this.#port.kill(message.worker, message.reason);
        break;
      case "grant": {
        const { owner, worker, lease, pid, shape } = message;
        if (nodeOf(worker) !== from) break;
        this.granted(owner, worker, shape);
        const roundTripMs = this.#mesh.roundTripMs(from) ?? 0;
        const path = this.#relayPath;
        this.#port.deliver(owner, { t: "grant", worker, lease, path, pid, shape, roundTripMs });
        break;
      }
      case "recall": {
        const { owner, worker, lease, shape } = message;
        this.#port.deliver(owner, { t: "recall", worker, lease, shape });
        break;
      }
      case "cannot start":
        for (const owner of message.owners)
          this.#port.deliver(owner, { t: "cannot start", reason: message.reason });
        break;
      case "process ended":
        // A node speaks for its own processes only.
        if (nodeOf(message.process) !== from) break;
        this.#farOwners.get(from)?.delete(message.process);
        this.#port.lease({ type: "owner ended", owner: message.process });
        this.#port.deliverAll({ t: "process ended", process: message.process, reason: message.reason });
        break;
      case "address":
        if (this.#port.pathOf(message.process) !== undefined) this.requests.answer(from, message.id, null);
        else
          void this.#port.deathReason(message.process).then((reason) => {
            const text = `process ${message.process} has ended: ${reason}`;
            this.requests.refuse(from, message.id, new IonoError("OwnerDied", text));
          });
        break;
      case "death reason":
        void this.#port
          .deathReason(message.process)
          .then((reason) => this.requests.answer(from, message.id, reason));
        break;
      case "job": {
        const info = this.jobs.known(message.job);
        const gone = new IonoError("OwnerDied", `the program of job ${message.job} is not on this node`);
        if (info === undefined) this.requests.refuse(from, message.id, gone);
        else this.requests.answer(from, message.id, info);
        break;
      }
      case "flush logs":
        this.#port.flushLogs(message.job, () => this.requests.answer(from, message.id, null));
        break;
      case "code":
        void this.#port
          .answerCode(message.request)
          .then((reply) => this.requests.answer(from, message.id, reply));
        break;
      case "status":
        this.requests.answer(from, message.id, this.#port.status());
        break;
      case "answer":
        this.requests.answered(
          message.id,
          message.value,
          message.error as { code: ErrorCode; message: string },
        );
        break;
      case "log": {
        const { driver, stream, label, pid, text } = message;
        this.#port.deliver(driver, { t: "log", stream, label, pid, text });
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
        else this.#route({ type: "view changed", now: performance.now() });
        break;
      }
      case "nodes":
        for (const info of message.joined) if (info.node !== this.node) this.#nodeJoined(info);
        for (const left of message.left) this.#nodeLeft(left);
        break;
      case "fenced":
      case "stop":
        this.#port.end(message.reason);
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
    this.#mesh.forget(node);
    this.circuits.nodeLost(node);
    this.transfers.nodeLost(node, text);
    for (const owner of this.#farOwners.get(node) ?? []) this.#port.lease({ type: "owner ended", owner });
    this.#farOwners.delete(node);
    this.#port.deliverAll({ t: "node ended", node, reason: text });
    if (info?.kind !== "driver") return;
    for (const job of this.jobs.ofNode(node)) {
      this.#port.jobEnded(job);
      this.jobs.forget(job);
    }
  }
}
