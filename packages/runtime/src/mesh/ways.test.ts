/** Which way datagrams take between nodes, and that a change of it is not noticed by those who use the links. */
import { channels, headNode } from "@iono/core";
import { startProxy, type TcpProxy } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpointOf, goesBothWays, startNode, Stream, until, type TestNode } from "./cluster.test-driver.ts";
import { makeKeys, type CurveKeys } from "./keys.ts";

const { control } = channels;
const nodes: TestNode[] = [];
const streams: Stream[] = [];
const accepted = new Map<string, (stream: Stream) => void>();
let proxy: TcpProxy;

/** 0 the head, 1 and 2 that can be dialled, 3 that cannot. What 2 dials as 1 leads through a proxy. */
beforeAll(async () => {
  const keys = [0, 1, 2, 3].map((): CurveKeys => makeKeys());
  for (const node of [0, 1, 2, 3]) {
    const head = node === 0 ? {} : { head: endpointOf(nodes[0]) };
    const started = await startNode(node, {
      ...head,
      keys: keys[node],
      listens: node < 3,
      events: {
        linked: (from, _channel, link) => accepted.get(`${from}-${node}`)?.(keep(new Stream(link))),
      },
    });
    nodes.push(started);
    for (const other of [1, 2, 3])
      if (other !== node) started.gateway?.allow({ node: other, publicKey: keys[other].publicKey });
  }
  proxy = await startProxy({ target: { host: "127.0.0.1", port: nodes[1].gateway?.bound?.port ?? 0 } });
  for (const { network, node } of nodes) {
    if (node === headNode) continue;
    if (node !== 1) {
      const { publicKey } = endpointOf(nodes[1]);
      network.setAddress({ node: 1, endpoint: `tcp://127.0.0.1:${proxy.port}`, publicKey });
    }
    if (node !== 2) network.setAddress({ node: 2, ...endpointOf(nodes[2]) });
    if (node !== 3) network.setAddress({ node: 3, endpoint: "", publicKey: keys[3].publicKey });
  }
}, 30_000);

afterAll(async () => {
  for (const stream of streams) stream.stop();
  await Promise.all(nodes.slice(1).map(({ mesh }) => mesh.close()));
  await nodes[0]?.mesh.close();
  await proxy?.close();
});

function keep(stream: Stream): Stream {
  streams.push(stream);
  return stream;
}

async function linked(from: number, to: number): Promise<[Stream, Stream]> {
  const other = new Promise<Stream>((resolve) => accepted.set(`${from}-${to}`, resolve));
  const one = keep(new Stream(nodes[from].mesh.link(to, "control")));
  return [one, await other];
}

describe("ways between nodes", { timeout: 40_000 }, () => {
  it("lead through the head at once, and straight once the higher number has dialled", async () => {
    // The lower one speaks first: it does not dial.
    const [one, two] = await linked(1, 2);
    await until(() => nodes[2].network.wayTo(1, control) === "dialled");
    await until(() => nodes[1].network.wayTo(2, control) === "gateway");
    await goesBothWays(one, two);
    expect([one.wrong, two.wrong]).toEqual([[], []]);
  });

  it("go back to the head when the straight one is cut, and straight again when it is mended", async () => {
    const [one, two] = streams;
    for (let i = 0; i < 2; i++) {
      proxy.refuse("close");
      proxy.reset();
      await until(() => nodes[2].network.wayTo(1, control) === "head");
      await goesBothWays(one, two);
      proxy.refuse("never");
      await until(() => nodes[2].network.wayTo(1, control) === "dialled");
      await goesBothWays(one, two);
    }
    expect([one.wrong, two.wrong]).toEqual([[], []]);
  });

  it("go round a black hole", async () => {
    const [one, two] = streams;
    proxy.drop();
    await until(() => nodes[2].network.wayTo(1, control) === "head");
    await goesBothWays(one, two);
    proxy.heal();
    await until(() => nodes[2].network.wayTo(1, control) === "dialled");
    await goesBothWays(one, two);
    expect([one.wrong, two.wrong]).toEqual([[], []]);
  });

  it("lead from one that cannot be dialled to those that can, whoever speaks first", async () => {
    const [two, three] = await linked(2, 3);
    await until(() => nodes[3].network.wayTo(2, control) === "dialled");
    await until(() => nodes[2].network.wayTo(3, control) === "gateway");
    await goesBothWays(two, three);
    expect([two.wrong, three.wrong]).toEqual([[], []]);
  });

  it("end with the node", async () => {
    const [, three] = streams.slice(-2);
    three.stop();
    nodes[3].mesh.forget(2);
    nodes[3].network.forget(2);
    await until(() => three.wrong.length > 0);
    expect(three.wrong).toEqual(["closed: node 2 is gone"]);
    expect(nodes[3].mesh.link(2, "control").closed).toBe(true);
  });
});
