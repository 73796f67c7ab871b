/** How an agent becomes a node of a cluster of several machines: its keys, its number, its ways to the others. */
import { headNode, nodeId, type NodeInfo, type NodeReport, type Welcome } from "@iono/core";
import * as os from "node:os";
import { ConnectedGateway } from "../../mesh/gateway/client-connected.ts";
import { makeHello } from "../../mesh/hello.ts";
import { join } from "../../mesh/join.ts";
import { makeKeys } from "../../mesh/keys.ts";
import { createMesh } from "../../mesh/mesh.ts";
import type { Mesh, MeshEvents, Network } from "../../mesh/network.ts";
import { RoutingNetwork } from "../../mesh/routing-network.ts";
import { version } from "../../version.ts";
import type { AgentOptions, ClusterJoin } from "../options.ts";
import { hostId } from "../host-id.ts";

export interface Joined {
  readonly welcome: Welcome;
  /** With which a machine with the same keys joins again, after the token that it was given has expired; "" for a driver. */
  readonly againToken: string;
  readonly report: NodeReport;
  readonly network: { known(info: NodeInfo): void; gone(node: number): void };
  /** The gateway of this machine was started anew. */
  moved(path: string): void;
  createMesh(events: MeshEvents): Mesh;
}

/** @throws IonoError Unreachable, JoinRefused, VersionMismatch, BadOption. */
export async function joinCluster(options: AgentOptions, cluster: ClusterJoin): Promise<Joined> {
  const keys = cluster.keys ?? makeKeys();
  const report: NodeReport = {
    name: options.name,
    kind: options.driver === null ? "node" : "driver",
    endpoint: cluster.endpoint === "" ? "" : `tcp://${cluster.endpoint}`,
    hostId: hostId(),
    hostname: os.hostname(),
    pid: process.pid,
    resources: options.resources,
    labels: options.labels,
    version,
  };
  const { address, token } = cluster;
  const role = report.kind === "driver" ? "client" : "node";
  const told = await join({ address, token, keys, role, info: report });
  const { node, clusterId, serverPublicKey, endpoint, details } = told;
  const { name, again } = (details ?? {}) as { name?: unknown; again?: unknown };
  const welcome: Welcome = {
    node,
    name: typeof name === "string" ? name : nodeId(node),
    clusterId,
    head: { endpoint, publicKey: serverPublicKey },
  };
  const gateway =
    cluster.gateway === null
      ? null
      : new ConnectedGateway(cluster.gateway, { clusterId, serves: [node], guards: cluster.gateway.guards });
  const routing =
    gateway !== null && !gateway.guards
      ? null
      : new RoutingNetwork({
          node,
          keys,
          hello: (channel, serverKey) => makeHello({ clusterId, node, channel }, keys, serverKey),
          head: welcome.head,
          ...(gateway === null ? {} : { gateway }),
          isDialable: report.endpoint !== "",
          onTrouble: tellTrouble(),
        });
  const network: Network | null = routing ?? gateway;
  if (network === null) throw new Error("unreachable");
  return {
    welcome,
    againToken: typeof again === "string" ? again : "",
    report: { ...report, name: welcome.name },
    moved: (path) => gateway?.moved(path),
    network: {
      known: ({ node: other, endpoint: theirs, publicKey }) => {
        if (gateway?.guards === true) gateway.allow({ node: other, publicKey });
        if (theirs !== "") routing?.setAddress({ node: other, endpoint: theirs, publicKey });
      },
      gone: (other) => {
        if (gateway?.guards === true) gateway.revoke(other);
        routing?.forget(other);
      },
    },
    createMesh: (events) => createMesh({ node, network, events }),
  };
}

/** A connection that is lost comes back by itself, as a rule: what lasts is said, less and less often. */
function tellTrouble(): (node: number, channel: number, reason: string) => void {
  const counts = new Map<number, number>();
  return (node, _channel, reason) => {
    const count = (counts.get(node) ?? 0) + 1;
    counts.set(node, count);
    if (count < firstTold || Math.log10(count / firstTold) % 1 !== 0) return;
    const whom = node === headNode ? "the head" : nodeId(node);
    process.stderr.write(`iono: no connection to ${whom} after ${count} tries: ${reason}\n`);
  };
}

const firstTold = 10;
