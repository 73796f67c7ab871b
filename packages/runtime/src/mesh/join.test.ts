import { hasCode, IonoError } from "@iono/core";
import * as http from "node:http";
import * as net from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Router } from "zeromq";
import { StartedGateway } from "./gateway/client-started.ts";
import { join, type JoinOptions } from "./join.ts";
import { JoinDesk, type Joiner } from "./join-desk.ts";
import { packJoin, readJoinAnswer } from "./join-messages.ts";
import { formatJoinToken, hashTokenSecret, parseJoinAddress, parseJoinToken } from "./join-token.ts";
import { makeKeys } from "./keys.ts";

const serverKeys = makeKeys();
let gateway: StartedGateway;
let desk: JoinDesk;
const joiners: Joiner[] = [];
let nowMs = 1_000_000;
const closers: Array<() => Promise<void> | void> = [];

function makeDesk(): JoinDesk {
  return new JoinDesk({
    version: "1.2.3",
    serverPublicKey: serverKeys.publicKey,
    now: () => nowMs,
    welcome: async (joiner) => {
      joiners.push(joiner);
      if ("refuse" in joiner.info) throw new IonoError("BadOption", "the cluster is full");
      if ("break" in joiner.info) throw new Error("secret inside");
      return { clusterId: "c1", node: joiners.length, endpoint: "", details: { nodes: [1, 2] } };
    },
  });
}

beforeAll(async () => {
  desk = makeDesk();
  gateway = await StartedGateway.start({
    host: "127.0.0.1",
    port: 0,
    joinPort: 0,
    keys: serverKeys,
    clusterId: "c1",
    serves: [0],
    guards: true,
  });
  gateway.onJoin = (request) => desk.answer(request);
});
afterAll(() => gateway.close());
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const joinPort = (): number => gateway.bound?.joinPort ?? 0;
const port = (): number => gateway.bound?.port ?? 0;

function attempt(token: string, options: Partial<JoinOptions> = {}): ReturnType<typeof join> {
  return join({
    address: `iono://127.0.0.1:${port()}`,
    token,
    keys: makeKeys(),
    info: { cpus: 4 },
    version: "1.2.3",
    ...options,
  });
}

async function failure(joining: Promise<unknown>): Promise<IonoError> {
  const error: unknown = await joining.then(
    () => new Error("it joined"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof IonoError)) throw error;
  return error;
}

/** A server that answers as it likes; its port. */
async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}

/** A token of the head that leads to another port. */
function at(token: string, other: number): string {
  return formatJoinToken({ ...parseJoinToken(token), joinPort: other });
}

