/** What an agent tells people of its whole cluster: every node's own account, what the head knows, and its links. */
import { headNode, nodeId, nodeOf, type NodeInfo, type Welcome } from "@iono/core";
import type { LivingActor } from "../head-connection.ts";
import type { NodeLinks } from "./node-links.ts";
import type { Requests } from "./requests.ts";

export interface ClusterStatusSources {
  readonly welcome: Welcome;
  /** The agent is a program's, and has no resources. */
  readonly isDriver: boolean;
  readonly others: readonly NodeInfo[];
  readonly links: Pick<NodeLinks, "nodes" | "roundTripMs">;
  readonly requests: Requests;
  /** What owners of this node want that no node can hold. */
  readonly unplaced: readonly { readonly shape: string; readonly count: number }[];
}

interface OwnStatus {
  readonly nodes?: readonly { readonly id: string }[];
}

const statusMs = 1500;
/** No node has a name with a space. */
const headName = "the head";

/** Takes 1.5 s at most; who has not answered by then is named. */
export async function clusterStatus(own: OwnStatus, sources: ClusterStatusSources): Promise<object> {
  const { welcome, isDriver, others, links, requests, unplaced } = sources;
  const nameOf = new Map(others.map(({ node, name }) => [node, name]));
  const asked = others.filter(({ kind }) => kind === "node");
  const [actors, ...told] = await Promise.all([
    answerOf(requests.ask<{ actors?: LivingActor[] }>(headNode, { t: "status" }, statusMs)),
    ...asked.map(({ node }) => answerOf(requests.ask<OwnStatus>(node, { t: "status" }, statusMs))),
  ]);
  const silent = asked.filter((_, i) => told[i] === undefined).map(({ name }) => name);
  if (actors === undefined) silent.unshift(headName);
  const all = [...(isDriver ? [] : (own.nodes ?? [])), ...told.flatMap((each) => each?.nodes ?? [])];
  const living = actors?.actors ?? [];
  const nodes = all.map((each) => ({
    ...each,
    actors: living.filter(({ process }) => process !== 0 && nodeId(nodeOf(process)) === each.id),
  }));
  const cluster = {
    id: welcome.clusterId,
    head: welcome.head.endpoint,
    node: nodeId(welcome.node),
    name: welcome.name,
    links: links.nodes().map((node) => ({
      to: node === headNode ? headName : (nameOf.get(node) ?? nodeId(node)),
      roundTripMs: links.roundTripMs(node) ?? null,
    })),
    silent,
    /** Without a node yet. */
    actors: living.filter(({ process }) => process === 0),
    unplaced,
  };
  return { ...own, nodes, cluster };
}

function answerOf<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch(() => undefined);
}
