/** Work of this node's owners on other nodes, and of their owners here: what each node's lease machine is told. */
import {
  DemandRouter,
  nodeOf,
  routerTickMs,
  type ClusterView,
  type NodeMessage,
  type ResourceVector,
  type RouterEvent,
  type RouterInstruction,
} from "@iono/core";
import type { ClusterPort } from "./cluster-port.ts";
import type { Jobs } from "./jobs.ts";

export interface FarLeasesPort {
  readonly node: number;
  readonly view: ClusterView;
  readonly jobs: Jobs;
  readonly agent: ClusterPort;
  /** Where members of this node connect to reach those of others. */
  readonly relayPath: string;
  send(node: number, message: NodeMessage): void;
  roundTripMs(node: number): number | undefined;
}

type Told<T extends NodeMessage["t"]> = Extract<NodeMessage, { t: T }>;

export class FarLeases {
  readonly #port: FarLeasesPort;
  readonly #router: DemandRouter;
  /** Owners of other nodes that may have leases here. */
  readonly #farOwners = new Map<number, Set<number>>();
  #ticking = false;
  #closed = false;

  constructor(port: FarLeasesPort) {
    this.#port = port;
    this.#router = new DemandRouter(port.view, { local: port.node, seed: port.node });
  }

  close(): void {
    this.#closed = true;
  }

  // owners of this node

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
    if (node === this.#port.node) return false;
    this.#port.send(node, { t: "release", owner, worker, lease, isLost });
    return true;
  }

  ownerEnded(owner: number): void {
    this.#route({ type: "owner ended", owner });
  }

  viewChanged(): void {
    this.#route({ type: "view changed", now: performance.now() });
  }

  /** For people: what owners of this node want that no node can hold. */
  unplaced(): { shape: string; count: number }[] {
    const counts = new Map<string, number>();
    for (const { key, unplaced } of this.#router.demands())
      if (unplaced > 0) counts.set(key, (counts.get(key) ?? 0) + unplaced);
    return [...counts].map(([shape, count]) => ({ shape, count }));
  }

  #route(event: RouterEvent): void {
    for (const instruction of this.#router.handle(event)) this.#perform(instruction);
    if (this.#ticking || !this.#router.wantsTicks || this.#closed) return;
    this.#ticking = true;
    setTimeout(() => {
      this.#ticking = false;
      if (!this.#closed) this.#route({ type: "tick", now: performance.now() });
    }, routerTickMs).unref();
  }

  #perform(instruction: RouterInstruction): void {
    const { agent, node: own, jobs } = this.#port;
    switch (instruction.type) {
      case "set demand": {
        const { node, owner, resources, strategy, count, job } = instruction;
        if (node === own) {
          agent.lease({ type: "demand", owner, resources, tag: strategy, job, count });
          break;
        }
        const info = jobs.known(Number(job));
        if (info !== undefined)
          this.#port.send(node, { t: "demand", owner, resources, strategy, count, job: info });
        break;
      }
      case "owner ended":
        if (instruction.node === own) agent.lease({ type: "owner ended", owner: instruction.owner });
        // Others hear of it by "process ended".
        break;
      case "infeasible": {
        const { owner, key, missing, isFinal } = instruction;
        if (isFinal) agent.deliver(owner, { t: "never", shape: key, reason: missing });
        else this.#infeasible(owner, key, missing);
        break;
      }
      case "feasible again":
        break;
    }
  }

  #infeasible(owner: number, shape: string, missing: string): void {
    const { agent, node, jobs } = this.#port;
    const driver = jobs.driverOf(owner);
    if (nodeOf(driver) === node) agent.deliver(driver, { t: "infeasible", shape, missing, actor: 0 });
    else this.#port.send(nodeOf(driver), { t: "infeasible", driver, shape, missing, actor: 0 });
  }

  // what other nodes say; each speaks for its own processes only

  demanded(from: number, { owner, resources, strategy, count, job }: Told<"demand">): void {
    if (nodeOf(owner) !== from) return;
    this.#port.jobs.learn(job);
    const owners = this.#farOwners.get(from);
    if (owners === undefined) this.#farOwners.set(from, new Set([owner]));
    else owners.add(owner);
    const tag = strategy;
    this.#port.agent.lease({ type: "demand", owner, resources, tag, job: String(job.job), count });
  }

  releasedBy(from: number, { owner, worker, lease, isLost }: Told<"release">): void {
    if (nodeOf(owner) === from) this.#port.agent.lease({ type: "released", owner, worker, lease, isLost });
  }

  grantedBy(from: number, { owner, worker, lease, pid, shape }: Told<"grant">): void {
    if (nodeOf(worker) !== from) return;
    this.granted(owner, worker, shape);
    const { relayPath: path, agent } = this.#port;
    const roundTripMs = this.#port.roundTripMs(from) ?? 0;
    agent.deliver(owner, { t: "grant", worker, lease, path, pid, shape, roundTripMs });
  }

  recalledBy(from: number, { owner, worker, lease, shape }: Told<"recall">): void {
    if (nodeOf(worker) === from) this.#port.agent.deliver(owner, { t: "recall", worker, lease, shape });
  }

  processEndedOf(from: number, process: number): void {
    this.#farOwners.get(from)?.delete(process);
    this.#port.agent.lease({ type: "owner ended", owner: process });
  }

  /** Workers of this node end before they begin: who waits for one elsewhere is told. */
  cannotStart(reason: string): void {
    for (const [node, owners] of this.#farOwners)
      this.#port.send(node, { t: "cannot start", owners: [...owners], reason });
  }

  nodeLost(node: number): void {
    for (const owner of this.#farOwners.get(node) ?? [])
      this.#port.agent.lease({ type: "owner ended", owner });
    this.#farOwners.delete(node);
  }
}
