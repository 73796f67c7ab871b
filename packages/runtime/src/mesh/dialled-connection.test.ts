import { channels } from "@iono/core";
import * as net from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "./cluster.test-driver.ts";
import { DialledConnection } from "./dialled-connection.ts";
import { DialledSocket } from "./dialled-socket.ts";
import { makeKeys } from "./keys.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function dial(endpoint: string): { connection: DialledConnection; troubles: string[] } {
  const troubles: string[] = [];
  const keys = makeKeys();
  const connection = new DialledConnection(
    {
      endpoint,
      serverPublicKey: keys.publicKey,
      keys,
      channel: channels.control,
      hello: () => Buffer.from("hello"),
    },
    {
      datagram: () => {},
      up: () => {},
      down: () => {},
      trouble: (reason) => troubles.push(reason),
    },
  );
  closers.push(() => connection.close());
  return { connection, troubles };
}

async function listen(accept: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer(accept).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

describe("a connection that is dialled", { timeout: 30_000 }, () => {
  it("says what is wrong with an endpoint, tries again, and takes nothing meanwhile", async () => {
    const { connection, troubles } = dial("tcp://nowhere");
    await until(() => troubles.length >= 2);
    expect(troubles[0]).toMatch(/invalid/i);
    expect([connection.isUp, connection.send(Buffer.alloc(20))]).toEqual([false, false]);
    connection.close();
    const { sockets } = connection;
    await new Promise((resolve) => setImmediate(resolve));
    expect(connection.sockets).toBe(sockets);
  });

  it("waits for one that does not listen yet, and says so", async () => {
    const port = await listen(() => {});
    for (const close of closers.splice(0)) close();
    const { connection, troubles } = dial(`tcp://127.0.0.1:${port}`);
    await until(() => troubles.length > 0);
    expect([troubles[0], connection.sockets]).toEqual(["no connection could be made so far", 1]);
  });

  it("gives up servers that accept and say nothing, or hang up, and dials again", async () => {
    let accepted = 0;
    const sockets: net.Socket[] = [];
    closers.push(() => sockets.forEach((socket) => socket.destroy()));
    const port = await listen((socket) => {
      socket.on("error", () => {});
      sockets.push(socket);
      if (++accepted > 1) socket.destroy();
    });
    const { troubles } = dial(`tcp://127.0.0.1:${port}`);
    await until(() => accepted >= 3 && troubles.length >= 2);
    expect(troubles.at(-1)).toMatch(/handshake|ended/);
  });
});

describe("a dialled socket", () => {
  it("takes no more than its limit", async () => {
    const port = await listen(() => {});
    const keys = makeKeys();
    const socket = new DialledSocket(
      {
        endpoint: `tcp://127.0.0.1:${port}`,
        serverPublicKey: keys.publicKey,
        keys,
        channel: channels.control,
      },
      { connected: () => {}, frame: () => {}, ended: () => {} },
    );
    closers.push(() => socket.close());
    const frame = Buffer.alloc(1024 * 1024);
    let taken = 0;
    while (socket.send(frame)) taken++;
    expect(taken).toBe(8);
    socket.close();
    expect(socket.send(Buffer.alloc(1))).toBe(false);
  });
});
