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
 * - (L5) a GPU has one holder, or holders of shares that add up to one GPU at most; it is free when their processes are gone;
 * - (L6) a worker serves one job and no other, from its first work on.
 */
import { addResources, missingResource, noResources, type ResourceVector } from "../resources.ts";
import { checkLeases } from "./lease-check.ts";
import { endJob, ownersOfNode } from "./lease-jobs.ts";
import type { LeaseEvent, LeaseInstruction, LeaseSettings } from "./lease-events.ts";
import {
  borrowedCpu,
  countUnwanted,
  freshWorker,
  claimedWorkers,
  spareWorker,
  surplusWorkers,
  whoEnds,
} from "./lease-processes.ts";
import { ActorRequests } from "./lease-requests.ts";
import { LeaseStarts } from "./lease-starts.ts";
import { findRoom, fitsNow, freeFor, withoutDebts, type RoomView, type Wanted } from "./lease-room.ts";
import {
  describeWorker,
  shareOf,
  wantedOf,
  type ActorRequest,
  type Purpose,
  type Shape,
  type Worker,
  type WorkerDescription,
} from "./lease-state.ts";
import {
  actorsLookedAt,
  countUnserved,
  demandByShape,
  setDemand,
  waitingList,
  wantsMore,
} from "./lease-waiting.ts";
import { LeaseWorkers } from "./lease-workers.ts";

/** A shape that nobody has wanted for so long gives back the workers above the number that is kept. */
const quietTicksKept = 100;

const noPurpose: Purpose = { shape: null, job: "" };

/** What came of trying to give a shape or an actor a worker. */
type Assigned = "yes" | "lacks resources" | "waits for a process";

export class LeaseMachine {
  readonly #settings: LeaseSettings;
  readonly #workers: LeaseWorkers;
  readonly #shapes = new Map<string, Shape>();
  readonly #requests = new ActorRequests();
  readonly #starts: LeaseStarts;
  #order = 0;

