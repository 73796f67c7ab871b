import { channels, hasCode, hop, hopRefusals } from "@iono/core";
import * as net from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeKeys } from "../keys.ts";
import { ConnectedGateway } from "./client-connected.ts";
import type { StartedGateway } from "./client-started.ts";
import {
  bodyOf,
  clusterId,
  datagram,
  startGateway,
  TestPeer,
  until,
  type PeerOptions,
} from "./gateway.test-peer.ts";

const keys = makeKeys();
let gateway: StartedGateway;
/** What came to the head: node 0. */
const arrived: string[] = [];
const closers: Array<() => void | Promise<void>> = [];
let nextNode = 1;

beforeAll(async () => {
  gateway = await startGateway({ keys });
  gateway.onDatagram = (bytes) => arrived.push(bodyOf(bytes));
});
afterAll(() => gateway.close());
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  arrived.length = 0;
  gateway.onDisconnected = gateway.onConnected = () => {};
});

function peer(options: Partial<PeerOptions> = {}): TestPeer {
  const made = new TestPeer({
    node: nextNode++,
    serverKey: keys.publicKey,
    port: gateway.bound?.port ?? 0,
    ...options,
  });
  closers.push(() => made.close());
  return made;
}

/** A peer whose node is allowed, bound to its node. */
function node(options: Partial<PeerOptions> = {}): Promise<TestPeer> {
  const made = peer(options);
  gateway.allow({ node: made.node, publicKey: made.keys.publicKey });
  return made.greet();
}

const heard = (body: string): Promise<unknown> =>
  until(() => arrived.includes(body), `"${body}" at the head`);

async function dropped(reason: string): Promise<number> {
  return (await gateway.stats())?.dropped[reason] ?? 0;
}

describe("who may speak", () => {
  it("an allowed node, in both directions, control and bulk apart", async () => {
    const control = await node();
    const bulk = await peer({ node: control.node, keys: control.keys, channel: channels.bulk }).greet();
    await control.send(0, "control");
    await bulk.send(0, "bulk");
    await heard("control");
    await heard("bulk");
    expect(gateway.reaches(control.node, channels.control)).toBe(true);
    expect(gateway.send(datagram(0, control.node, "to control"))).toBe(true);
    expect(gateway.send(datagram(0, control.node, "to bulk", channels.bulk))).toBe(true);
    expect(await control.next()).toBe("to control");
    expect(await bulk.next()).toBe("to bulk");
    expect(gateway.send(datagram(0, 9999, "nobody"))).toBe(false);
    await control.socket.send(Buffer.from([hop.ping, 1, 2, 3]));
    expect(await control.other(hop.pong)).toEqual(Buffer.from([hop.pong, 1, 2, 3]));
  });

  it("nobody with an unknown key, until the node is allowed", async () => {
    const stranger = peer();
    void stranger.send(0, "too early").catch(() => {});
    const friend = await node();
    await friend.send(0, "known");
    await heard("known");
    expect(arrived).toEqual(["known"]);
    expect((await gateway.stats())?.connections).toBe(1);
    gateway.allow({ node: stranger.node, publicKey: stranger.keys.publicKey });
    // Its handshake was waiting: it goes on at once, and what came before the hello is asked about.
    await stranger.other(hop.unknown);
    await stranger.greet();
    await stranger.send(0, "now");
    await heard("now");
    expect(arrived).not.toContain("too early");
  });

  it("not one that was revoked: at once, both ways, and never again with that key", async () => {
    const a = await node();
    const b = await node();
    await a.send(0, "before");
    await heard("before");
    const ended: string[] = [];
    gateway.onDisconnected = (number, channel, reason) => ended.push(`${number}/${channel} ${reason}`);
    gateway.revoke(a.node);
    await gateway.stats();
    expect(ended).toEqual([`${a.node}/0 revoked`]);
    const before = await dropped("unbound");
    await a.send(0, "after");
    await b.send(a.node, "to the revoked");
    await b.send(0, "b");
    await heard("b");
    expect(await dropped("unbound")).toBe(before + 1);
    expect(arrived).not.toContain("after");
    expect(gateway.send(datagram(0, a.node, "x"))).toBe(false);
    await a.hello();
    expect((await a.other(hop.refused))[1]).toBe(hopRefusals.notAllowed);
    expect(a.datagrams).toEqual([]);
    const { turnedAway = 0 } = (await gateway.stats()) ?? {};
    const again = peer({ node: a.node, keys: a.keys });
    void again.hello().catch(() => {});
    await until(async () => ((await gateway.stats())?.turnedAway ?? 0) > turnedAway, "its key is refused");
  });

  it("not under the number of another", async () => {
    const victim = await node();
    const thief = await node();
    await thief.hello(victim.node);
    expect((await thief.other(hop.refused))[1]).toBe(hopRefusals.wrongProof);
    // A refused hello unbinds the connection that said it, and nobody else's.
    await victim.send(0, "still me");
    await heard("still me");
    await thief.greet();
    const before = await dropped("forged");
    await thief.send(0, "as another", victim.node);
    await thief.send(0, "as the head", 0);
    await thief.send(0, "other channel", thief.node, channels.bulk);
    await thief.send(0, "as myself");
    await heard("as myself");
    expect(arrived).toEqual(["still me", "as myself"]);
    expect(await dropped("forged")).toBe(before + 3);
  });

  it("not of another cluster", async () => {
    const made = peer({ clusterId: "another" });
    gateway.allow({ node: made.node, publicKey: made.keys.publicKey });
    await made.hello();
    expect((await made.other(hop.refused))[1]).toBe(hopRefusals.wrongProof);
  });

  it("not with an identity of its own choosing", async () => {
    const made = peer({ routingId: "chosen" });
    gateway.allow({ node: made.node, publicKey: made.keys.publicKey });
    const before = await dropped("malformed");
    await made.hello();
    await until(async () => (await dropped("malformed")) > before, "it is dropped");
    expect(gateway.reaches(made.node, channels.control)).toBe(false);
  });

  it("only with the newest connection of a node", async () => {
    const first = await node();
    const second = await peer({ node: first.node, keys: first.keys }).greet();
    gateway.send(datagram(0, first.node, "to the newest"));
    expect(await second.next()).toBe("to the newest");
    await first.send(0, "from the older");
    await second.send(0, "from the newer");
    await heard("from the newer");
    expect(arrived).toEqual(["from the newer"]);
  });

  it("a node whose machine got a new key, with that", async () => {
    const old = await node();
    const fresh = await node({ node: old.node });
    await old.send(0, "old");
    await fresh.send(0, "fresh");
    await heard("fresh");
    expect(arrived).toEqual(["fresh"]);
  });
});

