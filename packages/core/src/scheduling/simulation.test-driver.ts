/** Nodes with leases, agents with routers and owners with tasks, in steps of 10 ms: how the parts act together. */
import { nodeOf, processNumber } from "../ids.ts";
import type { LeaseInstruction } from "../machines/lease-events.ts";
import { leaseKey } from "../machines/lease-events.ts";
import { LeaseMachine } from "../machines/lease.ts";
import type { ResourceVector } from "../resources.ts";
import type { NodeChange } from "./node-view.ts";
import { DemandRouter } from "./router.ts";
import type { RouterEvent, RouterInstruction } from "./router-events.ts";
import { ClusterView } from "./view.ts";

const stepMs = 10;
const workerStartMs = 250;
/** Between nodes, and from a node to the views of others. */
const messageMs = 10;
const viewMs = 50;

interface Lease {
  readonly worker: number;
  readonly lease: number;
  /** When its task ends; 0: it has none. */
  busyUntil: number;
  isRecalled: boolean;
}

export interface Work {
  readonly resources: ResourceVector;
  readonly strategy?: string;
  readonly job?: string;
  readonly count: number;
  readonly taskMs: number;
}

/** Does as the lease pools of owners do: tells its demand in doublings, gives a worker one task at a time. */
class SimulatedOwner {
  readonly leases: Lease[] = [];
  readonly key: string;
  readonly ranOn = new Map<number, number>();
  readonly number: number;
  readonly work: Work;
  waiting: number;
  done = 0;
  told = 0;
  endedMs = -1;

  constructor(number: number, work: Work) {
    this.number = number;
    this.work = work;
    this.waiting = work.count;
    this.key = leaseKey(work.resources, work.strategy);
  }
}

class SimulatedNode {
  readonly number: number;
  readonly leases: LeaseMachine;
  readonly view: ClusterView;
  readonly router: DemandRouter;
  told = "";

  constructor(number: number, total: ResourceVector) {
    this.number = number;
    this.leases = new LeaseMachine({
      total,
      maxWorkers: 64,
      firstWorker: processNumber(number, 1000),
      idleWorkers: 2,
    });
    this.view = new ClusterView({ local: number });
    this.view.own({ total, available: total });
    this.router = new DemandRouter(this.view, { local: number, seed: number });
  }
}

export class Simulation {
  readonly nodes = new Map<number, SimulatedNode>();
  readonly owners = new Map<number, SimulatedOwner>();
  readonly #totals = new Map<number, ResourceVector>();
  /** What happens at which step. */
  readonly #later = new Map<number, (() => void)[]>();
  now = 0;
  /** Shares told to other nodes. */
  messages = 0;
  #version = 1;

  constructor(totals: readonly ResourceVector[]) {
    totals.forEach((total, at) => this.#totals.set(at + 1, total));
    for (const [number, total] of this.#totals) this.nodes.set(number, new SimulatedNode(number, total));
    for (const node of this.nodes.values()) node.view.apply(this.#whole());
  }

  /** A node more. */
  join(total: ResourceVector): void {
    const number = this.#totals.size + 1;
    this.#totals.set(number, total);
    const node = new SimulatedNode(number, total);
    node.view.apply(this.#whole());
    this.nodes.set(number, node);
    this.#change({ node: number, total, available: total });
  }

  /** A driver on a node submits work, all at once. */
  submit(node: number, work: Work): SimulatedOwner {
    const owner = new SimulatedOwner(processNumber(node, this.owners.size + 1), work);
    this.owners.set(owner.number, owner);
    this.#tell(owner);
    return owner;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += stepMs;
      const due = this.#later.get(this.now) ?? [];
      this.#later.delete(this.now);
      for (const each of due) each();
      for (const node of this.nodes.values()) this.#step(node);
      for (const owner of this.owners.values()) this.#work(owner);
    }
  }

  /** Runs until all work is done. Returns how long that took in ms. */
  finish(mostMs: number): number {
    const start = this.now;
    const isDone = (): boolean => [...this.owners.values()].every(({ endedMs }) => endedMs >= 0);
    while (!isDone()) {
      if (this.now - start > mostMs) {
        const left = [...this.owners.values()].map(({ work, done }) => `${done} of ${work.count}`);
        throw new Error(`after ${mostMs} ms: ${left.join(", ")} are done`);
      }
      this.run(stepMs);
    }
    return this.now - start;
  }

  #step(node: SimulatedNode): void {
    if (node.leases.wantsTicks) this.#obey(node, node.leases.handle({ type: "tick" }));
    node.leases.check();
    if (this.now % 50 === 0 && node.router.wantsTicks) this.#route(node, { type: "tick", now: this.now });
    const available = node.leases.unclaimed();
    const queued = node.leases.unserved();
    const told = JSON.stringify([available, queued]);
    if (told === node.told) return;
    node.told = told;
    node.view.own({ available, queued });
    this.#after(viewMs, () => this.#change({ node: node.number, available, queued }));
  }

  #work(owner: SimulatedOwner): void {
    for (const lease of [...owner.leases]) {
      if (lease.busyUntil > this.now) continue;
      if (lease.busyUntil > 0) owner.done++;
      lease.busyUntil = 0;
      if (lease.isRecalled) this.#release(owner, lease);
      else if (owner.waiting > 0) {
        owner.waiting--;
        const node = nodeOf(lease.worker);
        owner.ranOn.set(node, (owner.ranOn.get(node) ?? 0) + 1);
        lease.busyUntil = this.now + owner.work.taskMs;
      }
    }
    if (owner.done < owner.work.count || owner.endedMs >= 0) return;
    owner.endedMs = this.now;
    this.#demand(owner, 0);
    for (const lease of [...owner.leases]) this.#release(owner, lease);
  }

  #tell(owner: SimulatedOwner): void {
    for (let count = 1; count < owner.work.count; count *= 2) this.#demand(owner, count);
    this.#demand(owner, owner.work.count);
  }