describe("joining", () => {
  it("gives a number, and what else the head says", async () => {
    const { token } = desk.createToken(joinPort());
    const keys = makeKeys();
    const before = joiners.length;
    const welcome = await attempt(token, { keys });
    expect(welcome).toEqual({
      clusterId: "c1",
      node: before + 1,
      endpoint: `tcp://127.0.0.1:${port()}`,
      serverPublicKey: serverKeys.publicKey,
      details: { nodes: [1, 2] },
    });
    expect(joiners.at(-1)).toEqual({
      role: "node",
      publicKey: keys.publicKey,
      info: { cpus: 4 },
      isRepeat: false,
    });
    const again = await attempt(token, { keys });
    expect(again.node).toBe(before + 2);
  });

  it("many at once", async () => {
    const { token } = desk.createToken(joinPort(), { uses: 10 });
    const welcomes = await Promise.all(Array.from({ length: 10 }, () => attempt(token)));
    expect(new Set(welcomes.map(({ node }) => node)).size).toBe(10);
    expect((await failure(attempt(token))).message).toContain("used as often as it may be");
  });

  it("refuses a token that is expired, used up, withdrawn, changed or for something else", async () => {
    const refusal = async (token: string, options: Partial<JoinOptions> = {}): Promise<string> => {
      const error = await failure(attempt(token, options));
      expect(error.code).toBe("JoinRefused");
      return error.message;
    };
    const short = desk.createToken(joinPort(), { lifeMs: 60_000 });
    nowMs += 180_000;
    expect(await refusal(short.token)).toBe(
      `the head at 127.0.0.1:${joinPort()} refuses: the token expired 2m 00s ago`,
    );
    const once = desk.createToken(joinPort(), { uses: 1 });
    const keys = makeKeys();
    await attempt(once.token, { keys });
    expect(await refusal(once.token)).toContain("used as often as it may be");
    // The one that used it may come again: its answer may have been lost.
    await attempt(once.token, { keys });
    expect(joiners.at(-1)?.isRepeat).toBe(true);
    const gone = desk.createToken(joinPort());
    expect(desk.withdraw(gone.id)).toBe(true);
    expect(await refusal(gone.token)).toContain("does not know this token");
    const real = parseJoinToken(desk.createToken(joinPort()).token);
    expect(await refusal(formatJoinToken({ ...real, secret: "x".repeat(32) }))).toContain(
      "does not know this token",
    );
    const client = desk.createToken(joinPort(), { role: "client" });
    expect(await refusal(client.token)).toContain("not for joining as a node");
    await attempt(client.token, { role: "client" });
  });

  it("says what the head refuses, but not what goes wrong inside it", async () => {
    const { token } = desk.createToken(joinPort());
    expect((await failure(attempt(token, { info: { refuse: 1 } }))).message).toContain("the cluster is full");
    const inside = await failure(attempt(token, { info: { break: 1 } }));
    expect(inside.message).toContain("the head could not take the machine in");
    expect(inside.message).not.toContain("secret inside");
  });

  it("names both versions when they differ", async () => {
    const error = await failure(attempt(desk.createToken(joinPort()).token, { version: "9.9.9" }));
    expect(error).toMatchObject({ code: "VersionMismatch" });
    expect(error.message).toContain("the cluster runs iono 1.2.3, this machine 9.9.9");
  });

  it("tells another server key", async () => {
    const real = parseJoinToken(desk.createToken(joinPort()).token);
    const error = await failure(attempt(formatJoinToken({ ...real, serverPublicKey: makeKeys().publicKey })));
    expect(error.code).toBe("JoinRefused");
    expect(error.message).toContain("has another key than the token");
  });

  it("tells that nobody is there, and how long it waited", async () => {
    const closed = net.createServer();
    const free = await listen(closed);
    await closers.pop()?.();
    const { token } = desk.createToken(joinPort());
    const error = await failure(attempt(at(token, free), { timeoutMs: 700 }));
    expect(error.code).toBe("Unreachable");
    expect(error.message).toMatch(
      new RegExp(`^nobody answers at 127.0.0.1:${free}: connection refused \\(waited 0\\.\\d s\\)$`),
    );
    const name = await failure(attempt(token, { address: "iono://nowhere.invalid:1" }));
    expect(name.code).toBe("Unreachable");
    expect(name.message).toContain("nowhere.invalid");
  });

  it("tells what else is there", async () => {
    const { token } = desk.createToken(joinPort());
    const stranger = async (server: net.Server, timeoutMs = 5000): Promise<string> => {
      const error = await failure(attempt(at(token, await listen(server)), { timeoutMs }));
      expect(error.code).toBe("Unreachable");
      return error.message;
    };
    const web = http.createServer((_request, response) => response.end("hello"));
    expect(await stranger(web)).toContain('a web server says "HTTP/1.1 400 Bad Request"');
    const sockets: net.Socket[] = [];
    closers.push(() => sockets.forEach((each) => each.destroy()));
    const silent = net.createServer((each) => sockets.push(each));
    const silence = failure(attempt(at(token, await listen(silent)), { timeoutMs: 400 }));
    expect((await silence).message).toContain("it says nothing");
    for (const each of sockets) each.destroy();
    expect(await stranger(net.createServer((each) => each.resume().end("220 mail\r\n")))).toContain(
      'it says "220 mail"',
    );
    expect(await stranger(net.createServer((each) => each.destroy()))).toContain("it closes the connection");
  });

  it("tells a ZeroMQ server that does not encrypt", async () => {
    const plain = new Router({ linger: 0 });
    closers.push(() => plain.close());
    await plain.bind("tcp://127.0.0.1:*");
    const free = Number(/:(\d+)$/.exec(plain.lastEndpoint ?? "")?.[1]);
    const error = await failure(attempt(at(desk.createToken(joinPort()).token, free)));
    expect(error).toMatchObject({ code: "Unreachable" });
    expect(error.message).toContain('ZeroMQ without encryption ("NULL")');
  });

  it("does not wait for ever for a head that is silent", async () => {
    const { token } = desk.createToken(joinPort());
    const { onJoin } = gateway;
    gateway.onJoin = () => new Promise(() => {});
    const error = await failure(attempt(token, { timeoutMs: 800 }));
    gateway.onJoin = onJoin;
    expect(error.code).toBe("Unreachable");
    expect(error.message).toContain("the head does not answer");
  });

  it("asks again when the gateway is started anew meanwhile", async () => {
    const { token } = desk.createToken(joinPort());
    const { onJoin } = gateway;
    let isFirst = true;
    gateway.onJoin = (request) => {
      if (!isFirst) return desk.answer(request);
      isFirst = false;
      if (gateway.pid !== undefined) process.kill(gateway.pid, "SIGKILL");
      return Promise.resolve(undefined);
    };
    const welcome = await attempt(token);
    gateway.onJoin = onJoin;
    expect(welcome.clusterId).toBe("c1");
  });
});