describe("ways", () => {
  it("lead from one node that dialled to another, which cannot reach it", async () => {
    const [a, b] = await Promise.all([node(), node()]);
    await a.send(b.node, "hello b");
    expect(await b.next()).toBe("hello b");
    await b.send(a.node, "hello a");
    expect(await a.next()).toBe("hello a");
    const before = await dropped("noRoute");
    await a.send(4711, "nobody");
    await a.send(b.node, "no bulk there", a.node);
    expect(await b.next()).toBe("no bulk there");
    expect(await dropped("noRoute")).toBe(before + 1);
  });

  it("end as soon as a connection does", async () => {
    const a = await node();
    const reason = new Promise<string>((resolve) => {
      gateway.onDisconnected = (number, _channel, why) => {
        if (number === a.node) resolve(why);
      };
    });
    a.close();
    expect(await reason).toBe("the connection has ended");
    expect(gateway.reaches(a.node, channels.control)).toBe(false);
  });

  it("are not held up by a peer that does not read", async () => {
    const deaf = peer({ isDeaf: true });
    gateway.allow({ node: deaf.node, publicKey: deaf.keys.publicKey });
    await deaf.hello();
    await until(() => gateway.reaches(deaf.node, channels.control), "the deaf one is bound");
    const other = await node();
    const large = Buffer.alloc(1024 * 1024);
    let most = 0;
    for (let i = 0; i < 200; i++) {
      gateway.send(datagram(0, deaf.node, large));
      if (i % 20 !== 0) continue;
      gateway.send(datagram(0, other.node, `small ${i}`));
      expect(await other.next()).toBe(`small ${i}`);
      most = Math.max(most, (await gateway.stats())?.queuedBytes ?? 0);
    }
    expect(await dropped("peerFull")).toBeGreaterThan(0);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it("are shared by head and agent", async () => {
    const agent = new ConnectedGateway(
      { path: gateway.bound?.path ?? "", secret: gateway.secret },
      { clusterId, serves: [900], guards: false },
    );
    closers.push(() => agent.close());
    const toAgent: string[] = [];
    agent.onDatagram = (bytes) => toAgent.push(bodyOf(bytes));
    const a = await node();
    await until(() => agent.reaches(a.node, channels.control), "the agent learns of the node");
    await until(() => gateway.reaches(900, channels.bulk), "the head learns of the agent");
    await a.send(900, "to the agent");
    await until(() => toAgent.includes("to the agent"), "at the agent");
    expect(agent.send(datagram(900, a.node, "from the agent"))).toBe(true);
    expect(await a.next()).toBe("from the agent");
    expect(agent.send(datagram(900, 0, "to the head"))).toBe(true);
    await heard("to the head");
    // It does not keep the list, and does not speak for others.
    const [notGuard, forged] = [await dropped("notGuard"), await dropped("forged")];
    agent.revoke(a.node);
    agent.send(datagram(0, a.node, "as the head"));
    await until(async () => (await dropped("notGuard")) > notGuard, "the revocation is dropped");
    await until(async () => (await dropped("forged")) > forged, "the datagram is dropped");
    expect(gateway.reaches(a.node, channels.control)).toBe(true);
    await agent.close();
    await until(() => !gateway.reaches(900, channels.control), "the head learns that the agent is gone");
  });

  it("stay when a head starts anew, for those that it names", async () => {
    const own = await startGateway({ keys, clusterId: "", serves: [], guards: false });
    closers.push(() => own.close());
    const place = { path: own.bound?.path ?? "", secret: own.secret };
    const port = own.bound?.port ?? 0;
    const [known, forgotten] = [peer({ port }), peer({ port })];
    const allowed = [known, forgotten].map((each) => ({ node: each.node, publicKey: each.keys.publicKey }));
    const first = new ConnectedGateway(place, { clusterId, serves: [0], guards: true, allowed });
    closers.push(() => first.close());
    await known.greet();
    await forgotten.greet();
    await first.close();
    const second = new ConnectedGateway(place, {
      clusterId,
      serves: [0],
      guards: true,
      allowed: allowed.slice(0, 1),
    });
    closers.push(() => second.close());
    second.onDatagram = (bytes) => arrived.push(bodyOf(bytes));
    await until(() => second.reaches(known.node, channels.control), "it learns who is there");
    await until(() => !own.reaches(forgotten.node, channels.control), "the other is cut");
    await known.send(0, "still here");
    await heard("still here");
    expect(known.others).toEqual([]);
  });

  it("are closed to local processes without the secret", async () => {
    const intruder = new ConnectedGateway(
      { path: gateway.bound?.path ?? "", secret: "wrong" },
      { clusterId, serves: [0], guards: true },
    );
    closers.push(() => intruder.close());
    const raw = net.connect({ path: gateway.bound?.path ?? "" });
    raw.on("error", () => {});
    const cut = new Promise((resolve) => raw.on("close", resolve));
    raw.write("GET / HTTP/1.1\r\n\r\n");
    await cut;
    const a = await node();
    await a.send(0, "for the head");
    await heard("for the head");
    expect(intruder.bound).toBeUndefined();
  });
});

describe("starting", () => {
  it("names a port that is in use, and an address that is not this machine's", async () => {
    const port = gateway.bound?.port ?? 0;
    const failure = async (options: Parameters<typeof startGateway>[0]): Promise<string> => {
      const error: unknown = await startGateway(options).catch((reason: unknown) => reason);
      expect(hasCode(error, "BadOption")).toBe(true);
      return (error as Error).message;
    };
    expect(await failure({ port })).toBe(
      `cannot listen at port ${port} of 127.0.0.1: another process listens there; end that one, or choose another port`,
    );
    expect(await failure({ joinPort: port })).toContain(`cannot listen at port ${port}`);
    expect(await failure({ host: "192.0.2.1", port: 7600 })).toContain(
      "port 7600 of 192.0.2.1: this machine has no such address",
    );
    expect(await failure({ host: "localhost" })).toContain("must be an IP address");
  });

  it("anew after it was killed, at the same ports, loses nothing but datagrams", async () => {
    const own = await startGateway({ keys });
    closers.push(() => own.close());
    own.onDatagram = (bytes) => arrived.push(bodyOf(bytes));
    const bound = own.bound ?? { port: 0, joinPort: 0, path: "" };
    const agent = new ConnectedGateway(
      { path: bound.path, secret: own.secret },
      { clusterId, serves: [901], guards: false },
    );
    closers.push(() => agent.close());
    own.onBound = ({ path }) => agent.moved(path);
    const a = peer({ port: bound.port });
    const revoked = peer({ port: bound.port });
    own.allow(
      { node: a.node, publicKey: a.keys.publicKey },
      { node: revoked.node, publicKey: revoked.keys.publicKey },
    );
    await a.greet();
    await revoked.greet();
    own.revoke(revoked.node);
    const troubles: string[] = [];
    own.onTrouble = (message) => troubles.push(message);
    process.kill(own.pid ?? 0, "SIGKILL");
    await until(() => own.restarts === 1 && own.bound !== undefined, "the gateway is back");
    expect(own.bound).toMatchObject({ port: bound.port, joinPort: bound.joinPort });
    expect(troubles).toEqual(["the gateway ended (SIGKILL) and is started anew"]);
    // The connection comes back by itself and is asked who it is.
    await a.send(0, "lost");
    await a.other(hop.unknown);
    await a.greet();
    await a.send(0, "again");
    await heard("again");
    await until(() => agent.reaches(a.node, channels.control), "the agent is back");
    expect(own.reaches(revoked.node, channels.control)).toBe(false);
  });

  it("anew when it holds more memory than it may", async () => {
    const own = await startGateway({ maxMemoryBytes: 1 });
    closers.push(() => own.close());
    await until(() => own.restarts > 0 && own.bound !== undefined, "the gateway is started anew");
    expect(own.restarts).toBeGreaterThan(0);
  });
});
