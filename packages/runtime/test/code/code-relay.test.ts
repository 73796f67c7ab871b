/** The agent of a worker's node, between its workers and the program's machine. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { CodeAnswer, CodeReply, CodeRequest, ModuleReply, ResolveRequest } from "@iono/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CodeRelay } from "../../src/code/index.ts";
import { framed } from "../../src/code/code-wire.ts";
import { publish, type PublishedSocket } from "../../src/links/publish.ts";
import { unpackMessage } from "../../src/owner/payload.ts";

const root = "file:///home/me/project/";
let asked: [job: string, request: CodeRequest][];
let answer: (job: string, request: CodeRequest) => Promise<CodeAnswer>;
let relay: CodeRelay;
let socket: PublishedSocket;

beforeEach(async () => {
  asked = [];
  answer = (_job, request) => Promise.resolve(moduleFor(request));
  relay = new CodeRelay({
    ask: (job, request) => {
      asked.push([job, request]);
      return answer(job, request);
    },
    answerMs: 100,
    cacheBytes: 10_000,
  });
  socket = await publish(createServer((each) => relay.accept(each)));
});
afterEach(() => {
  relay.close();
  socket.close();
});

function resolve(specifier: string): ResolveRequest {
  return { t: "resolve", specifier, folder: root, kind: "import", conditions: ["node", "import"] };
}

function module(name: string, bytes = 10): ModuleReply {
  return { t: "module", url: `${root}${name}`, root, format: "module", source: Buffer.alloc(bytes, name) };
}

function moduleFor(request: CodeRequest, bytes?: number): CodeAnswer {
  const name = request.t === "load" ? request.url.slice(root.length) : request.specifier;
  return { reply: module(name, bytes), modules: [], answers: [] };
}

test("a question asked twice, by others or at once, is asked once", async () => {
  const [first, second] = await Promise.all([
    relay.answer("job", resolve("a")),
    relay.answer("job", resolve("a")),
  ]);
  expect(first).toEqual(second);
  await relay.answer("job", { ...resolve("a"), conditions: ["import", "node"] });
  expect(await relay.answer("job", { t: "load", url: `${root}a` })).toEqual(first);
  expect(asked).toHaveLength(1);
  await relay.answer("another job", resolve("a"));
  expect(asked).toHaveLength(2);
  relay.forget("job");
  await relay.answer("job", resolve("a"));
  expect(asked).toHaveLength(3);
});

test("what comes with an answer is not asked for", async () => {
  answer = (_job, request) =>
    Promise.resolve({
      ...moduleFor(request),
      modules: [module("b")],
      answers: [[resolve("./b"), `${root}b`]],
    });
  await relay.answer("job", resolve("a"));
  expect(await relay.answer("job", resolve("./b"))).toEqual(module("b"));
  expect(asked).toHaveLength(1);
});

test("what may become otherwise is asked anew", async () => {
  for (const t of ["missing", "refused", "failed"] as const) {
    asked = [];
    answer = () => Promise.resolve({ reply: { t, message: "x" }, modules: [], answers: [] });
    await relay.answer("job", resolve(t));
    expect(await relay.answer("job", resolve(t))).toEqual({ t, message: "x" });
    expect(asked).toHaveLength(2);
  }
});

test("every question is answered in time, and strictly", async () => {
  answer = () => new Promise(() => {});
  expect(await relay.answer("job", resolve("slow"))).toEqual({
    t: "failed",
    message: "no answer within 100ms",
  });
  answer = () => Promise.reject(new Error("gone"));
  expect(await relay.answer("job", resolve("gone"))).toEqual({ t: "failed", message: "gone" });
  answer = () => {
    throw new Error("thrown");
  };
  expect(await relay.answer("job", resolve("thrown"))).toEqual({ t: "failed", message: "thrown" });
  for (const wrong of [
    null,
    {},
    { reply: { t: "module" }, modules: [], answers: [] },
    { ...moduleFor(resolve("x")), modules: [1] },
  ]) {
    answer = () => Promise.resolve(wrong as unknown as CodeAnswer);
    expect(await relay.answer("job", resolve("wrong"))).toEqual({
      t: "failed",
      message: "what it answered cannot be understood",
    });
  }
  answer = () => Promise.resolve({ t: "refused", message: "no" } as unknown as CodeAnswer);
  expect(await relay.answer("job", resolve("alone"))).toEqual({ t: "refused", message: "no" });
  expect(await relay.answer("job", { t: "nonsense" })).toBeNull();
});

test("memory is bounded, over all jobs", async () => {
  answer = (_job, request) => Promise.resolve(moduleFor(request, 3000));
  for (const name of ["a", "b", "c", "d"]) await relay.answer("job", resolve(name));
  asked = [];
  await relay.answer("job", resolve("d"));
  expect(asked).toEqual([]);
  await relay.answer("job", resolve("a"));
  expect(asked).toHaveLength(1);
  for (const name of ["a", "b", "c"]) await relay.answer("another", resolve(name));
  asked = [];
  await relay.answer("another", resolve("c"));
  expect(asked).toEqual([]);
  await relay.answer("job", resolve("a"));
  expect(asked).toHaveLength(1);
});

async function connected(): Promise<Socket> {
  const client = connect(socket.path);
  client.on("error", () => {});
  await once(client, "connect");
  return client;
}

function ended(client: Socket): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

async function reply(client: Socket): Promise<CodeReply> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32LE(0)) {
    const [chunk] = (await once(client, "data")) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
  }
  return unpackMessage(bytes, 4, 4 + bytes.readUInt32LE(0)) as CodeReply;
}

test("a worker says who it is, then asks; one that has ended asks no more", async () => {
  relay.admit(7, "secret", "job-7");
  const client = await connected();
  // In one piece, and cut in the middle of a length.
  const bytes = Buffer.concat([framed({ process: 7, secret: "secret" }), framed(resolve("a"))]);
  client.write(bytes.subarray(0, 2));
  client.write(bytes.subarray(2));
  expect(await reply(client)).toMatchObject({ t: "module", url: `${root}a` });
  expect(asked).toEqual([["job-7", resolve("a")]]);
  const isEnded = ended(client);
  relay.processDied(7);
  await isEnded;
  const again = await connected();
  again.write(framed({ process: 7, secret: "secret" }));
  await ended(again);
});

test("a worker that does not read its answers is cut off", async () => {
  relay.admit(7, "secret", "job-7");
  answer = (_job, request) => Promise.resolve(moduleFor(request, 8_000_000));
  const client = await connected();
  client.pause();
  const closed = ended(client);
  client.write(framed({ process: 7, secret: "secret" }));
  for (let i = 0; i < 10; i++) client.write(framed(resolve(`${i}`)));
  await expect.poll(() => asked.length).toBeGreaterThan(1);
  await expect.poll(() => relay.connections).toBe(0);
  client.resume();
  await closed;
});

test.each([
  ["another secret", framed({ process: 7, secret: "wrong!" })],
  ["an unknown process", framed({ process: 8, secret: "secret" })],
  ["a question first", framed(resolve("a"))],
  ["no hello", framed(null)],
  ["no message", Buffer.from([4, 0, 0, 0, 0xc1, 0xc1, 0xc1, 0xc1])],
  ["a length beyond all bounds", Buffer.from([0xff, 0xff, 0xff, 0xff])],
  [
    "a second hello",
    Buffer.concat([framed({ process: 7, secret: "secret" }), framed({ process: 7, secret: "secret" })]),
  ],
  [
    "a flood",
    Buffer.concat([framed({ process: 7, secret: "secret" }), Buffer.alloc(1_000_000, framed(resolve("a")))]),
  ],
])("%s ends the connection", async (_name, bytes) => {
  answer = () => new Promise(() => {});
  relay.admit(7, "secret", "job-7");
  const client = await connected();
  client.resume();
  const closed = ended(client);
  client.write(bytes);
  await closed;
  expect(relay.connections).toBe(0);
});
