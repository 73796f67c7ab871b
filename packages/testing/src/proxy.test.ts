import { setImmediate as turn } from "node:timers/promises";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { patternOf, ProxyBench, until } from "./proxy-fixture.ts";

let bench: ProxyBench;
beforeEach(async () => {
  bench = await ProxyBench.start();
});
afterEach(() => bench.close());

describe("without faults", () => {
  test("bytes pass both ways, ends too, one at a time, and all is counted", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    client.socket.end("question");
    await until(() => server.ended);
    expect(server.text).toBe("question");
    expect(client.ended).toBe(false);
    server.socket.end("answer");
    await until(() => client.closed && server.closed);
    expect(client.text).toBe("answer");
    await until(() => proxy.connections.length === 0);
    expect(proxy.counters).toEqual({
      connections: 1,
      toTarget: { received: 8, delivered: 8, dropped: 0, corrupted: 0 },
      toClient: { received: 6, delivered: 6, dropped: 0, corrupted: 0 },
    });
  });

  test("a reset by one side reaches the other", async () => {
    const { client, server } = await bench.pair(await bench.proxy());
    client.socket.resetAndDestroy();
    await until(() => server.closed);
    expect(server.error).toBe("ECONNRESET");
  });

  test("when nothing listens at the target, the connection is reset", async () => {
    const proxy = await bench.proxy();
    bench.target.close();
    const client = await bench.dial(proxy);
    await until(() => client.closed);
    expect(client.error).toBe("ECONNRESET");
    await until(() => proxy.connections.length === 0);
  });

  test("a target that reads nothing holds up who writes, and what the proxy keeps is bounded", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    server.socket.pause();
    const sent = patternOf(24 * 1024 * 1024);
    client.socket.end(sent);
    const { toTarget } = proxy.counters;
    let most = 0;
    let lastReceived = -1;
    // Until nothing has moved for many turns.
    for (let still = 0; still < 2_000; still++) {
      if (toTarget.received !== lastReceived) still = 0;
      lastReceived = toTarget.received;
      most = Math.max(most, toTarget.received - toTarget.delivered);
      await turn();
    }
    expect(toTarget.received).toBeLessThan(sent.length);
    server.socket.resume();
    await until(() => {
      most = Math.max(most, toTarget.received - toTarget.delivered);
      return server.ended;
    });
    expect(most).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    expect(server.bytes.equals(sent)).toBe(true);
  });
});

describe("latency", () => {
  test("is at least what was set, for one direction or for both", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ latencyMs: 60 }, "toTarget");
    let startMs = performance.now();
    client.socket.write("a");
    await until(() => server.length === 1);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(60);
    proxy.heal();
    proxy.set({ latencyMs: 40 });
    startMs = performance.now();
    client.socket.write("b");
    await until(() => server.length === 2);
    server.socket.write("c");
    await until(() => client.length === 1);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(80);
  });

  test("does not limit the rate: many chunks are under way together", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ latencyMs: 500 });
    const connection = proxy.connections[0];
    for (let n = 0; n < 50; n++) {
      client.socket.write("x");
      await turn();
    }
    await until(() => connection.counters.toTarget.received === 50);
    // All have been read before the first came out: one after the other they would take 25 s.
    expect(server.length).toBeLessThan(50);
    await until(() => server.length === 50);
  });

  test("with jitter the order stays", async () => {
    const proxy = await bench.proxy({ seed: 7 });
    const { client, server } = await bench.pair(proxy);
    proxy.set({ latencyMs: 1, jitterMs: 20 });
    const sent = Array.from({ length: 40 }, (_, n) => `${n},`);
    for (const text of sent) {
      client.socket.write(text);
      await turn();
    }
    await until(() => server.length === sent.join("").length);
    expect(server.text).toBe(sent.join(""));
  });
});

