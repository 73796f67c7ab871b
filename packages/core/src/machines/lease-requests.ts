/** Actors that ask for a process, in the order of waiting. */
import { shapeKey } from "../resources.ts";
import type { ActorRequest } from "./lease-state.ts";

type AskedActor = Pick<ActorRequest, "request" | "placement" | "running" | "job" | "detached">;

export class ActorRequests {
  readonly #requests = new Map<number, ActorRequest>();
  /** How many there are of each group. */
  readonly #groupSizes = new Map<string, number>();

  get size(): number {
    return this.#requests.size;
  }

  has(request: number): boolean {
    return this.#requests.has(request);
  }

  get(request: number): ActorRequest | undefined {
    return this.#requests.get(request);
  }

  values(): Iterable<ActorRequest> {
    return this.#requests.values();
  }

  /** Returns how many of the same group it stands behind. */
  add(asked: AskedActor, since: number): number {
    const { request, placement, running, job, detached } = asked;
    const group = `${shapeKey(placement)}|${shapeKey(running)}|${job}`;
    const before = this.#groupSizes.get(group) ?? 0;
    this.#groupSizes.set(group, before + 1);
    const record = { request, placement, running, group, job, detached, since, saidInfeasible: false };
    this.#requests.set(request, record);
    return before;
  }

  delete(request: number): void {
    const group = this.#requests.get(request)?.group;
    if (group === undefined) return;
    this.#requests.delete(request);
    const left = (this.#groupSizes.get(group) ?? 1) - 1;
    if (left > 0) this.#groupSizes.set(group, left);
    else this.#groupSizes.delete(group);
  }
}
