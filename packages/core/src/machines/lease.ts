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
 * - (L3) who has nothing and waits longest is served first: what it waits for is promised to it;
 * - (L4) a worker that hosts an actor never gets tasks, and no worker becomes an actor after it ran tasks;
 * - (L5) a GPU has one holder, or holders of shares that add up to one GPU at most; it is free when their processes are gone.
 */
import { addResources, missingResource, noResources, unitsPerResource, type ResourceVector } from "../resources.ts";
import { checkLeases } from "./lease-check.ts";
import type { LeaseEvent, LeaseInstruction, LeaseSettings } from "./lease-events.ts";
import { GpuSlots } from "./lease-gpus.ts";
import { borrowedCpu, countUnwanted, freshWorker, spareWorker, surplusWorkers, whoEnds } from "./lease-processes.ts";
import { findRoom, fitsNow, freeFor, type RoomView, type Wanted } from "./lease-room.ts";
import { describeWorker, isUsable, newWorker, shareOf, wantedOf, type ActorRequest, type Shape, type Worker, type WorkerDescription } from "./lease-state.ts";
import { demandByShape, setDemand, waitingList, wantsMore } from "./lease-waiting.ts";

/** A shape that nobody has wanted for so long gives back the workers above the number that is kept. */
const quietTicksKept = 100;
const longestPauseTicks = 512;

/** What came of trying to give a shape or an actor a worker. */
type Assigned = "yes" | "lacks resources" | "waits for a process";

export class LeaseMachine {
  readonly #settings: LeaseSettings;
  readonly #workers = new Map<number, Worker>();
  readonly #shapes = new Map<string, Shape>();
  readonly #requests = new Map<number, ActorRequest>();
  readonly #gpus: GpuSlots;
  /** Processes that may start at one time: more would only slow each other down. */
  readonly #mostStarting: number;
  #nextWorker: number;
  #nextLease = 1;
  #order = 0;
  #out: LeaseInstruction[] = [];
  /** Starts that failed in a row, and ticks until the next is tried. */
  #failedStarts = 0;
  #pauseTicks = 0;

  constructor(settings: LeaseSettings) {
    this.#settings = settings;
    this.#nextWorker = settings.firstWorker;
    this.#gpus = GpuSlots.of(settings.total["GPU"] ?? 0);
    this.#mostStarting = Math.max(2, Math.floor((settings.total["CPU"] ?? 0) / unitsPerResource));
  }