describe("bandwidth", () => {
  const rate = 1_000_000;

  test("takes at least bytes / rate, less a short burst", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ bytesPerSecond: rate }, "toTarget");
    const startMs = performance.now();
    const sent = patternOf(200_000);
    client.socket.write(sent);
    await until(() => server.length === sent.length);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(180);
    expect(server.bytes.equals(sent)).toBe(true);
  });

  test("is shared by the connections of a proxy, and each gets its turn", async () => {
    const proxy = await bench.proxy();
    const bulk = await bench.pair(proxy);
    const control = await bench.pair(proxy);
    proxy.set({ bytesPerSecond: rate }, "toTarget");
    const startMs = performance.now();
    bulk.client.socket.write(patternOf(150_000));
    control.client.socket.write(patternOf(50_000));
    await until(() => control.server.length === 50_000);
    expect(bulk.server.length).toBeLessThan(150_000);
    await until(() => bulk.server.length === 150_000);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(180);
  });

  test("set on one connection leaves the others free", async () => {
    const proxy = await bench.proxy();
    const slow = await bench.pair(proxy);
    const free = await bench.pair(proxy);
    proxy.connections[0].set({ bytesPerSecond: 1_000 });
    slow.client.socket.write(patternOf(100_000));
    free.client.socket.write(patternOf(100_000));
    await until(() => free.server.length === 100_000);
    expect(slow.server.length).toBeLessThan(100_000);
    proxy.heal();
    await until(() => slow.server.length === 100_000);
  });
});

describe("stall", () => {
  test("holds bytes and ends back until it heals; the other direction goes on", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.stall("toTarget");
    client.socket.write("held ");
    client.socket.end("back");
    server.socket.write("news");
    await until(() => client.text === "news" && proxy.counters.toTarget.received === 9);
    expect(server.length).toBe(0);
    expect(server.ended).toBe(false);
    proxy.heal();
    await until(() => server.ended);
    expect(server.text).toBe("held back");
  });

  test("a connection made meanwhile says nothing until it heals", async () => {
    const proxy = await bench.proxy();
    proxy.stall();
    const { client, server } = await bench.pair(proxy);
    client.socket.write("hello");
    await until(() => proxy.counters.toTarget.received === 5);
    expect(server.length).toBe(0);
    proxy.heal();
    await until(() => server.text === "hello");
  });

  test("the reset of one side is not heard before it heals", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.stall();
    client.socket.resetAndDestroy();
    await until(() => client.closed);
    for (let n = 0; n < 50; n++) await turn();
    expect(server.closed).toBe(false);
    proxy.heal();
    await until(() => server.closed);
    expect(server.error).toBe("ECONNRESET");
  });

  test("back-pressure reaches the sender, and all arrives in the end", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.stall();
    const sent = patternOf(16 * 1024 * 1024);
    client.socket.end(sent);
    const { toTarget } = proxy.counters;
    await until(() => toTarget.received >= 256 * 1024);
    for (let n = 0; n < 500; n++) await turn();
    expect(toTarget.received).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    proxy.heal();
    await until(() => server.ended);
    expect(server.bytes.equals(sent)).toBe(true);
  });
});

describe("drop", () => {
  test("throws bytes away in one direction and keeps the connection", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    client.socket.write("one");
    await until(() => server.length === 3);
    proxy.drop("toTarget");
    client.socket.write("two");
    server.socket.write("answer");
    await until(() => proxy.counters.toTarget.dropped === 3 && client.text === "answer");
    proxy.heal();
    client.socket.write("three");
    await until(() => server.length === 8);
    expect(server.text).toBe("onethree");
  });

  test("takes what is under way", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ latencyMs: 10_000 });
    client.socket.write("under way");
    await until(() => proxy.counters.toTarget.received === 9);
    proxy.drop();
    proxy.heal();
    client.socket.end();
    await until(() => proxy.counters.toTarget.dropped === 9);
    expect(server.length).toBe(0);
  });
});

