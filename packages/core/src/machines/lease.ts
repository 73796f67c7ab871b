/**
 * The leases of one node: which worker serves which resource shape, and which owners may send it work.
 *
 * A worker is held by a shape, not by an owner: every owner with demand for the shape is granted every worker of it, up
 * to its demand, and the worker serves its owners in turn. So owners of one shape share fairly without recalls; a
 * worker is recalled only when resources are wanted by another shape or by an actor.
 *
 * Rules kept by `check()`:
 * - (L1) resources held by workers never exceed the node's, but for CPUs lent while all tasks of a worker wait;
 * - (L2) a worker has owners only while a shape holds it;
 * - (L3) what waits longest is served first: while it waits for a recall, nothing new is assigned to others;
 * - (L4) a worker that hosts an actor never gets tasks, and no worker becomes an actor after it ran tasks.
 */
import { addResources, fits, makeVector, missingResource, noResources, shapeKey, unitsPerResource, type ResourceVector } from "../resources.ts";

export type LeaseEvent =
  | { readonly type: "demand"; readonly owner: number; readonly resources: ResourceVector; readonly count: number }
  | { readonly type: "released"; readonly owner: number; readonly worker: number }
  | { readonly type: "owner ended"; readonly owner: number }
  | { readonly type: "worker ready"; readonly worker: number }
  | { readonly type: "worker ended"; readonly worker: number }
  | { readonly type: "worker blocked"; readonly worker: number; readonly blocked: boolean }
  | { readonly type: "actor requested"; readonly request: number; readonly placement: ResourceVector; readonly running: ResourceVector }
  | { readonly type: "actor withdrawn"; readonly request: number }
  | { readonly type: "tick"; readonly nowMs: number };

export type LeaseInstruction =
  | { readonly type: "spawn"; readonly worker: number; readonly gpuIds: readonly number[] }
  | { readonly type: "grant"; readonly owner: number; readonly worker: number; readonly shape: string }
  | { readonly type: "recall"; readonly owner: number; readonly worker: number; readonly shape: string }
  | { readonly type: "place actor"; readonly request: number; readonly worker: number }
  | { readonly type: "stop"; readonly worker: number }
  | { readonly type: "infeasible"; readonly owner: number; readonly request: number; readonly shape: string; readonly missing: string };

export interface LeaseSettings {
  readonly total: ResourceVector;
  readonly maxWorkers: number;
  /** Number of the first worker; they count up and are never reused. */
  readonly firstWorker: number;
  /** Workers kept though nothing wants them. */
  readonly idleWorkers: number;
}

type WorkerState = "starting" | "idle" | "leased" | "recalled" | "actor" | "stopping";

interface Worker {
  readonly number: number;
  state: WorkerState;
  /** Shape that holds it, or for which it was spawned; "" for none. */
  shape: string;
  held: ResourceVector;
  owners: Set<number>;
  blocked: boolean;
  /** It has served tasks: no actor may live in it. */
  used: boolean;
  /** Actor request that it is reserved for, while it starts. */
  request: number;
  readonly gpuIds: readonly number[];
}

interface Demand {
  readonly owner: number;
  readonly shape: string;
  readonly resources: ResourceVector;
  count: number;
  /** Order of waiting. */
  since: number;
  saidInfeasible: boolean;
}

interface ActorRequest {
  readonly request: number;
  readonly placement: ResourceVector;
  readonly running: ResourceVector;
  since: number;
  saidInfeasible: boolean;
}

export class LeaseMachine {
  readonly #settings: LeaseSettings;
  readonly #workers = new Map<number, Worker>();
  readonly #demands = new Map<string, Demand>();
  readonly #requests = new Map<number, ActorRequest>();
  #nextWorker: number;
  #order = 0;
  #out: LeaseInstruction[] = [];
  /** Units of each GPU that are free. */
  readonly #gpus: number[];

  constructor(settings: LeaseSettings) {
    this.#settings = settings;
    this.#nextWorker = settings.firstWorker;
    this.#gpus = new Array<number>(Math.floor((settings.total["GPU"] ?? 0) / unitsPerResource)).fill(unitsPerResource);
  }