  handle(event: LeaseEvent): LeaseInstruction[] {
    this.#out = [];
    switch (event.type) {
      case "demand":
        setDemand(this.#shapes, event, this.#order++);
        break;
      case "released":
        this.#released(event.owner, event.worker, event.lease, event.isLost);
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
        if (worker !== undefined && (worker.shape !== null || worker.state === "actor")) worker.blocked = event.blocked;
        break;
      }
      case "actor requested": {
        const { request, placement, running } = event;
        if (this.#requests.has(request)) break;
        this.#requests.set(request, { request, placement, running, since: this.#order++, saidInfeasible: false });
        break;
      }
      case "actor withdrawn":
        this.#requests.delete(event.request);
        break;
      case "tick":
        this.#tick();
        break;
    }
    this.#schedule();
    return this.#out;
  }

  /** Starts `count` workers ahead of any demand. */
  start(count: number): LeaseInstruction[] {
    this.#out = [];
    for (let i = 0; i < count; i++) this.#spawn(null, noResources, []);
    return this.#out;
  }

  /** Time matters now: somebody waits for a turn, a pause runs, or workers that nobody wants are to be given back. */
  get wantsTicks(): boolean {
    if (this.#pauseTicks > 0 || countUnwanted(this.#workers.values(), this.#shapes) > this.#settings.idleWorkers) return true;
    for (const shape of this.#shapes.values()) if (this.#wantsMore(shape)) return true;
    return this.#requests.size > 0;
  }

  /** What is free, as far as a shape is concerned: CPUs lent by blocked workers count for other shapes only. */
  available(shape: string | null = null): ResourceVector {
    return freeFor(shape, this.#settings.total, this.#workers.values());
  }

  /** Demand by shape, for people. */
  demands(): { shape: string; count: number }[] {
    return demandByShape(this.#shapes.values(), this.#requests.values());
  }

  states(): WorkerDescription[] {
    return [...this.#workers.values()].map(describeWorker);
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    checkLeases(this.#settings, this.#workers, this.#gpus);
  }

  // events

  #released(owner: number, number: number, lease: number, isLost: boolean): void {
    const worker = this.#workers.get(number);
    if (worker?.owners.get(owner) !== lease) return;
    worker.owners.delete(owner);
    if (isLost) {
      worker.owners.clear();
      this.#stop(worker);
    } else if (worker.owners.size === 0) this.#free(worker);
  }

  #ownerEnded(owner: number): void {
    for (const shape of this.#shapes.values()) shape.demands.delete(owner);
    for (const worker of this.#workers.values()) {
      // What it may still run is for nobody, and nobody is left to cancel it.
      if (worker.owners.delete(owner) && worker.owners.size === 0) this.#stop(worker, true);
    }
  }

  #ready(number: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined || worker.state !== "starting") return;
    this.#failedStarts = 0;
    if (worker.request !== 0) {
      const request = this.#requests.get(worker.request);
      worker.request = 0;
      if (request !== undefined) {
        this.#placeActor(worker, request);
        return;
      }
      worker.state = "idle";
      this.#free(worker);
      return;
    }
    if (worker.shape === null) worker.state = "idle";
    else this.#lease(worker);
  }

  #ended(number: number): void {
    const worker = this.#workers.get(number);
    if (worker === undefined) return;
    this.#workers.delete(number);
    this.#gpus.giveBack(worker.gpuIds, worker.gpuUnits);
    this.#leaves(worker);
    this.#ownerEnded(number);
    if (worker.state !== "starting") return;
    // Whatever keeps workers from starting will not be better at once.
    this.#failedStarts++;
    this.#pauseTicks = Math.min(longestPauseTicks, 2 ** this.#failedStarts);
  }

  #tick(): void {
    if (this.#pauseTicks > 0) this.#pauseTicks--;
    for (const worker of this.#workers.values()) if (worker.state === "leased") worker.tenure++;
    for (const shape of this.#shapes.values()) shape.quietTicks = wantedOf(shape) > 0 ? 0 : shape.quietTicks + 1;
    for (const worker of this.#workers.values()) {
      if (countUnwanted(this.#workers.values(), this.#shapes) <= this.#settings.idleWorkers) break;
      if (worker.state !== "leased" || worker.shape === null) continue;
      const shape = this.#shapes.get(worker.shape);
      if (shape === undefined || shape.quietTicks >= quietTicksKept) this.#recall(worker);
    }
  }

  // workers

  #lease(worker: Worker): void {
    worker.state = "leased";
    worker.used = true;
    worker.tenure = 0;
  }

  /** No owner sends it work any more. */
  #free(worker: Worker): void {
    if (worker.state === "stopping") return;
    worker.blocked = false;
    if (worker.gpuIds.length > 0) {
      this.#stop(worker);
      return;
    }
    this.#leaves(worker);
    worker.held = noResources;
    worker.borrowedCpu = 0;
    worker.shape = null;
    if (worker.state !== "starting") worker.state = "idle";
  }

  /** A shape that loses its last worker waits from now on. */
  #leaves(worker: Worker): void {
    if (worker.shape === null) return;
    const shape = this.#shapes.get(worker.shape);
    if (shape === undefined) return;
    for (const other of this.#workers.values()) if (other !== worker && isUsable(other, shape.key)) return;
    shape.since = this.#order++;
  }

  #stop(worker: Worker, force = false): void {
    this.#leaves(worker);
    worker.state = "stopping";
    this.#out.push({ type: "stop", worker: worker.number, force });
  }

  #recall(worker: Worker): void {
    worker.state = "recalled";
    if (worker.owners.size === 0) {
      this.#free(worker);
      return;
    }
    this.#leaves(worker);
    for (const [owner, lease] of worker.owners) {
      this.#out.push({ type: "recall", owner, worker: worker.number, lease, shape: worker.shape ?? "" });
    }
  }

  #spawn(shape: string | null, held: ResourceVector, gpuIds: readonly number[]): Worker {
    const worker = newWorker(this.#nextWorker++, shape, held, gpuIds);
    this.#gpus.take(gpuIds, worker.gpuUnits);
    this.#workers.set(worker.number, worker);
    this.#out.push({ type: "spawn", worker: worker.number, gpuIds });
    return worker;
  }

  #placeActor(worker: Worker, request: ActorRequest): void {
    this.#requests.delete(request.request);
    worker.state = "actor";
    worker.held = request.running;
    this.#out.push({ type: "place actor", request: request.request, worker: worker.number, gpuIds: worker.gpuIds });
  }

  // scheduling

  #schedule(): void {
    let reserved: ResourceVector = noResources;
    const workers = [...this.#workers.values()];
    const waiting = waitingList(this.#shapes.values(), this.#requests.values(), workers, this.#settings.total);
    this.#out.push(...waiting.infeasible);
    for (const each of waiting.starving) {
      const wanted: Wanted =
        "request" in each
          ? { shape: null, resources: each.running, isStarving: true }
          : { shape: each.key, resources: each.resources, isStarving: true };
      const assigned = "request" in each ? this.#serveActor(each, wanted, reserved) : this.#serveShape(each, wanted, reserved);
      if (assigned === "yes") continue;
      // (L3) promised: those behind get what is left beside it.
      if (assigned === "waits for a process" || this.#makeRoom(wanted, reserved)) {
        reserved = addResources(reserved, wanted.resources);
      }
    }
    this.#grow(reserved);
    for (const shape of this.#shapes.values()) this.#settle(shape);
    for (const worker of surplusWorkers(this.#workers.values(), this.#settings.idleWorkers)) this.#stop(worker);
  }

  /** Shapes that have workers and could use more: what is left goes to those that have least. */
  #grow(reserved: ResourceVector): void {
    const growing = [...this.#shapes.values()].filter((shape) => this.#usable(shape.key).length > 0 && this.#wantsMore(shape));
    const { total } = this.#settings;
    const share = (shape: Shape): number => shareOf(shape.resources, total) * this.#usable(shape.key).length;
    while (growing.length > 0) {
      growing.sort((a, b) => share(a) - share(b));
      const shape = growing[0];
      const wanted: Wanted = { shape: shape.key, resources: shape.resources, isStarving: false };
      const assigned = this.#serveShape(shape, wanted, reserved);
      if (assigned === "lacks resources") this.#makeRoom(wanted, reserved);
      if (assigned !== "yes" || !this.#wantsMore(shape)) growing.shift();
    }
  }

  #wantsMore(shape: Shape): boolean {
    return wantsMore(shape, this.#usable(shape.key), this.#settings.total);
  }

  #usable(shape: string): Worker[] {
    const usable: Worker[] = [];
    for (const worker of this.#workers.values()) if (isUsable(worker, shape)) usable.push(worker);
    return usable;
  }

  /** Gives a shape one more worker: an idle one, one that starts for nobody, or a new one. */
  #serveShape(shape: Shape, wanted: Wanted, reserved: ResourceVector): Assigned {
    const view = this.#view(reserved);
    if (!fitsNow(view, wanted)) return "lacks resources";
    const { resources } = shape;
    const borrowed = this.#borrowed(resources);
    const gpuIds = this.#gpus.find(resources["GPU"] ?? 0) ?? [];
    let worker = gpuIds.length === 0 ? spareWorker(this.#workers.values()) : null;
    if (worker === null) {
      if (!this.#mayStart(wanted, view)) return "waits for a process";
      worker = this.#spawn(shape.key, resources, gpuIds);
    } else {
      worker.shape = shape.key;
      worker.held = resources;
      if (worker.state === "idle") this.#lease(worker);
    }
    worker.borrowedCpu = borrowed;
    return "yes";
  }

  #serveActor(request: ActorRequest, wanted: Wanted, reserved: ResourceVector): Assigned {
    const view = this.#view(reserved);
    if (!fitsNow(view, wanted)) return "lacks resources";
    const { running } = request;
    const borrowed = this.#borrowed(running);
    const gpuIds = this.#gpus.find(running["GPU"] ?? 0) ?? [];
    const fresh = gpuIds.length === 0 ? freshWorker(this.#workers.values()) : null;
    if (fresh !== null) {
      fresh.borrowedCpu = borrowed;
      if (fresh.state === "idle") this.#placeActor(fresh, request);
      else {
        fresh.request = request.request;
        fresh.held = running;
      }
      return "yes";
    }
    if (!this.#mayStart(wanted, view)) return "waits for a process";
    const worker = this.#spawn(null, running, gpuIds);
    worker.request = request.request;
    worker.borrowedCpu = borrowed;
    return "yes";
  }

  #borrowed(resources: ResourceVector): number {
    return borrowedCpu(resources["CPU"] ?? 0, this.#settings.total["CPU"] ?? 0, this.#workers.values());
  }

  /** Whether one more process may start now; if there are too many, one that does nothing is stopped. */
  #mayStart(wanted: Wanted, view: RoomView): boolean {
    if (this.#pauseTicks > 0) return false;
    let starting = 0;
    for (const worker of this.#workers.values()) {
      if (worker.state === "starting") starting++;
    }
    if (this.#workers.size < this.#settings.maxWorkers) return starting < this.#mostStarting;
    const ends = whoEnds(view, wanted);
    if (ends?.state === "idle") this.#stop(ends);
    else if (ends !== null) this.#recall(ends);
    return false;
  }

  /** Sees to it that resources come back, if they can. True when they will. */
  #makeRoom(wanted: Wanted, reserved: ResourceVector): boolean {
    const room = findRoom(this.#view(reserved), wanted);
    if (room.kind === "recall") for (const worker of room.workers) this.#recall(worker);
    return room.kind !== "none";
  }

  #view(reserved: ResourceVector): RoomView {
    return { total: this.#settings.total, workers: [...this.#workers.values()], shapes: this.#shapes, gpus: this.#gpus, reserved };
  }

  /** Grants the workers of a shape to its owners, the least shared first; those that nobody holds or wants are freed. */
  #settle(shape: Shape): void {
    const ready = this.#usable(shape.key).filter((worker) => worker.state === "leased");
    for (const { owner, count } of shape.demands.values()) {
      let mine = 0;
      for (const worker of ready) if (worker.owners.has(owner)) mine++;
      if (mine >= count) continue;
      ready.sort((a, b) => a.owners.size - b.owners.size);
      for (const worker of ready) {
        if (mine >= count) break;
        if (worker.owners.has(owner) || worker.number === owner) continue;
        const lease = this.#nextLease++;
        worker.owners.set(owner, lease);
        mine++;
        this.#out.push({ type: "grant", owner, worker: worker.number, lease, shape: shape.key });
      }
    }
    if (wantedOf(shape) > 0) return;
    for (const worker of this.#usable(shape.key)) if (worker.owners.size === 0) this.#free(worker);
    if (this.#usable(shape.key).length === 0 && shape.demands.size === 0) this.#shapes.delete(shape.key);
  }
}
