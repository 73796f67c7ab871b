/** Everything that can become of a connection: the session goes on, with nothing lost, repeated or out of order. */
import { headNode } from "@iono/core";
import { startProxy, type TcpProxy } from "@iono/testing";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Reply, Router } from "zeromq";
import type { Link } from "../links/link.ts";
import { endpointOf, startNode, Stream, until, type TestNode } from "./cluster.test-driver.ts";
import { makeKeys } from "./keys.ts";

let head: TestNode;
let node: TestNode;
let proxy: TcpProxy;
let there: Stream;
let here: Stream;

const address = () => ({ host: "127.0.0.1", port: head.gateway?.bound?.port ?? 0 });

beforeAll(async () => {
  const accepted = new Promise<Stream>((resolve) => {
    const linked = (_node: number, _channel: string, link: Link): void => resolve(new Stream(link));
    void startNode(headNode, { events: { linked } }).then(async (started) => {
      head = started;
      const keys = makeKeys();
      head.gateway?.allow({ node: 1, publicKey: keys.publicKey });
      proxy = await startProxy({ target: address() });
      const { publicKey } = endpointOf(head);
      node = await startNode(1, { keys, head: { endpoint: `tcp://127.0.0.1:${proxy.port}`, publicKey } });
      here = new Stream(node.mesh.link(headNode, "control"));
    });
  });
  there = await accepted;
}, 20_000);

afterAll(async () => {
  here?.stop();
  there?.stop();
  await node?.mesh.close();
  await head?.mesh.close();
  await proxy?.close();
});

/** Resolves when what is sent from now on arrives, both ways. */
async function isBack(): Promise<void> {
  const [sentHere, sentThere] = [here.sent, there.sent];
  await until(() => there.heard > sentHere && here.heard > sentThere);
  expect([here.wrong, there.wrong]).toEqual([[], []]);
}

/** Loaded machines are slow; the goal is 5 s. */
const backMs = 15_000;

/** In ms. */
async function back(): Promise<number> {
  const start = performance.now();
  await isBack();
  return performance.now() - start;
}

/** Both channels are up. */
function isUp(): boolean {
  return node.network.wayTo(headNode, 0) === "dialled" && node.network.wayTo(headNode, 1) === "dialled";
}

/** For a while, this node's connections lead to another server. */
async function meanwhile(server: Router): Promise<void> {
  await server.bind("tcp://127.0.0.1:*");
  try {
    proxy.retarget({ host: "127.0.0.1", port: Number(/:(\d+)$/.exec(server.lastEndpoint ?? "")?.[1]) });
    const { connections } = proxy.counters;
    proxy.reset();
    // Both channels have tried twice.
    await until(() => proxy.counters.connections >= connections + 4);
  } finally {
    proxy.retarget(address());
    server.close();
    proxy.reset();
  }
}

describe("a session over a connection to a gateway", () => {
  it("works", async () => {
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives a TCP reset", { timeout: 30_000 }, async () => {
    for (let i = 0; i < 3; i++) {
      proxy.reset();
      expect(await back()).toBeLessThan(backMs);
    }
  });

  it("outlives the gateway's death", { timeout: 30_000 }, async () => {
    const { restarts } = head.gateway ?? { restarts: 0 };
    process.kill(head.gateway?.pid ?? 0, "SIGKILL");
    await until(() => (head.gateway?.restarts ?? 0) > restarts && head.gateway?.bound !== undefined);
    expect(await back()).toBeLessThan(backMs);
  });

  it(
    "outlives a close that the other side does not see, and servers that close at once",
    { timeout: 30_000 },
    async () => {
      proxy.closeSilently("client");
      expect(await back()).toBeLessThan(backMs);
      proxy.closeSilently("target");
      expect(await back()).toBeLessThan(backMs);
      proxy.refuse("close");
      const { connections } = proxy.counters;
      proxy.reset();
      await until(() => proxy.counters.connections >= connections + 4);
      proxy.refuse("never");
      expect(await back()).toBeLessThan(backMs);
    },
  );

  it("outlives a black hole", { timeout: 40_000 }, async () => {
    await until(isUp);
    const { connections } = proxy.counters;
    proxy.drop();
    // Both channels have noticed.
    await until(() => proxy.counters.connections >= connections + 2);
    proxy.heal();
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives a gateway with another key", { timeout: 30_000 }, async () => {
    await meanwhile(new Router({ curveServer: true, curveSecretKey: makeKeys().secretKey, linger: 0 }));
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives a server without encryption", { timeout: 30_000 }, async () => {
    await meanwhile(new Router({ linger: 0 }));
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives not being allowed (ZAP 300, and a refused hello)", { timeout: 30_000 }, async () => {
    const troubles = node.troubles.length;
    head.gateway?.revoke(1);
    await until(() => node.troubles.length >= troubles + 4);
    head.gateway?.allow({ node: 1, publicKey: node.keys.publicKey });
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives being turned away for good (ZAP 400)", { timeout: 30_000 }, async () => {
    const zap = new Reply();
    await zap.bind("inproc://zeromq.zap.01");
    const answering = (async () => {
      for await (const [version, id] of zap) await zap.send([version, id, "400", "no", "", ""]);
    })();
    try {
      const { secretKey } = head.keys;
      await meanwhile(
        new Router({
          curveServer: true,
          curveSecretKey: secretKey,
          zapDomain: "test",
          zapEnforceDomain: true,
          linger: 0,
        }),
      );
    } finally {
      zap.close();
      await answering;
    }
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives a web server's answer", { timeout: 30_000 }, async () => {
    for (let i = 0; i < 2; i++) proxy.answerOnce("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    proxy.reset();
    expect(await back()).toBeLessThan(backMs);
  });

  it("outlives a corrupted byte", { timeout: 30_000 }, async () => {
    for (const way of ["toTarget", "toClient"] as const) {
      await until(isUp);
      proxy.corruptNext(way);
      await turn();
      expect(await back()).toBeLessThan(backMs);
    }
  });
});