describe("the desk", () => {
  it("gives the same answer to the same request", async () => {
    const own = makeDesk();
    const { tokenId, secret } = parseJoinToken(own.createToken(7601, { uses: 1 }).token);
    const request = packJoin(
      { tokenId, nonce: "n", publicKey: makeKeys().publicKey, role: "node", version: "1.2.3", info: {} },
      hashTokenSecret(secret),
      serverKeys.publicKey,
    );
    const before = joiners.length;
    const [first, second] = await Promise.all([own.answer(request), own.answer(request)]);
    expect(second).toBe(first);
    expect(joiners.length).toBe(before + 1);
  });

  it("hears nothing that is no request, and believes nothing that was changed", async () => {
    const own = makeDesk();
    const { tokenId, secret } = parseJoinToken(own.createToken(7601).token);
    const good = packJoin(
      { tokenId, nonce: "n", publicKey: makeKeys().publicKey, role: "node", version: "1.2.3", info: {} },
      hashTokenSecret(secret),
      serverKeys.publicKey,
    );
    const before = joiners.length;
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] ^= 1;
      const answer = await own.answer(bad);
      if (answer !== undefined) expect(readJoinAnswer(answer)?.isWelcome, `byte ${at}`).toBe(false);
    }
    for (const text of ["", "{}", "null", "[]", '{"tokenId":1}', "[".repeat(4000)])
      expect(await own.answer(Buffer.concat([Buffer.alloc(32), Buffer.from(text)]))).toBeUndefined();
    expect(joiners.length).toBe(before);
  });

  it("keeps its tokens over a restart, without secrets", async () => {
    const own = makeDesk();
    const { token } = own.createToken(7601, { uses: 2 });
    const kept = JSON.stringify(own.tokens());
    expect(kept).not.toContain(parseJoinToken(token).secret);
    expect(() => own.createToken(1, { uses: 0 })).toThrow("uses must be a whole number from 1");
    expect(() => own.createToken(1, { lifeMs: -1 })).toThrow("lifeMs");
  });
});

describe("addresses and tokens", () => {
  it.each([
    ["iono://10.0.0.5:7600", { host: "10.0.0.5", port: 7600 }],
    ["10.0.0.5:1", { host: "10.0.0.5", port: 1 }],
    ["iono://head.example", { host: "head.example", port: 7600 }],
    ["iono://[::1]:80/", { host: "::1", port: 80 }],
  ])("reads %s", (text, address) => {
    expect(parseJoinAddress(text)).toEqual(address);
  });

  it.each([
    "",
    "iono://",
    "http://a:1",
    "a:0",
    "a:65536",
    "a:b",
    "a b:1",
    "iono://user@a:1",
    "::1:80",
    "a/b",
  ])("refuses %s", (text) => {
    expect(() => parseJoinAddress(text)).toThrow("address must be iono://host:port");
  });

  it("writes tokens that no shell takes apart, and reads them", () => {
    for (let i = 0; i < 20; i++) {
      const { token } = makeDesk().createToken(7601);
      expect(token).toMatch(/^[\w.-]+$/);
      expect(formatJoinToken(parseJoinToken(`${token}\n`))).toBe(token);
    }
  });

  it("says which part of a token is wrong, and does not show it", () => {
    const { token } = makeDesk().createToken(7601);
    const parts = token.split(".");
    const replaced = (at: number, part: string): string => parts.with(at, part).join(".");
    const cases: Array<[string, string]> = [
      ["hello", "is no join token"],
      [replaced(0, "ionojoin2"), "another version"],
      [parts.slice(0, 4).join("."), "cut off"],
      [`${token}.x`, "more than five parts"],
      [replaced(1, "x"), "server key"],
      [replaced(2, "0"), "port"],
      [replaced(3, "!"), "its fourth part"],
      [token.slice(0, -3), "cut off secret"],
    ];
    for (const [text, message] of cases) {
      let error: unknown;
      try {
        parseJoinToken(text);
      } catch (thrown) {
        error = thrown;
      }
      expect(hasCode(error, "BadOption")).toBe(true);
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).not.toContain(parts[4].slice(0, 20));
    }
  });
});