describe("corrupt", () => {
  function flippedBits(a: Buffer, b: Buffer): number[] {
    return Array.from(a, (byte, at) => ({ at, bits: byte ^ b[at] }))
      .filter(({ bits }) => bits !== 0)
      .map(({ at, bits }) => (Math.log2(bits) % 1 === 0 ? at : -1));
  }

  async function corruptedOnce(seed: number): Promise<number[]> {
    const proxy = await bench.proxy({ seed });
    const { client, server } = await bench.pair(proxy);
    const sent = patternOf(1_000);
    proxy.corruptNext("toTarget");
    client.socket.write(sent);
    await until(() => server.length === 1_000);
    client.socket.write(sent);
    await until(() => server.length === 2_000);
    expect(proxy.counters.toTarget.corrupted).toBe(1);
    return flippedBits(server.bytes, Buffer.concat([sent, sent]));
  }

  test("flips one bit of the next bytes and no other; the same one for the same seed", async () => {
    const [first, again, other] = [await corruptedOnce(5), await corruptedOnce(5), await corruptedOnce(6)];
    expect(first).toHaveLength(1);
    expect(first[0]).toBeGreaterThanOrEqual(0);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("flips one bit in every so many bytes, however they are cut into chunks", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ corruptEveryBytes: 100 }, "toTarget");
    const sent = patternOf(1_000);
    for (let at = 0; at < 1_000; at += 37) {
      client.socket.write(sent.subarray(at, at + 37));
      await turn();
    }
    await until(() => server.length === 1_000);
    expect(flippedBits(server.bytes, sent)).toEqual([99, 199, 299, 399, 499, 599, 699, 799, 899, 999]);
  });
});

test("slices arrive in pieces, and whole", async () => {
  const proxy = await bench.proxy();
  const { client, server } = await bench.pair(proxy);
  proxy.set({ sliceBytes: 3 });
  const sent = patternOf(300);
  client.socket.write(sent);
  await until(() => server.length === 300);
  expect(server.bytes.equals(sent)).toBe(true);
  expect(server.chunks.length).toBeGreaterThan(25);
});

describe("loss", () => {
  test("costs time and nothing else", async () => {
    const proxy = await bench.proxy({ seed: 2 });
    const { client, server } = await bench.pair(proxy);
    proxy.set({ loss: 0.6, roundTripMs: 1 });
    const startMs = performance.now();
    client.socket.write("lost, most likely");
    await until(() => server.text === "lost, most likely");
    // With this seed the first segment is lost.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(200);
  });
});

test("whatever delays and slices there are, and whatever changes on the way, every byte arrives in order", async () => {
  const faults = fc.record(
    {
      latencyMs: fc.integer({ min: 0, max: 4 }),
      jitterMs: fc.integer({ min: 0, max: 4 }),
      bytesPerSecond: fc.integer({ min: 200_000, max: 50_000_000 }),
      sliceBytes: fc.integer({ min: 100, max: 20_000 }),
      delivery: fc.constantFrom("pass" as const, "stall" as const),
    },
    { requiredKeys: [] },
  );
  const step = fc.record({ bytes: fc.integer({ min: 1, max: 20_000 }), faults });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const proxy = await bench.proxy();
      const { client, server } = await bench.pair(proxy);
      const sent: Buffer[] = [];
      for (const [n, { bytes, faults: change }] of steps.entries()) {
        proxy.set(change, (["toTarget", "toClient", "both"] as const)[n % 3]);
        sent.push(patternOf(bytes));
        client.socket.write(sent[n]);
        server.socket.write(sent[n]);
        await turn();
      }
      client.socket.end();
      server.socket.end();
      proxy.heal();
      await until(() => client.ended && server.ended);
      expect(server.bytes.equals(Buffer.concat(sent))).toBe(true);
      expect(client.bytes.equals(Buffer.concat(sent))).toBe(true);
      await proxy.close();
    }),
    { numRuns: 40 },
  );
});
