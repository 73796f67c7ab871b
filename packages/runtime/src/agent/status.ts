/** What the agent tells people: `iono status`, `nodes()`, `availableResources()`. */
import { nodeId, resourceAmounts, type LeaseMachine } from "@iono/core";
import type { LivingActor } from "./head-connection.ts";
import type { AgentOptions } from "./options.ts";
import type { WorkerProcess } from "./worker-processes.ts";

export interface StatusSources {
  readonly options: AgentOptions;
  readonly node: number;
  readonly name: string;
  readonly startedAtMs: number;
  readonly leases: LeaseMachine;
  readonly workers: ReadonlyMap<number, WorkerProcess>;
  readonly actors: readonly LivingActor[];
  readonly store: object;
  readonly moved: { readonly receivedBytes: number; readonly sentBytes: number };
}

export function describeNode({
  options,
  node,
  name,
  startedAtMs,
  leases,
  workers,
  actors,
  store,
  moved,
}: StatusSources): object {
  return {
    pid: process.pid,
    driverPid: options.driver?.pid ?? 0,
    program: options.driver?.program ?? "a node of a cluster",
    startedAtMs,
    nodes: [
      {
        id: nodeId(node),
        name,
        // The agent of a program that joined a cluster runs nothing.
        kind: node === 0 || options.driver === null ? "node" : "driver",
        labels: options.labels,
        resources: {
          total: resourceAmounts(options.resources),
          available: resourceAmounts(leases.unclaimed()),
        },
        workers: leases.states().map((state) => ({ ...state, pid: workers.get(state.worker)?.pid ?? 0 })),
        actors,
        demand: leases.demands(),
        store,
        moved: { receivedBytes: moved.receivedBytes, sentBytes: moved.sentBytes },
      },
    ],
    store,
    versions: { iono: options.version, node: process.versions.node },
  };
}