  #demand(owner: SimulatedOwner, count: number): void {
    const node = this.#node(nodeOf(owner.number));
    const { resources, strategy = "", job = "" } = owner.work;
    const { key, number } = owner;
    this.#route(node, { type: "demand", owner: number, key, resources, strategy, job, count, now: this.now });
  }

  #release(owner: SimulatedOwner, lease: Lease): void {
    owner.leases.splice(owner.leases.indexOf(lease), 1);
    const { worker } = lease;
    const home = this.#node(nodeOf(owner.number));
    this.#route(home, { type: "released", owner: owner.number, key: owner.key, worker, now: this.now });
    const event = {
      type: "released",
      owner: owner.number,
      worker,
      lease: lease.lease,
      isLost: false,
    } as const;
    this.#send(home, nodeOf(worker), (node) => this.#obey(node, node.leases.handle(event)));
  }

  #route(node: SimulatedNode, event: RouterEvent): void {
    const said = node.router.handle(event);
    node.router.check();
    for (const each of said) this.#routed(node, each);
  }

  #routed(from: SimulatedNode, said: RouterInstruction): void {
    if (said.type !== "set demand") return;
    const { owner, resources, strategy: tag, job, count } = said;
    if (said.node !== from.number) this.messages++;
    this.#send(from, said.node, (node) =>
      this.#obey(node, node.leases.handle({ type: "demand", owner, resources, tag, job, count })),
    );
  }

  #obey(node: SimulatedNode, instructions: readonly LeaseInstruction[]): void {
    for (const each of instructions) {
      switch (each.type) {
        case "spawn":
          this.#after(workerStartMs, () =>
            this.#obey(node, node.leases.handle({ type: "worker ready", worker: each.worker })),
          );
          break;
        case "stop":
          this.#after(stepMs, () =>
            this.#obey(node, node.leases.handle({ type: "worker ended", worker: each.worker })),
          );
          break;
        case "grant":
          this.#send(node, nodeOf(each.owner), (home) => {
            const owner = this.owners.get(each.owner);
            if (owner === undefined) return;
            this.#route(home, { type: "granted", owner: each.owner, key: each.shape, worker: each.worker });
            owner.leases.push({ worker: each.worker, lease: each.lease, busyUntil: 0, isRecalled: false });
          });
          break;
        case "recall":
          this.#send(node, nodeOf(each.owner), () => {
            const leases = this.owners.get(each.owner)?.leases ?? [];
            const lease = leases.find((one) => one.lease === each.lease && one.worker === each.worker);
            if (lease !== undefined) lease.isRecalled = true;
          });
          break;
        default:
          break;
      }
    }
  }

  #send(from: SimulatedNode, to: number, arrives: (node: SimulatedNode) => void): void {
    const node = this.#node(to);
    if (from === node) arrives(node);
    else this.#after(messageMs, () => arrives(node));
  }

  #change(change: NodeChange): void {
    const from = this.#version++;
    for (const node of this.nodes.values()) {
      node.view.apply({ epoch: 1, from, to: this.#version, nodes: [change] });
      this.#route(node, { type: "view changed", now: this.now });
    }
  }

  #whole(): { epoch: number; from: number; to: number; nodes: NodeChange[] } {
    const nodes = [...this.#totals].map(([node, total]) => ({ node, total, available: total }));
    return { epoch: 1, from: 0, to: this.#version, nodes };
  }

  #after(ms: number, then: () => void): void {
    const at = this.now + ms;
    const due = this.#later.get(at);
    if (due === undefined) this.#later.set(at, [then]);
    else due.push(then);
  }

  #node(number: number): SimulatedNode {
    const node = this.nodes.get(number);
    if (node === undefined) throw new Error(`no node ${number}`);
    return node;
  }
}
