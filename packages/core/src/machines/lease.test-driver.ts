/** The shell of the lease machine for tests: owners and workers that answer late, twice and in any order. */
import { expect } from "vitest";
import { missingResource, type ResourceVector } from "../resources.ts";
import {
  leaseKey,
  type LeaseEvent,
  type LeaseInstruction,
  type LeaseSettings,
  type WorkKind,
} from "./lease-events.ts";
import { LeaseMachine } from "./lease.ts";

export const driver = 1;

interface ModelWorker {
  readonly number: number;
  ready: boolean;
  /** The only one that it serves. */
  job: string;
  readonly gpuIds: readonly number[];
  /** Actor it hosts, or 0. */
  actor: number;
  /** It hosts an actor that outlives its job. */
  detached: boolean;
  /** Owners that may send it work. */
  readonly grants: Map<number, { shape: string; lease: number }>;
}

interface ModelDemand {
  readonly resources: ResourceVector;
  readonly count: number;
  readonly kind: WorkKind;
}

interface ModelRequest {
  readonly placement: ResourceVector;
  readonly running: ResourceVector;
  readonly job: string;
  readonly detached: boolean;
}

/** The key of a shape among all jobs. */
function fullKey(name: string, job: string): string {
  return job === "" ? name : `${name} of ${job}`;
}

export class LeaseDriver {
  readonly machine: LeaseMachine;
  readonly settings: LeaseSettings;
  readonly workers = new Map<number, ModelWorker>();
  /** Owner → shape → resources and count, as last told. */
  readonly demands = new Map<number, Map<string, ModelDemand>>();
  /** Actors asked for and not placed. */
  readonly requests = new Map<number, ModelRequest>();
  /** Events that are under way. */
  readonly pending: LeaseEvent[] = [];
  readonly infeasible: Extract<LeaseInstruction, { type: "infeasible" }>[] = [];
  readonly said: LeaseInstruction[] = [];

  constructor(settings: LeaseSettings) {
    this.settings = settings;
    this.machine = new LeaseMachine(settings);
  }

  start(count: number): void {
    this.#obey(this.machine.start(count));
  }

  handle(event: LeaseEvent): LeaseInstruction[] {
    const instructions = this.machine.handle(event);
    this.machine.check();
    this.#obey(instructions);
    return instructions;
  }

  demand(owner: number, resources: ResourceVector, count: number, kind: WorkKind = {}): void {
    const mine = this.demands.get(owner) ?? new Map<string, ModelDemand>();
    this.demands.set(owner, mine);
    mine.set(fullKey(leaseKey(resources, kind.tag), kind.job ?? ""), { resources, count, kind });
    this.handle({ type: "demand", owner, resources, count, ...kind });
  }

  request(
    request: number,
    placement: ResourceVector,
    running: ResourceVector,
    { job = "", detached = false }: { readonly job?: string; readonly detached?: boolean } = {},
  ): void {
    this.requests.set(request, { placement, running, job, detached });
    this.handle({ type: "actor requested", request, placement, running, job, detached });
  }

  /** `kept`: owners that outlive the job. */
  endJob(job: string, kept: readonly number[] = []): void {
    for (const [owner, shapes] of this.demands) {
      for (const [key, { kind }] of [...shapes]) {
        const isDetached = this.workers.get(owner)?.detached === true;
        if (kind.job === job && !kept.includes(owner) && !isDetached) shapes.delete(key);
      }
    }
    for (const [request, { job: of, detached }] of [...this.requests])
      if (of === job && !detached) this.requests.delete(request);
    this.handle({ type: "job ended", job, kept });
  }

  withdraw(request: number): void {
    this.requests.delete(request);
    this.handle({ type: "actor withdrawn", request });
  }

  release(owner: number, worker: number, isLost = false): void {
    const grants = this.workers.get(worker)?.grants;
    const lease = grants?.get(owner)?.lease;
    if (grants === undefined || lease === undefined) return;
    grants.delete(owner);
    this.pending.push({ type: "released", owner, worker, lease, isLost });
  }

  /** The process is gone: what it owned and what it served. */
  die(number: number): void {
    if (!this.workers.delete(number)) return;
    this.demands.delete(number);
    for (const worker of this.workers.values()) worker.grants.delete(number);
    this.handle({ type: "worker ended", worker: number });
    if (number % 2 === 0) this.handle({ type: "worker ended", worker: number });
  }

  /** Delivers one event that is under way; sometimes it comes twice. */
  deliver(pick: number, times = 1): void {
    if (this.pending.length === 0) return;
    const [event] = this.pending.splice(pick % this.pending.length, 1);
    if (event.type === "worker ended") {
      this.die(event.worker);
      return;
    }
    for (let i = 0; i < times; i++) this.handle(event);
    if (event.type === "worker ready") {
      const worker = this.workers.get(event.worker);
      if (worker !== undefined) worker.ready = true;
    }
  }

  deliverAll(): void {
    while (this.pending.length > 0) this.deliver(0);
  }

  feasible(resources: ResourceVector): boolean {
    return missingResource(resources, this.settings.total) === undefined;
  }

  #obey(instructions: readonly LeaseInstruction[]): void {
    this.said.push(...instructions);
    for (const each of instructions) {
      switch (each.type) {
        case "spawn":
          expect(this.workers.has(each.worker)).toBe(false);
          this.workers.set(each.worker, {
            number: each.worker,
            ready: false,
            job: each.job,
            detached: false,
            gpuIds: each.gpuIds,
            actor: 0,
            grants: new Map(),
          });
          this.pending.push({ type: "worker ready", worker: each.worker });
          break;
        case "bind": {
          const worker = this.workers.get(each.worker);
          expect(worker?.job, `job of worker ${each.worker}`).toBe("");
          if (worker !== undefined) worker.job = each.job;
          break;
        }
        case "grant": {
          const worker = this.workers.get(each.worker);
          expect(worker, `grant of ${each.worker}`).toBeDefined();
          expect(worker?.actor).toBe(0);
          expect(each.owner).not.toBe(each.worker);
          expect(worker?.grants.has(each.owner)).toBe(false);
          expect(worker?.job).toBe(each.job);
          const shape = fullKey(each.shape, each.job);
          expect(this.demands.get(each.owner)?.get(shape)?.count ?? 0).toBeGreaterThan(0);
          worker?.grants.set(each.owner, { shape, lease: each.lease });
          break;
        }
        case "recall":
          if (this.workers.get(each.worker)?.grants.get(each.owner)?.lease === each.lease)
            this.release(each.owner, each.worker);
          break;
        case "place actor": {
          const worker = this.workers.get(each.worker);
          const request = this.requests.get(each.request);
          expect(this.requests.delete(each.request)).toBe(true);
          expect(worker?.actor).toBe(0);
          expect(worker?.job).toBe(request?.job);
          if (worker === undefined) break;
          worker.actor = each.request;
          worker.detached = request?.detached === true;
          break;
        }
        case "stop":
          // Others may have leases of a worker that one owner lost: they lose theirs with its end.
          this.workers.get(each.worker)?.grants.clear();
          this.pending.push({ type: "worker ended", worker: each.worker });
          break;
        case "infeasible":
          this.infeasible.push(each);
          break;
      }
    }
  }
}
