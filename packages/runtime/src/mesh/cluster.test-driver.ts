/** Nodes of a test, with real gateways on loopback: the head, 0, listens; others dial it, and may listen too. */
import { frameKinds, headNode, type Channel } from "@iono/core";
import { setTimeout as sleep } from "node:timers/promises";
import type { Link } from "../links/link.ts";
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

/** Sends numbers, a few in each turn, and takes those of the other side. */
export class Stream {
  readonly link: Link;
  sent = 0;
  heard = 0;
  readonly wrong: string[] = [];
  #isSending = true;

  constructor(link: Link) {
    this.link = link;
    link.listen({
      frame: (_kind, chunk, start) => {
        const number = chunk.readUInt32LE(start);
        if (number !== this.heard) this.wrong.push(`${number} instead of ${this.heard}`);
        this.heard = number + 1;
      },
      closed: (error) => this.wrong.push(`closed: ${error?.message}`),
    });
    void this.#send();
  }

  stop(): void {
    this.#isSending = false;
  }

  async #send(): Promise<void> {
    while (this.#isSending) {
      const payload = Buffer.alloc(200);
      payload.writeUInt32LE(this.sent++);
      this.link.send("control", frameKinds.control, payload);
      await sleep(2);
    }
  }
}

/** The test's own time limit is the only one. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

/** Resolves when what both send from now on has arrived. */
export async function goesBothWays(one: Stream, other: Stream): Promise<void> {
  const [sentByOne, sentByOther] = [one.sent, other.sent];
  await until(() => other.heard > sentByOne && one.heard > sentByOther);
}