  constructor(settings: LeaseSettings) {
    this.#settings = settings;
    this.#workers = new LeaseWorkers(settings.firstWorker, settings.total["GPU"] ?? 0, (key) => {
      const shape = this.#shapes.get(key);
      if (shape !== undefined) shape.since = this.#order++;
    });
    this.#starts = new LeaseStarts(settings.total["CPU"] ?? 0);
  }

  handle(event: LeaseEvent): LeaseInstruction[] {
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
        const worker = this.#workers.all.get(event.worker);
        if (worker !== undefined && (worker.shape !== null || worker.state === "actor"))
          worker.blocked = event.blocked;
        break;
      }
      case "actor requested": {
        const { request, placement, running, job = "", detached = false } = event;
        if (this.#requests.has(request)) break;
        const before = this.#requests.add({ request, placement, running, job, detached }, this.#order++);
        // Behind many that ask for the same its turn has not come.
        if (before > this.#settings.maxWorkers + actorsLookedAt && !this.#isInfeasible(placement, running))
          return [];
        break;
      }
      case "actor withdrawn":
        this.#requests.delete(event.request);
        break;
      case "node lost":
        for (const owner of ownersOfNode(this.#state, event.node)) this.#ownerEnded(owner);
        break;
      case "job ended":
        endJob(this.#state, event.job, event.kept ?? []);
        break;
      case "tick":
        this.#tick();
        break;
    }
    this.#schedule();
    return this.#workers.takeInstructions();
  }

  get #state() {
    return { workers: this.#workers, shapes: this.#shapes, requests: this.#requests };
  }

  /** Starts `count` workers ahead of any demand. */
  start(count: number): LeaseInstruction[] {
    for (let i = 0; i < count; i++) this.#workers.spawn(noPurpose, noResources, []);
    return this.#workers.takeInstructions();
  }

  /** Time matters now: somebody waits for a turn, a pause runs, or workers that nobody wants are to be given back. */
  get wantsTicks(): boolean {
    if (
      this.#starts.isPausing ||
      countUnwanted(this.#workers.all.values(), this.#shapes) > this.#settings.idleWorkers
    )
      return true;
    for (const shape of this.#shapes.values()) if (this.#wantsMore(shape)) return true;
    return this.#requests.size > 0;
  }

  /** What is free, as far as a shape is concerned: CPUs lent by blocked workers count for other shapes only. */
  available(shape: string | null = null): ResourceVector {
    return freeFor(shape, this.#settings.total, this.#workers.all.values());
  }

  /** What nothing uses or waits for, for people: workers that are only kept count as free. */
  unclaimed(): ResourceVector {
    const claimed = claimedWorkers(this.#workers.all.values(), this.#shapes);
    return withoutDebts(freeFor(null, this.#settings.total, claimed));
  }

  /** Demand by shape, for people. */
  demands(): { shape: string; count: number }[] {
    return demandByShape(this.#shapes.values(), this.#requests.values());
  }

  /** How many tasks and actors wait for a worker that is not even starting. */
  unserved(): number {
    return countUnserved(this.#shapes.values(), this.#requests.values(), [...this.#workers.all.values()]);
  }

  states(): WorkerDescription[] {
    return [...this.#workers.all.values()].map(describeWorker);
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    checkLeases(this.#settings, this.#workers.all, this.#workers.gpus, this.#shapes);
  }

  // events

  #released(owner: number, number: number, lease: number, isLost: boolean): void {
    const worker = this.#workers.all.get(number);
    if (worker?.owners.get(owner) !== lease) return;
    worker.owners.delete(owner);
    if (isLost) {
      worker.owners.clear();
      this.#workers.stop(worker);
    } else if (worker.owners.size === 0) this.#workers.free(worker);
  }

  #ownerEnded(owner: number): void {
    for (const shape of this.#shapes.values()) shape.demands.delete(owner);
    for (const worker of this.#workers.all.values()) {
      // What it may still run is for nobody, and nobody is left to cancel it.
      if (worker.owners.delete(owner) && worker.owners.size === 0) this.#workers.stop(worker, true);
    }
  }

  #ready(number: number): void {
    const worker = this.#workers.all.get(number);
    if (worker === undefined || worker.state !== "starting") return;
    this.#starts.succeeded();
    if (worker.request !== 0) {
      const request = this.#requests.get(worker.request);
      worker.request = 0;
      if (request !== undefined) {
        this.#place(worker, request);
        return;
      }
      worker.state = "idle";
      this.#workers.free(worker);
      return;
    }
    if (worker.shape === null) worker.state = "idle";
    else this.#workers.lease(worker);
  }

  #ended(number: number): void {
    const worker = this.#workers.all.get(number);
    if (worker === undefined) return;
    this.#workers.remove(worker);
    this.#ownerEnded(number);
    if (worker.state === "starting") this.#starts.failed();
  }

  #tick(): void {
    this.#starts.tick();
    for (const worker of this.#workers.all.values()) if (worker.state === "leased") worker.tenure++;
    for (const shape of this.#shapes.values())
      shape.quietTicks = wantedOf(shape) > 0 ? 0 : shape.quietTicks + 1;
    for (const worker of this.#workers.all.values()) {
      if (countUnwanted(this.#workers.all.values(), this.#shapes) <= this.#settings.idleWorkers) break;
      if (worker.state !== "leased" || worker.shape === null) continue;
      const shape = this.#shapes.get(worker.shape);
      if (shape === undefined || shape.quietTicks >= quietTicksKept) this.#workers.recall(worker);
    }
  }

  #place(worker: Worker, request: ActorRequest): void {
    this.#requests.delete(request.request);
    this.#workers.placeActor(worker, request);
  }

  #isInfeasible(...vectors: ResourceVector[]): boolean {
    return vectors.some((vector) => missingResource(vector, this.#settings.total) !== undefined);
  }

  // scheduling

  #schedule(): void {
    let reserved: ResourceVector = noResources;
    const workers = [...this.#workers.all.values()];
    const waiting = waitingList(
      this.#shapes.values(),
      this.#requests.values(),
      workers,
      this.#settings.total,
    );
    this.#workers.say(...waiting.infeasible);
    for (const each of waiting.starving) {
      const wanted: Wanted =
        "request" in each
          ? { shape: null, resources: each.running, isStarving: true }
          : { shape: each.key, resources: each.resources, isStarving: true };
      const assigned =
        "request" in each
          ? this.#serveActor(each, wanted, reserved)
          : this.#serveShape(each, wanted, reserved);
      if (assigned === "yes") continue;
      // (L3) promised: those behind get what is left beside it.
      if (assigned === "waits for a process" || this.#makeRoom(wanted, reserved)) {
        reserved = addResources(reserved, wanted.resources);
      }
    }
    this.#grow(reserved);
    for (const shape of this.#shapes.values()) this.#settle(shape);
    for (const worker of surplusWorkers(this.#workers.all.values(), this.#settings.idleWorkers))
      this.#workers.stop(worker);
  }

  /** Shapes that have workers and could use more: what is left goes to those that have least. */
  #grow(reserved: ResourceVector): void {
    const growing = [...this.#shapes.values()].filter(
      (shape) => this.#workers.usable(shape.key).length > 0 && this.#wantsMore(shape),
    );
    const { total } = this.#settings;
    const share = (shape: Shape): number =>
      shareOf(shape.resources, total) * this.#workers.usable(shape.key).length;
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
    return wantsMore(shape, this.#workers.usable(shape.key), this.#settings.total);
  }

  /** Gives a shape one more worker: an idle one, one that starts for nobody, or a new one. */
  #serveShape(shape: Shape, wanted: Wanted, reserved: ResourceVector): Assigned {
    const view = this.#view(reserved);
    if (!fitsNow(view, wanted)) return "lacks resources";
    const { resources } = shape;
    const borrowed = this.#borrowed(resources);
    const gpuIds = this.#workers.gpus.find(resources["GPU"] ?? 0) ?? [];
    let worker = gpuIds.length === 0 ? spareWorker(this.#workers.all.values(), shape.job) : null;
    if (worker === null) {
      if (!this.#mayStart(wanted, view)) return "waits for a process";
      worker = this.#workers.spawn({ shape, job: shape.job }, resources, gpuIds);
    } else this.#workers.take(worker, shape);
    worker.borrowedCpu = borrowed;
    return "yes";
  }

  #serveActor(request: ActorRequest, wanted: Wanted, reserved: ResourceVector): Assigned {
    const view = this.#view(reserved);
    if (!fitsNow(view, wanted)) return "lacks resources";
    const { running, job } = request;
    const borrowed = this.#borrowed(running);
    const gpuIds = this.#workers.gpus.find(running["GPU"] ?? 0) ?? [];
    const fresh = gpuIds.length === 0 ? freshWorker(this.#workers.all.values(), job) : null;
    if (fresh !== null) {
      this.#workers.bind(fresh, job);
      fresh.borrowedCpu = borrowed;
      if (fresh.state === "idle") this.#place(fresh, request);
      else {
        fresh.request = request.request;
        fresh.held = running;
      }
      return "yes";
    }
    if (!this.#mayStart(wanted, view)) return "waits for a process";
    const worker = this.#workers.spawn({ shape: null, job }, running, gpuIds);
    worker.request = request.request;
    worker.borrowedCpu = borrowed;
    return "yes";
  }

  #borrowed(resources: ResourceVector): number {
    return borrowedCpu(resources["CPU"] ?? 0, this.#settings.total["CPU"] ?? 0, this.#workers.all.values());
  }

  /** Whether one more process may start now; if there are too many, one that does nothing is stopped. */
  #mayStart(wanted: Wanted, view: RoomView): boolean {
    if (this.#starts.isPausing) return false;
    if (this.#workers.all.size < this.#settings.maxWorkers)
      return this.#starts.mayStart(this.#workers.all.values());
    const ends = whoEnds(view, wanted);
    if (ends?.state === "idle") this.#workers.stop(ends);
    else if (ends !== null) this.#workers.recall(ends);
    return false;
  }

  /** Sees to it that resources come back, if they can. True when they will. */
  #makeRoom(wanted: Wanted, reserved: ResourceVector): boolean {
    const room = findRoom(this.#view(reserved), wanted);
    if (room.kind === "recall") for (const worker of room.workers) this.#workers.recall(worker);
    return room.kind !== "none";
  }

  #view(reserved: ResourceVector): RoomView {
    return {
      total: this.#settings.total,
      workers: [...this.#workers.all.values()],
      shapes: this.#shapes,
      gpus: this.#workers.gpus,
      reserved,
    };
  }

  /** Grants the workers of a shape to its owners, the least shared first; those that nobody holds or wants are freed. */
  #settle(shape: Shape): void {
    const ready = this.#workers.usable(shape.key).filter((worker) => worker.state === "leased");
    for (const { owner, count } of shape.demands.values()) {
      let mine = 0;
      for (const worker of ready) if (worker.owners.has(owner)) mine++;
      if (mine >= count) continue;
      ready.sort((a, b) => a.owners.size - b.owners.size);
      for (const worker of ready) {
        if (mine >= count) break;
        if (worker.owners.has(owner) || worker.number === owner) continue;
        this.#workers.grant(worker, owner);
        mine++;
      }
    }
    if (wantedOf(shape) > 0) return;
    for (const worker of this.#workers.usable(shape.key))
      if (worker.owners.size === 0) this.#workers.free(worker);
    if (this.#workers.usable(shape.key).length === 0 && shape.demands.size === 0)
      this.#shapes.delete(shape.key);
  }
}
