import { headNode } from "@iono/core";
import { describeLink } from "@iono/testing";
import { afterAll, beforeAll } from "vitest";
import type { Link, LinkEvents } from "../links/link.ts";
import { endpointOf, startNode, type TestNode } from "./cluster.test-driver.ts";
import { makeKeys } from "./keys.ts";
import type { MeshChannel } from "./network.ts";

let head: TestNode;
let node: TestNode;
let accept: ((link: Link) => void) | undefined;

beforeAll(async () => {
  head = await startNode(headNode, { events: { linked: (_node, _channel, link) => accept?.(link) } });
  const keys = makeKeys();
  head.gateway?.allow({ node: 1, publicKey: keys.publicKey });
  node = await startNode(1, { keys, head: endpointOf(head) });
});

afterAll(async () => {
  await node?.mesh.close();
  await head?.mesh.close();
});

function pair(channel: MeshChannel, near: LinkEvents, far: LinkEvents): Promise<[Link, Link]> {
  return new Promise((resolve) => {
    accept = (there) => {
      there.listen(far);
      resolve([here, there]);
    };
    const here = node.mesh.link(headNode, channel);
    here.listen(near);
  });
}

describeLink("SessionLink over CURVE, control", (near, far) => pair("control", near, far));
describeLink("SessionLink over CURVE, bulk", (near, far) => pair("bulk", near, far));
