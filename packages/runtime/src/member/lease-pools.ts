/** The lease pools of a process, by what their tasks ask for. */
import { leaseKey, nearStrategy, nodeOf, strategyKey, type ResourceVector } from "@iono/core";
import { LeasePool } from "../owner/lease-pool.ts";
import type { Owner } from "../owner/owner.ts";
import type { Sender } from "../owner/sender.ts";
import type { AgentLink } from "./agent-link.ts";

export class LeasePools {
  readonly #owner: Owner;
  readonly #agent: AgentLink;
  readonly #isInCluster: boolean;
  readonly #loopback: (resources: ResourceVector) => Sender | null;
  readonly #pools = new Map<string, LeasePool>();
  /** Called with each new pool; an inline runtime serves it at once. */
  onPool: (pool: LeasePool) => void = () => {};

  /** @param loopback what runs a task of such resources in this process, if it may now. */
  constructor(
    owner: Owner,
    agent: AgentLink,
    process: number,
    loopback: (resources: ResourceVector) => Sender | null,
  ) {
    this.#owner = owner;
    this.#agent = agent;
    this.#isInCluster = nodeOf(process) > 0;
    this.#loopback = loopback;
  }

  all(): Iterable<LeasePool> {
    return this.#pools.values();
  }

  find(shape: string): LeasePool | undefined {
    return this.#pools.get(shape);
  }

  /** @param shape `leaseKey` of resources and strategy. */
  get(shape: string, resources: ResourceVector, strategy: string, home?: number): LeasePool {
    let pool = this.#pools.get(shape);
    if (pool !== undefined) return pool;
    const loopback = this.#loopback;
    const agent = this.#agent;
    const isPlain = strategy === "";
    pool = new LeasePool(
      this.#owner,
      {
        demand: (_from, count) => agent.notify({ t: "demand", resources, shape, strategy, count }),
        release: (_from, worker, lease, isLost) =>
          agent.notify({ t: "release", worker, lease, shape, isLost }),
        get loopback() {
          // What asks for a certain node does not run just here.
          return isPlain ? loopback(resources) : null;
        },
        ...(home === undefined ? {} : { home }),
        ...(isPlain && this.#isInCluster ? { near: (node: number) => this.#near(node, resources) } : {}),
      },
      shape,
      resources,
    );
    this.#pools.set(shape, pool);
    this.onPool(pool);
    return pool;
  }

  #near(node: number, resources: ResourceVector): LeasePool {
    const strategy = strategyKey(nearStrategy(node));
    return this.get(leaseKey(resources, strategy), resources, strategy, node);
  }
}
