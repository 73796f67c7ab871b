/** Clusters on bad networks: nodes that can only dial, slow and lossy links, blackouts, lost connections, lost gateways. */
import {
  startCluster,
  startRelay,
  type Relay,
  type TcpProxy,
  type TestCluster,
  type TestNode,
} from "@iono/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { get, init, nodes, remote, shutdown, type ActorHandle } from "../../src/index.ts";
import { Ledger, make, sum, where, expectThrough } from "./workload.ts";

let cluster: TestCluster;
/** Between the driver and the head. */
let driver: Relay;
/** Two that can only dial, and one whose port is forwarded. */
let dials: TestNode;
let dialsToo: TestNode;
let forwarded: TestNode;
let proxies: TcpProxy[];

const on = (node: TestNode) => ({ scheduling: { node: node.name } }) as const;
const proxyOf = (node: TestNode): TcpProxy => {
  const proxy = node.proxy ?? node.forward;
  if (proxy === undefined) throw new Error(`${node.name} has no proxy`);
  return proxy;
};
const million = 1_000_000;
/** Longer than it takes to doubt a node and to make its connections anew, shorter than it takes to give it up. */
const blackoutMs = 4_000;

beforeAll(async () => {
  cluster = await startCluster([{}, { isProxied: true }, { isProxied: true }, { isForwarded: true }]);
  [, dials, dialsToo, forwarded] = cluster.nodes;
  const { port } = new URL(cluster.address.replace("iono:", "http:"));
  driver = await startRelay(null, { target: { host: "127.0.0.1", port: Number(port) } });
  proxies = [proxyOf(dials), proxyOf(dialsToo), proxyOf(forwarded)];
  await init({ address: `iono://127.0.0.1:${driver.port}`, token: cluster.token });
}, 60_000);

afterEach(async () => {
  for (const proxy of [driver, ...proxies]) await proxy.heal();
});

afterAll(async () => {
  await shutdown();
  await cluster.stop();
  await driver.close();
}, 60_000);

describe("nodes behind routers", () => {
  test("two that can only dial exchange objects", async () => {
    const before = proxyOf(dials).counters.toTarget.received;
    const made = make.options(on(dials)).remote(million, 2);
    expect(await get(sum.options(on(dialsToo)).remote(made))).toBe(2 * million);
    // It went out once, by the head, which cannot be passed by.
    const sent = proxyOf(dials).counters.toTarget.received - before;
    expect(sent / (8 * million)).toBeGreaterThan(1);
    expect(sent / (8 * million)).toBeLessThan(1.1);
    const back = make.options(on(dialsToo)).remote(million, 3);
    expect(await get(sum.options(on(dials)).remote(back))).toBe(3 * million);
  }, 60_000);

  test("two that can only dial call each other's actors", async () => {
    const ledger = Ledger.options(on(dials)).remote();
    const adds = remote(async (handle: ActorHandle<typeof Ledger>, n: number) =>
      get(Array.from({ length: n }, (_, i) => handle.add.remote(i))),
    );
    const counted = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(await get(adds.options(on(dialsToo)).remote(ledger, 100))).toEqual(counted);
  }, 60_000);

  test("one whose port is forwarded is dialled at the address that it told", async () => {
    const made = make.options(on(forwarded)).remote(million, 5);
    expect(await get(sum.options(on(dials)).remote(made))).toBe(5 * million);
    // The first of it may go by the head, before the connection is up.
    const again = make.options(on(forwarded)).remote(million, 6);
    expect(await get(sum.options(on(dials)).remote(again))).toBe(6 * million);
    expect(proxyOf(forwarded).counters.toClient.delivered).toBeGreaterThan(8 * million);
  }, 60_000);
});

describe("slow and lossy links", () => {
  test("8 Mbit/s and 150 ms each way: small tasks pass by the object that fills the link", async () => {
    const ledger = Ledger.options(on(dials)).remote();
    await get([
      ledger.add.remote(0),
      where.options(on(dials)).remote(),
      where.options(on(dialsToo)).remote(),
    ]);
    for (const node of [dials, dialsToo]) proxyOf(node).set({ bytesPerSecond: million, latencyMs: 150 });
    const made = make.options(on(dials)).remote(million / 2, 1);
    let isThere = false;
    const arrived = get(sum.options({ ...on(dialsToo), numCpus: 0 }).remote(made)).finally(
      () => (isThere = true),
    );
    let passedBy = 0;
    while (!isThere) {
      const small = [where.options(on(dials)).remote(), where.options(on(dialsToo)).remote()];
      await get([...small, ledger.add.remote(passedBy)]);
      if (!isThere) passedBy++;
    }
    expect(await arrived).toBe(million / 2);
    // 4 MB take 4 s; what waits in front of a small one is half a second's worth.
    expect(passedBy).toBeGreaterThanOrEqual(4);
    expect((await nodes()).map(({ name }) => name)).toEqual(
      expect.arrayContaining([dials.name, dialsToo.name]),
    );
  }, 60_000);

  test("5 % of all packets lost: everything arrives, once", async () => {
    for (const proxy of [driver, ...proxies]) await proxy.set({ loss: 0.05, roundTripMs: 20, latencyMs: 10 });
    const amounts = { tasks: 20, calls: 25, items: 10, rounds: 1, length: 50_000 };
    await expectThrough({ on: [dials.name, forwarded.name], trouble: () => Promise.resolve(), amounts });
  }, 60_000);
});

describe("a network in trouble costs time, and nothing else", () => {
  const all = () => [dials.name, dialsToo.name, forwarded.name];

  test.each([
    { how: "stall", whom: "nodes" },
    { how: "drop", whom: "a node and the program" },
  ] as const)(
    "4 s without a byte for $whom ($how)",
    async ({ how, whom }) => {
      const cut = whom === "nodes" ? [proxyOf(dials), proxyOf(forwarded)] : [proxyOf(dialsToo), driver];
      await expectThrough({
        on: all(),
        trouble: async () => {
          for (const proxy of cut) await proxy[how]();
          await sleep(blackoutMs);
          for (const proxy of cut) await proxy.heal();
        },
      });
    },
    60_000,
  );

  test("all connections are reset, again and again", async () => {
    await expectThrough({
      on: all(),
      trouble: async () => {
        for (let i = 0; i < 8; i++) {
          for (const proxy of [driver, ...proxies]) await proxy.reset();
          await sleep(150);
        }
      },
    });
  }, 60_000);

  test("connections are half open: one side believes in them", async () => {
    await expectThrough({
      on: all(),
      trouble: async () => {
        for (const node of [dials, forwarded]) proxyOf(node).closeSilently("client");
        proxyOf(dialsToo).closeSilently("target");
        await driver.closeSilently("target");
      },
    });
  }, 60_000);

  test("gateways are killed, of a node and of the head", async () => {
    await expectThrough({
      on: all(),
      trouble: async () => {
        for (const node of [forwarded, cluster.nodes[0]]) {
          const { gateway } = await node.processes();
          process.kill(gateway, "SIGKILL");
          await expect.poll(async () => (await node.processes()).gateway).not.toBe(gateway);
        }
      },
    });
  }, 60_000);
});
