import { channels, hop } from "@iono/core";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import * as net from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Dealer } from "zeromq";
import { makeHello } from "../hello.ts";
import { makeKeys } from "../keys.ts";
import type { StartedGateway } from "./client-started.ts";
import { bodyOf, clusterId, datagram, startGateway, TestPeer, until } from "./gateway.test-peer.ts";

const keys = makeKeys();
let gateway: StartedGateway;
let good: TestPeer;
const arrived: string[] = [];
const closers: Array<() => void | Promise<void>> = [];
const MiB = 1024 * 1024;

beforeAll(async () => {
  gateway = await startGateway({ keys });
  gateway.onDatagram = (bytes) => {
    if (bytes.length < 100) arrived.push(bodyOf(bytes));
  };
  good = new TestPeer({ node: 1, serverKey: keys.publicKey, port: gateway.bound?.port ?? 0 });
  gateway.allow({ node: 1, publicKey: good.keys.publicKey });
  await good.greet();
});
afterAll(async () => {
  good.close();
  await gateway.close();
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  expect(gateway.restarts).toBe(0);
});

/** The gateway serves its nodes as ever. */
async function stillServes(): Promise<void> {
  const body = randomBytes(4).toString("hex");
  // After a long test it may have been silent for too long.
  good.others.length = 0;
  if (!gateway.reaches(1, channels.control)) await good.greetPatiently();
  await good.send(0, body);
  await until(() => arrived.includes(body), "the good node is heard");
}

const rss = async (): Promise<number> => (await gateway.stats())?.rssBytes ?? 0;

/** Connects, writes, and resolves with what came back when the other side has closed, or at once if `isKept`. */
function raw(port: number, bytes: Buffer | string, isKept = false): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.on("data", (chunk) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.on("connect", () => {
      socket.write(bytes);
      if (!isKept) return;
      closers.push(() => void socket.destroy());
      resolve(text);
    });
  });
}

function hasPrlimit(): boolean {
  try {
    execFileSync("prlimit", ["--version"], { stdio: "ignore" });
    return process.platform === "linux";
  } catch {
    return false;
  }
}

const ports = (): number[] => [gateway.bound?.port ?? 0, gateway.bound?.joinPort ?? 0];

