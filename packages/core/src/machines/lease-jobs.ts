/** What goes when a job, or the owners of a node, end. */
import { nodeOf } from "../ids.ts";
import type { ActorRequests } from "./lease-requests.ts";
import type { Shape, Worker } from "./lease-state.ts";
import type { LeaseWorkers } from "./lease-workers.ts";

interface Leases {
  readonly workers: LeaseWorkers;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly requests: ActorRequests;
}

/** Ends what is of a job, but for its detached actors and what `kept` owners want and use. */
export function endJob({ workers, shapes, requests }: Leases, job: string, kept: Iterable<number>): void {
  if (job === "") return;
  const stays = new Set(kept);
  const mine: Worker[] = [];
  for (const worker of workers.all.values()) {
    if (worker.job !== job) continue;
    if (worker.detached || requests.get(worker.request)?.detached === true) stays.add(worker.number);
    else mine.push(worker);
  }
  for (const shape of shapes.values()) {
    if (shape.job !== job) continue;
    for (const owner of [...shape.demands.keys()]) if (!stays.has(owner)) shape.demands.delete(owner);
  }
  for (const request of [...requests.values()])
    if (request.job === job && !request.detached) requests.delete(request.request);
  for (const worker of mine) {
    for (const owner of [...worker.owners.keys()]) if (!stays.has(owner)) worker.owners.delete(owner);
    if (worker.owners.size === 0) workers.stop(worker, true);
  }
}

/** Every owner of a node that demands or holds something here. */
export function ownersOfNode({ workers, shapes }: Leases, node: number): ReadonlySet<number> {
  const owners = new Set<number>();
  for (const { demands } of shapes.values())
    for (const owner of demands.keys()) if (nodeOf(owner) === node) owners.add(owner);
  for (const worker of workers.all.values())
    for (const owner of worker.owners.keys()) if (nodeOf(owner) === node) owners.add(owner);
  return owners;
}