  handle(event: LeaseEvent): LeaseInstruction[] {
    this.#out = [];
    switch (event.type) {
      case "demand":
        this.#demand(event.owner, event.resources, event.count);
        break;
      case "released":
        this.#released(event.owner, event.worker);
        break;
      case "owner ended":
        this.#ownerEnded(event.owner);
        break;
      case "worker ready":
        this.#ready(event.worker);
        break;
      case "worker ended":
        this.#ended(event.worker);
        break;
      case "worker blocked": {
        const worker = this.#workers.get(event.worker);
        if (worker !== undefined) worker.blocked = event.blocked;
        break;
      }
      case "actor requested":
        this.#requests.set(event.request, {
          request: event.request,
          placement: event.placement,
          running: event.running,
          since: this.#order++,
          saidInfeasible: false,
        });
        break;
      case "actor withdrawn":
        this.#requests.delete(event.request);
        break;
      case "tick":
        break;
    }
    this.#schedule();
    return this.#out;
  }

  /** Starts `count` workers ahead of any demand. */
  start(count: number): LeaseInstruction[] {
    this.#out = [];
    for (let i = 0; i < count; i++) this.#spawn("", noResources, []);
    return this.#out;
  }

  /** What is free, as far as a shape is concerned: CPUs lent by blocked workers count for other shapes only. */
  available(shape = ""): ResourceVector {
    const free: Record<string, number> = { ...this.#settings.total };
    for (const worker of this.#workers.values()) {
      for (const name in worker.held) {
        if (name === "CPU" && worker.blocked && worker.shape !== shape) continue;
        free[name] = (free[name] ?? 0) - worker.held[name];
      }
    }
    return free;
  }

  get workerCount(): number {
    return this.#workers.size;
  }

  /** Demand by shape, for people. */
  demands(): { shape: string; count: number }[] {
    const counts = new Map<string, number>();
    for (const demand of this.#demands.values()) counts.set(demand.shape, (counts.get(demand.shape) ?? 0) + demand.count);
    for (const request of this.#requests.values()) {
      const shape = shapeKey(request.placement);
      counts.set(shape, (counts.get(shape) ?? 0) + 1);
    }
    return [...counts].filter(([, count]) => count > 0).map(([shape, count]) => ({ shape, count }));
  }

  states(): { worker: number; state: string; shape: string; blocked: boolean }[] {
    return [...this.#workers.values()].map(({ number, state, shape, blocked }) => ({ worker: number, state, shape, blocked }));
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const held: Record<string, number> = {};
    for (const worker of this.#workers.values()) {
      for (const name in worker.held) {
        if (name === "CPU" && worker.blocked) continue;
        held[name] = (held[name] ?? 0) + worker.held[name];
      }
      if (worker.owners.size > 0 && worker.state !== "leased" && worker.state !== "recalled") {
        throw new Error(`L2: worker ${worker.number} is ${worker.state} and has owners`);
      }
      if (worker.state === "idle" && worker.request === 0 && shapeKey(worker.held) !== "") {
        throw new Error(`L1: idle worker ${worker.number} holds ${shapeKey(worker.held)}`);
      }
      if (worker.state === "actor" && worker.used) throw new Error(`L4: worker ${worker.number} ran tasks and hosts an actor`);
    }
    const oversubscribed = [...this.#workers.values()].some((worker) => worker.blocked) || this.#wasLent;
    for (const name in held) {
      if (name === "CPU" && oversubscribed) continue;
      if (held[name] > (this.#settings.total[name] ?? 0)) throw new Error(`L1: ${held[name]} of ${name} are held`);
    }
  }

  /** CPUs were lent at some time: their lender may have resumed while the borrower still runs. */
  #wasLent = false;

  #demand(owner: number, resources: ResourceVector, count: number): void {
    const shape = shapeKey(resources);
    const key = `${owner} ${shape}`;
    const present = this.#demands.get(key);
    if (present !== undefined) {
      if (present.count === 0 && count > 0) present.since = this.#order++;
      present.count = count;
      if (count === 0) this.#demands.delete(key);
    } else if (count > 0) {
      this.#demands.set(key, { owner, shape, resources, count, since: this.#order++, saidInfeasible: false });
    }
  }

  #released(owner: number, number: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || !worker.owners.delete(owner) || worker.owners.size > 0) return;
    this.#free(worker);
  }

  #free(worker: Worker): void {
    if (worker.state === "stopping") return;
    worker.blocked = false;
    // The memory of a GPU is free when the process is gone, not before.
    if (worker.gpuIds.length > 0) {
      this.#stop(worker);
      return;
    }
    worker.held = noResources;
    worker.shape = "";
    worker.state = "idle";
  }

  #stop(worker: Worker): void {
    worker.state = "stopping";
    this.#out.push({ type: "stop", worker: worker.number });
  }

  #ownerEnded(owner: number): void {
    for (const [key, demand] of this.#demands) if (demand.owner === owner) this.#demands.delete(key);
    for (const worker of this.#workers.values()) {
      if (worker.owners.delete(owner) && worker.owners.size === 0) this.#free(worker);
    }
  }

  #ready(number: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || worker.state !== "starting") return;
    if (worker.request !== 0) {
      const request = this.#requests.get(worker.request);
      if (request !== undefined) {
        this.#placeActor(worker, request);
        return;
      }
      worker.request = 0;
      worker.held = noResources;
      worker.state = "idle";
      return;
    }
    worker.state = worker.shape === "" ? "idle" : "leased";
    if (worker.state === "leased") worker.used = true;
  }

  #ended(number: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined) return;
    this.#workers.delete(number);
    this.#returnGpus(worker);
  }

  #placeActor(worker: Worker, request: ActorRequest): void {
    this.#requests.delete(request.request);
    worker.state = "actor";
    worker.request = 0;
    worker.held = request.running;
    this.#out.push({ type: "place actor", request: request.request, worker: worker.number });
  }

  // scheduling

  #schedule(): void {
    const waiting: (Demand | ActorRequest)[] = [...this.#demands.values(), ...this.#requests.values()];
    waiting.sort((a, b) => a.since - b.since);
    const held = new Set<string>();
    for (const each of waiting) {
      const stuck = "owner" in each ? this.#serve(each, held) : this.#serveActor(each, held);
      // (L3) what it waits for is not given to those behind it.
      if (stuck !== null) for (const name of stuck) held.add(name);
    }
    this.#trim();
  }

  /** Grants an owner workers of its shape. Returns the resources it still waits for, or null. */
  #serve(demand: Demand, reserved: ReadonlySet<string>): string[] | null {
    const { shape, resources, owner } = demand;
    const missing = missingResource(resources, this.#settings.total);
    if (missing !== undefined) {
      if (!demand.saidInfeasible) this.#out.push({ type: "infeasible", owner, request: 0, shape, missing });
      demand.saidInfeasible = true;
      return null;
    }
    let mine = 0;
    let wanted = 0;
    for (const other of this.#demands.values()) if (other.shape === shape) wanted += other.count;
    const usable: Worker[] = [];
    for (const worker of this.#workers.values()) {
      if (worker.shape !== shape || worker.state === "recalled" || worker.state === "stopping" || worker.state === "actor") continue;
      usable.push(worker);
      if (worker.owners.has(owner)) mine++;
    }
    let stuck: string[] | null = null;
    while (usable.length < wanted) {
      if (Object.keys(resources).some((name) => reserved.has(name))) break;
      const worker = this.#assign(shape, resources);
      if (worker === null) {
        stuck = this.#reclaim(shape, resources) ? Object.keys(resources) : null;
        break;
      }
      usable.push(worker);
    }
    // The least shared first, so that owners spread over the workers.
    usable.sort((a, b) => a.owners.size - b.owners.size);
    for (const worker of usable) {
      if (mine >= demand.count) break;
      if (worker.state === "starting" || worker.owners.has(owner) || worker.number === owner) continue;
      worker.owners.add(owner);
      mine++;
      this.#out.push({ type: "grant", owner, worker: worker.number, shape });
    }
    return usable.length === 0 ? stuck : null;
  }

  #serveActor(request: ActorRequest, reserved: ReadonlySet<string>): string[] | null {
    for (const worker of this.#workers.values()) if (worker.request === request.request) return null;
    const missing = missingResource(request.placement, this.#settings.total);
    if (missing !== undefined) {
      if (!request.saidInfeasible) {
        this.#out.push({ type: "infeasible", owner: 0, request: request.request, shape: shapeKey(request.placement), missing });
      }
      request.saidInfeasible = true;
      return null;
    }
    const names = Object.keys(request.running);
    if (names.some((name) => reserved.has(name))) return null;
    if (!fits(request.running, this.available())) {
      return this.#reclaim("", request.running) ? names : null;
    }
    const spare = this.#fresh(request.running);
    if (spare !== null) {
      this.#placeActor(spare, request);
      return null;
    }
    if (this.#workers.size >= this.#settings.maxWorkers) return null;
    const worker = this.#spawn("", request.running, this.#takeGpus(request.running["GPU"] ?? 0));
    worker.request = request.request;
    return null;
  }

  /** An idle worker that never ran tasks. */
  #fresh(resources: ResourceVector): Worker | null {
    if ((resources["GPU"] ?? 0) > 0) return null;
    for (const worker of this.#workers.values()) {
      if (worker.state === "idle" && !worker.used && worker.gpuIds.length === 0) return worker;
    }
    return null;
  }

  /** A worker for the shape, idle or new; null when the resources are not free. */
  #assign(shape: string, resources: ResourceVector): Worker | null {
    if (!fits(resources, this.available(shape))) return null;
    if (this.#workers.values().some((worker) => worker.blocked && worker.shape !== shape)) this.#wasLent = true;
    const gpu = resources["GPU"] ?? 0;
    if (gpu === 0) {
      for (const state of ["idle", "starting"] as const) {
        for (const worker of this.#workers.values()) {
          if (worker.state !== state || worker.shape !== "" || worker.request !== 0 || worker.gpuIds.length > 0) continue;
          worker.shape = shape;
          worker.held = resources;
          if (state === "idle") {
            worker.state = "leased";
            worker.used = true;
          }
          return worker;
        }
      }
    }
    if (this.#workers.size >= this.#settings.maxWorkers) return null;
    return this.#spawn(shape, resources, this.#takeGpus(gpu));
  }

  #spawn(shape: string, held: ResourceVector, gpuIds: readonly number[]): Worker {
    const worker: Worker = {
      number: this.#nextWorker++,
      state: "starting",
      shape,
      held,
      owners: new Set(),
      blocked: false,
      used: false,
      request: 0,
      gpuIds,
    };
    this.#workers.set(worker.number, worker);
    this.#out.push({ type: "spawn", worker: worker.number, gpuIds });
    return worker;
  }

  /**
   * Recalls a worker of another shape so that `resources` can be had. Workers whose owners want nothing come first;
   * then the shape with the most workers gives one, if it has more than one or has waited less. True when some are on
   * their way back.
   */
  #reclaim(shape: string, resources: ResourceVector): boolean {
    const free = this.available(shape);
    const lacking = Object.keys(resources).filter((name) => resources[name] > (free[name] ?? 0));
    let returning: ResourceVector = noResources;
    for (const worker of this.#workers.values()) {
      if (worker.state === "recalled") returning = addResources(returning, worker.held);
    }
    const enough = (): boolean => lacking.every((name) => (free[name] ?? 0) + (returning[name] ?? 0) >= resources[name]);
    if (enough()) return true;
    const candidates = [...this.#workers.values()].filter(
      (worker) => worker.state === "leased" && worker.shape !== shape && lacking.some((name) => (worker.held[name] ?? 0) > 0),
    );
    const demand = (worker: Worker): number => {
      let total = 0;
      for (const each of this.#demands.values()) if (each.shape === worker.shape) total += each.count;
      return total;
    };
    candidates.sort((a, b) => Number(demand(a) > 0) - Number(demand(b) > 0));
    for (const worker of candidates) {
      worker.state = "recalled";
      returning = addResources(returning, worker.held);
      if (worker.owners.size === 0) this.#free(worker);
      else for (const owner of worker.owners) this.#out.push({ type: "recall", owner, worker: worker.number, shape: worker.shape });
      if (enough()) break;
    }
    return true;
  }

  /** Stops idle workers above the number that is kept. */
  #trim(): void {
    let idle = 0;
    for (const worker of this.#workers.values()) if (worker.state === "idle" && ++idle > this.#settings.idleWorkers) this.#stop(worker);
  }

  // GPUs

  /** Assigns GPU ids: whole free ones, or a share of the fullest that has room. */
  #takeGpus(units: number): readonly number[] {
    if (units === 0) return [];
    if (units < unitsPerResource) {
      let best = -1;
      this.#gpus.forEach((free, id) => {
        if (free >= units && (best < 0 || free < this.#gpus[best])) best = id;
      });
      if (best < 0) return [];
      this.#gpus[best] -= units;
      return [best];
    }
    const ids: number[] = [];
    for (let id = 0; id < this.#gpus.length && ids.length < units / unitsPerResource; id++) {
      if (this.#gpus[id] === unitsPerResource) ids.push(id);
    }
    for (const id of ids) this.#gpus[id] = 0;
    return ids;
  }

  #returnGpus(worker: Worker): void {
    const units = worker.held["GPU"] ?? 0;
    const each = units < unitsPerResource ? units : unitsPerResource;
    for (const id of worker.gpuIds) this.#gpus[id] = Math.min(unitsPerResource, this.#gpus[id] + each);
  }
}

/** Only what `makeVector` keeps: used by shells that read resources from a message. */
export function sanitizeResources(value: unknown): ResourceVector {
  if (value === null || typeof value !== "object") return noResources;
  return makeVector(Object.entries(value).filter(([, amount]) => Number.isSafeInteger(amount) && (amount as number) > 0) as [string, number][]);
}