describe("from outside", () => {
  it("a web client gets no answer that it understands, and is cut", async () => {
    for (const port of ports()) {
      const answer = await raw(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n".padEnd(200, "x"));
      expect(answer).not.toContain("HTTP");
    }
    await stillServes();
  });

  it("random bytes, and greetings followed by random bytes, change nothing", async () => {
    const before = await rss();
    const greeting = Buffer.alloc(64);
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting.write("CURVE", 12, "latin1");
    for (let round = 0; round < 20; round++) {
      const batch = Array.from({ length: 20 }, (_, i) => {
        const noise = randomBytes(1 + ((round * 97 + i * 31) % 2000));
        return raw(ports()[i % 2], i % 4 < 2 ? noise : Buffer.concat([greeting, noise]), true);
      });
      await Promise.all(batch);
      for (const close of closers.splice(0)) await close();
    }
    await stillServes();
    expect((await rss()) - before).toBeLessThan(64 * MiB);
  });

  it("connections that stay half open do not keep others out", async () => {
    for (let i = 0; i < 100; i++)
      await raw(ports()[i % 2], i % 3 === 0 ? "" : Buffer.from("ff", "hex"), true);
    await stillServes();
    const other = new TestPeer({ node: 2, serverKey: keys.publicKey, port: ports()[0] });
    closers.push(() => other.close());
    gateway.allow({ node: 2, publicKey: other.keys.publicKey });
    await other.greet();
    expect(gateway.reaches(2, channels.control)).toBe(true);
  });

  // Limits of another process can be set on Linux only, by a tool that not every system has.
  it.skipIf(!hasPrlimit())("connections that take every descriptor do not end it", async () => {
    const own = await startGateway({ keys });
    closers.push(() => own.close());
    own.onDatagram = (bytes) => arrived.push(bodyOf(bytes));
    const port = own.bound?.port ?? 0;
    const inside = new TestPeer({ node: 5, serverKey: keys.publicKey, port });
    const late = new TestPeer({ node: 6, serverKey: keys.publicKey, port: 1 });
    closers.push(() => inside.close());
    closers.push(() => late.close());
    own.allow({ node: 5, publicKey: inside.keys.publicKey }, { node: 6, publicKey: late.keys.publicKey });
    await inside.greet();
    const open = (): number => readdirSync(`/proc/${own.pid}/fd`).length;
    const most = open() + 10;
    execFileSync("prlimit", ["--pid", String(own.pid), `--nofile=${most}:${most}`]);
    const others = closers.length;
    for (let i = 0; i < 60; i++) await raw(port, Buffer.from("ff", "hex"), true);
    await until(() => open() >= most, "all are taken");
    // Once around, whatever it does each second.
    for (let i = 0; i < 2; i++) {
      await own.stats();
      await inside.socket.send(Buffer.from([hop.ping]));
      await inside.other(hop.pong);
      await inside.send(0, `inside ${i}`);
      await until(() => arrived.includes(`inside ${i}`), "the one inside is heard");
    }
    for (const close of closers.splice(others)) await close();
    await until(() => open() < most, "some are free again");
    late.socket.connect(`tcp://127.0.0.1:${port}`);
    await late.greet();
    expect(own.restarts).toBe(0);
  });

  it("whoever knocks at the door for joining gets nowhere else", async () => {
    const asked: Buffer[] = [];
    gateway.onJoin = (request) => {
      asked.push(request);
      return Promise.resolve(undefined);
    };
    const visitor = new Dealer({
      curveServerKey: keys.publicKey,
      curvePublicKey: good.keys.publicKey,
      curveSecretKey: good.keys.secretKey,
      linger: 0,
    });
    closers.push(() => visitor.close());
    visitor.connect(`tcp://127.0.0.1:${ports()[1]}`);
    // A true node's hello and datagrams mean nothing here: they reach the head as requests that it does not read.
    const identity = { clusterId, node: 1, channel: channels.control };
    await visitor.send(makeHello(identity, good.keys, keys.publicKey));
    await visitor.send(datagram(1, 0, "by the wrong door"));
    for (let i = 0; i < 50; i++) await visitor.send(`flood ${i}`);
    await until(async () => ((await gateway.stats())?.joinsDropped ?? 0) >= 40, "the flood is dropped");
    expect(asked.length).toBeLessThan(10);
    await visitor.send(Buffer.alloc(5000));
    await stillServes();
    expect(arrived).not.toContain("by the wrong door");
  });
});

describe("from a node", () => {
  it("frames of any kind are counted and dropped", async () => {
    const before = await rss();
    for (let i = 0; i < 2000; i++) {
      const frame = randomBytes(i % 60);
      if (i % 3 === 0 && frame.length > 0) frame[0] = [1, hop.hello, hop.ping, hop.welcome][i % 4];
      await good.socket.send(frame);
    }
    // Its own connection was unbound by a hello that proves nothing.
    good.others.length = 0;
    await good.greetPatiently();
    await stillServes();
    for (let i = 0; i < 200; i++) await good.socket.send(Array.from({ length: 20 }, () => randomBytes(8)));
    await stillServes();
    expect((await rss()) - before).toBeLessThan(64 * MiB);
  });

  it("a flood of large datagrams to nobody takes no memory for good", async () => {
    await stillServes();
    const before = await rss();
    const large = datagram(1, 4711, Buffer.alloc(MiB));
    for (let i = 0; i < 300; i++) await good.socket.send(large);
    await stillServes();
    expect((await rss()) - before).toBeLessThan(300 * MiB);
  });

  it("a message that is too large ends its connection only", async () => {
    const other = new TestPeer({ node: 3, serverKey: keys.publicKey, port: ports()[0] });
    closers.push(() => other.close());
    gateway.allow({ node: 3, publicKey: other.keys.publicKey });
    await other.greet();
    await other.socket.send(Buffer.alloc(8 * MiB));
    await until(() => !gateway.reaches(3, channels.control), "the connection is gone");
    await stillServes();
    expect(gateway.reaches(1, channels.control)).toBe(true);
  });

  it("false hellos are checked a few times only", async () => {
    const other = new TestPeer({ node: 4, serverKey: keys.publicKey, port: ports()[0] });
    closers.push(() => other.close());
    gateway.allow({ node: 4, publicKey: other.keys.publicKey });
    for (let i = 0; i < 100; i++) await other.hello(1);
    await other.greetPatiently();
    const refused = other.others.filter((each) => each[0] === hop.refused);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(30);
    await stillServes();
  });
});
