/** `runtimeContext`, `nodes`, `clusterResources`, `availableResources`. */
import { formatOwnedId, resourceAmounts } from "@iono/core";
import { taskStorage } from "../executor/task-context.ts";
import { currentMember } from "./runtime.ts";
import type { RuntimeContext } from "./types.ts";
import { thisNodeId } from "../member/this-node.ts";

const never = new AbortController().signal;

/** What the code that runs knows about itself. */
export function runtimeContext(): RuntimeContext {
  const member = currentMember();
  const running = taskStorage.getStore();
  return {
    get jobId() {
      return member.jobId;
    },
    nodeId: thisNodeId(),
    taskId: running === undefined ? undefined : formatOwnedId("task", running.link.owner, running.wire),
    actorId: running?.executor.actor?.id ?? member.actorId,
    attempt: running?.attempt ?? 0,
    resources: resourceAmounts(running?.definition.resources ?? member.taskResources),
    gpuIds: member.gpuIds,
    get signal() {
      return running?.signal ?? never;
    },
    namespace: member.options.namespace,
  };
}

interface Status {
  readonly nodes: readonly (NodeStatus & { readonly kind?: string })[];
}

export interface NodeStatus {
  readonly id: string;
  /** By which `scheduling: { node }` finds it; so does its id. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: { readonly total: Record<string, number>; readonly available: Record<string, number> };
  /** Bytes of objects in the object store that have come from other nodes and gone to them, since the node's start. */
  readonly moved: { readonly receivedBytes: number; readonly sentBytes: number };
}

/** The nodes of the cluster that run tasks. */
export async function nodes(): Promise<readonly NodeStatus[]> {
  const status = await currentMember().agent.request<Status>({ t: "status" });
  return status.nodes.filter(({ kind }) => kind !== "driver");
}

/** All resources of the cluster: `{ CPU, GPU, memory, … }`. */
export async function clusterResources(): Promise<Record<string, number>> {
  return sum((await nodes()).map((node) => node.resources.total));
}

/** Those not in use. */
export async function availableResources(): Promise<Record<string, number>> {
  return sum((await nodes()).map((node) => node.resources.available));
}

function sum(all: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of all) for (const name in each) total[name] = (total[name] ?? 0) + each[name];
  return total;
}
