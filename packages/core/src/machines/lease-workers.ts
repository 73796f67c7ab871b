/** The workers of the lease machine, and what may become of one: each step says its instruction. */
import { noResources, type ResourceVector } from "../resources.ts";
import type { LeaseInstruction } from "./lease-events.ts";
import { GpuSlots } from "./lease-gpus.ts";
import {
  isUsable,
  newWorker,
  type ActorRequest,
  type Purpose,
  type Shape,
  type Worker,
} from "./lease-state.ts";

export class LeaseWorkers {
  readonly all = new Map<number, Worker>();
  readonly gpus: GpuSlots;
  /** What was said since it was last taken. */
  #out: LeaseInstruction[] = [];
  readonly #shapeIsLeft: (shape: string) => void;
  #nextWorker: number;
  #nextLease = 1;

  /** `shapeIsLeft` hears of every shape that loses its last worker: it waits from then on. */
  constructor(firstWorker: number, gpuUnits: number, shapeIsLeft: (shape: string) => void) {
    this.#nextWorker = firstWorker;
    this.gpus = GpuSlots.of(gpuUnits);
    this.#shapeIsLeft = shapeIsLeft;
  }

  say(...instructions: readonly LeaseInstruction[]): void {
    this.#out.push(...instructions);
  }

  takeInstructions(): LeaseInstruction[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** Workers that serve a shape, or will. */
  usable(shape: string): Worker[] {
    const usable: Worker[] = [];
    for (const worker of this.all.values()) if (isUsable(worker, shape)) usable.push(worker);
    return usable;
  }

  spawn(purpose: Purpose, held: ResourceVector, gpuIds: readonly number[]): Worker {
    const worker = newWorker(this.#nextWorker++, purpose, held, gpuIds);
    this.gpus.take(gpuIds, worker.gpuUnits);
    this.all.set(worker.number, worker);
    this.say({ type: "spawn", worker: worker.number, gpuIds, job: purpose.job });
    return worker;
  }

  /** A spare worker is the shape's from now on. */
  take(worker: Worker, shape: Shape): void {
    this.bind(worker, shape.job);
    worker.shape = shape.key;
    worker.shapeName = shape.name;
    worker.held = shape.resources;
    if (worker.state === "idle") this.lease(worker);
  }

  /** It serves this job and no other (L6). */
  bind(worker: Worker, job: string): void {
    if (worker.job === job) return;
    worker.job = job;
    this.say({ type: "bind", worker: worker.number, job });
  }

  lease(worker: Worker): void {
    worker.state = "leased";
    worker.used = true;
    worker.tenure = 0;
  }

  grant(worker: Worker, owner: number): void {
    const lease = this.#nextLease++;
    worker.owners.set(owner, lease);
    const { number, shapeName: shape, job } = worker;
    this.say({ type: "grant", owner, worker: number, lease, shape, job });
  }

  recall(worker: Worker): void {
    worker.state = "recalled";
    if (worker.owners.size === 0) {
      this.free(worker);
      return;
    }
    this.#leaves(worker);
    const { number, shapeName: shape, job } = worker;
    for (const [owner, lease] of worker.owners)
      this.say({ type: "recall", owner, worker: number, lease, shape, job });
  }

  /** No owner sends it work any more. */
  free(worker: Worker): void {
    if (worker.state === "stopping") return;
    worker.blocked = false;
    // The memory of a GPU is free when the process is gone, not before.
    if (worker.gpuIds.length > 0) {
      this.stop(worker);
      return;
    }
    this.#leaves(worker);
    worker.held = noResources;
    worker.borrowedCpu = 0;
    worker.shape = null;
    worker.shapeName = "";
    if (worker.state !== "starting") worker.state = "idle";
  }

  placeActor(worker: Worker, request: ActorRequest): void {
    worker.state = "actor";
    worker.detached = request.detached;
    worker.held = request.running;
    const { gpuIds } = worker;
    this.say({ type: "place actor", request: request.request, worker: worker.number, gpuIds });
  }

  stop(worker: Worker, force = false): void {
    this.#leaves(worker);
    worker.state = "stopping";
    this.say({ type: "stop", worker: worker.number, force });
  }

  /** Its process is gone. */
  remove(worker: Worker): void {
    this.all.delete(worker.number);
    this.gpus.giveBack(worker.gpuIds, worker.gpuUnits);
    this.#leaves(worker);
  }

  #leaves(worker: Worker): void {
    if (worker.shape === null) return;
    for (const other of this.all.values()) if (other !== worker && isUsable(other, worker.shape)) return;
    this.#shapeIsLeft(worker.shape);
  }
}
