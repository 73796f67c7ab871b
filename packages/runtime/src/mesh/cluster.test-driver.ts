/** Nodes of a test, with real gateways on loopback: the head, 0, listens; others dial it, and may listen too. */
import { headNode, type Channel } from "@iono/core";
import { StartedGateway } from "./gateway/client-started.ts";
import { makeHello } from "./hello.ts";
import { makeKeys, type CurveKeys } from "./keys.ts";
import { createMesh } from "./mesh.ts";
import type { Mesh, MeshEvents } from "./network.ts";
import { RoutingNetwork } from "./routing-network.ts";

export const clusterId = "a cluster of a test";

export interface TestNode {
  readonly node: number;
  readonly keys: CurveKeys;
  readonly mesh: Mesh;
  readonly network: RoutingNetwork;
  readonly gateway: StartedGateway | undefined;
  readonly troubles: string[];
}

export interface TestNodeOptions {
  readonly events?: Partial<MeshEvents>;
  readonly keys?: CurveKeys;
  readonly head?: { readonly endpoint: string; readonly publicKey: string };
  readonly listens?: boolean;
}

export function startGateway(node: number, keys: CurveKeys, port = 0): Promise<StartedGateway> {
  return StartedGateway.start({
    host: "127.0.0.1",
    port,
    joinPort: null,
    keys,
    clusterId,
    serves: [node],
    guards: true,
  });
}

export async function startNode(node: number, options: TestNodeOptions = {}): Promise<TestNode> {
  const { events, head, keys = makeKeys(), listens = node === headNode } = options;
  const gateway = listens ? await startGateway(node, keys) : undefined;
  const troubles: string[] = [];
  const network = new RoutingNetwork({
    node,
    keys,
    hello: (channel: Channel, serverPublicKey) =>
      makeHello({ clusterId, node, channel }, keys, serverPublicKey),
    isDialable: gateway !== undefined,
    onTrouble: (_node, _channel, reason) => troubles.push(reason),
    ...(head === undefined ? {} : { head }),
    ...(gateway === undefined ? {} : { gateway }),
  });
  const mesh = createMesh({
    node,
    network,
    events: { linked: () => {}, health: () => {}, ...events },
  });
  return { node, keys, mesh, network, gateway, troubles };
}

export function endpointOf({ gateway, keys }: TestNode): { endpoint: string; publicKey: string } {
  return { endpoint: `tcp://127.0.0.1:${gateway?.bound?.port}`, publicKey: keys.publicKey };
}
