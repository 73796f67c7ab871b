import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { patternOf, ProxyBench, Target, until } from "./proxy-fixture.ts";

let bench: ProxyBench;
beforeEach(async () => {
  bench = await ProxyBench.start();
});
afterEach(() => bench.close());

describe("connections", () => {
  test("one is reset and the others live; then all are", async () => {
    const proxy = await bench.proxy();
    const first = await bench.pair(proxy);
    const second = await bench.pair(proxy);
    const third = await bench.pair(proxy);
    expect(proxy.connections.map(({ id }) => id)).toEqual([1, 2, 3]);
    proxy.connections[1].reset();
    await until(() => second.client.closed && second.server.closed);
    expect([second.client.error, second.server.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
    first.client.socket.write("alive");
    await until(() => first.server.text === "alive");
    proxy.reset();
    await until(() => [first, third].every(({ client, server }) => client.closed && server.closed));
    await until(() => proxy.connections.length === 0);
  });

  test("is reset after so many bytes, which all arrive", async () => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    proxy.set({ resetAfterBytes: 1_234 }, "toTarget");
    client.socket.write(patternOf(1_000));
    await until(() => server.length === 1_000);
    client.socket.write(patternOf(1_000));
    await until(() => server.closed && client.closed);
    expect(server.length).toBe(1_234);
    expect(server.error).toBe("ECONNRESET");
  });

  test.each(["target", "client"] as const)("closed silently: only the %s hears of it", async (side) => {
    const proxy = await bench.proxy();
    const { client, server } = await bench.pair(proxy);
    const [deaf, told] = side === "target" ? [client, server] : [server, client];
    proxy.closeSilently(side);
    await until(() => told.ended);
    const direction = side === "target" ? "toTarget" : "toClient";
    deaf.socket.write("anybody?");
    await until(() => proxy.counters[direction].dropped === 8);
    expect([deaf.ended, deaf.closed]).toEqual([false, false]);
    deaf.socket.destroy();
    await until(() => proxy.connections.length === 0);
  });

  test.each([
    ["close", undefined],
    ["reset", "ECONNRESET"],
  ] as const)("are refused by a %s", async (how, error) => {
    const proxy = await bench.proxy();
    proxy.refuse(how);
    const refused = bench.knock(proxy);
    await until(() => refused.ended || refused.closed);
    expect(refused.error).toBe(error);
    proxy.heal();
    const { client, server } = await bench.pair(proxy);
    client.socket.write("in");
    await until(() => server.text === "in");
    expect(bench.target.arrived).toHaveLength(1);
    expect(proxy.counters.connections).toBe(2);
  });

  test("answers once with other bytes", async () => {
    const proxy = await bench.proxy();
    proxy.answerOnce("HTTP/1.1 400 Bad Request\r\n\r\n");
    const answered = await bench.dial(proxy);
    answered.socket.write("greeting");
    await until(() => answered.ended);
    expect(answered.text).toBe("HTTP/1.1 400 Bad Request\r\n\r\n");
    expect(bench.target.arrived).toHaveLength(0);
    const { server, client } = await bench.pair(proxy);
    client.socket.write("in");
    await until(() => server.text === "in");
  });

  test("find nobody while it does not listen, and the same port afterwards; open ones go on", async () => {
    const proxy = await bench.proxy();
    const { port } = proxy;
    const { client, server } = await bench.pair(proxy);
    await proxy.setListening(false);
    await expect(bench.dial(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    client.socket.write("still here");
    await until(() => server.text === "still here");
    await proxy.setListening(true);
    expect(proxy.port).toBe(port);
    await bench.pair(proxy);
  });

  test("go to another target when told so", async () => {
    const proxy = await bench.proxy();
    await bench.pair(proxy);
    const other = new Target("the other");
    await other.listen();
    proxy.retarget(other.address);
    const client = await bench.dial(proxy);
    await until(() => client.length > 0);
    other.close();
    expect(client.text).toBe("the other");
  });

  test("the next one can be waited for", async () => {
    const proxy = await bench.proxy();
    const next = proxy.nextConnection();
    await bench.pair(proxy);
    expect((await next).id).toBe(1);
  });
});

test("closing ends everything, in the midst of it, and gives the port back", async () => {
  const proxy = await bench.proxy();
  const { client, server } = await bench.pair(proxy);
  proxy.stall();
  client.socket.write(patternOf(100_000));
  await until(() => proxy.counters.toTarget.received > 0);
  await proxy.close();
  await proxy.close();
  await until(() => [client, server].every((end) => end.ended || end.closed));
  expect(proxy.connections).toEqual([]);
  await expect(bench.dial(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await expect(proxy.setListening(true)).rejects.toThrow("closed");
  const again = await bench.proxy({ port: proxy.port });
  expect(again.port).toBe(proxy.port);
});

const mistakes: readonly [Record<string, unknown>, string][] = [
  [{ latencyMs: -1 }, "latencyMs: -1"],
  [{ bytesPerSecond: 0 }, "bytesPerSecond: 0"],
  [{ loss: 1 }, "loss: 1 is not a number from 0 to 0.9"],
  [{ loss: NaN }, "loss: NaN"],
  [{ delivery: "fly" }, "delivery: fly"],
  [{ latency: 3 }, "latency: there is no such fault"],
];

test.each(mistakes)("refuses %o", async (change, message) => {
  const proxy = await bench.proxy();
  expect(() => proxy.set(change)).toThrow(message);
});
