/** A link of 8 Mbit/s, 300 ms and loss: it works, slower; and what is under way is half a second's worth at most. */
import { frameKinds, headNode } from "@iono/core";
import { startProxy, type TcpProxy } from "@iono/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpointOf, startNode, until, type TestNode } from "./cluster.test-driver.ts";
import { makeKeys } from "./keys.ts";
import { SessionLink } from "./session-link.ts";

const KiB = 1024;
const roundTripMs = 300;
const bytesPerSecond = 1_000_000;

let head: TestNode;
let node: TestNode;
let proxy: TcpProxy;
let bulkBytes = 0;
const health: string[] = [];

beforeAll(async () => {
  head = await startNode(headNode, {
    events: {
      health: (_node, what) => health.push(what),
      linked: (_node, channel, link) =>
        link.listen({
          frame: (_kind, chunk, start, end) => {
            if (channel === "bulk") bulkBytes += end - start;
            // An echo, to measure what a heartbeat takes.
            else link.send("control", frameKinds.control, chunk.subarray(start, end));
          },
          closed: () => {},
        }),
    },
  });
  const keys = makeKeys();
  head.gateway?.allow({ node: 1, publicKey: keys.publicKey });
  proxy = await startProxy({ target: { host: "127.0.0.1", port: head.gateway?.bound?.port ?? 0 } });
  proxy.set({ latencyMs: roundTripMs / 2, bytesPerSecond, roundTripMs });
  const { publicKey } = endpointOf(head);
  node = await startNode(1, {
    keys,
    head: { endpoint: `tcp://127.0.0.1:${proxy.port}`, publicKey },
    events: { health: (_node, what) => health.push(what) },
  });
}, 30_000);

afterAll(async () => {
  proxy?.heal();
  await node?.mesh.close();
  await head?.mesh.close();
  await proxy?.close();
});

describe("a slow link", { timeout: 60_000 }, () => {
  it("is used in full, with at most half a second's worth beyond the round trip under way", async () => {
    const bulk = node.mesh.link(headNode, "bulk");
    if (!(bulk instanceof SessionLink)) throw new Error("a link of another kind");
    const windows: number[] = [];
    let goOn = (): void => {};
    bulk.listen({ frame: () => {}, closed: () => {}, drained: () => goOn() });
    const total = 2560 * KiB;
    const control = node.mesh.link(headNode, "control");
    const echoes: number[] = [];
    control.listen({
      frame: (_kind, chunk, start) => echoes.push(performance.now() - chunk.readDoubleLE(start)),
      closed: () => {},
    });
    await until(() => bulk.isEstablished);
    const sentAt = performance.now();
    for (let sent = 0; sent < total; sent += 256 * KiB) {
      if (!bulk.send("data", frameKinds.piece, Buffer.alloc(256 * KiB)))
        await new Promise<void>((resolve) => (goOn = resolve));
    }
    while (bulkBytes < total) {
      const now = Buffer.alloc(8);
      now.writeDoubleLE(performance.now());
      control.send("control", frameKinds.control, now);
      await sleep(50);
      if (performance.now() - sentAt > 2500) windows.push(bulk.windowBytes);
    }
    // Half a second beyond the round trip; the measured rate may be somewhat above the real one for a while.
    const mostBytes = ((roundTripMs + 500) / 1000) * bytesPerSecond * 1.5;
    expect(Math.max(...windows, 0)).toBeLessThan(mostBytes);
    await until(() => echoes.length > 3);
    expect(health).toEqual([]);
  });

  it("carries everything with loss, too", async () => {
    proxy.set({ loss: 0.05 });
    bulkBytes = 0;
    const bulk = node.mesh.link(headNode, "bulk");
    bulk.send("data", frameKinds.piece, Buffer.alloc(192 * KiB));
    bulk.send("data", frameKinds.piece, Buffer.alloc(64 * KiB));
    await until(() => bulkBytes === 256 * KiB);
    expect(bulk.closed).toBe(false);
  });
});
