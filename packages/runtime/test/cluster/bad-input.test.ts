/** What goes wrong when joining, and nodes that end: one typed error where somebody can act; the cluster goes on. */
import { startCluster, runProgram, linkedFolder, type TestCluster } from "@iono/testing";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { get, init, remote, runtimeContext, shutdown, type ObjectRef } from "../../src/index.ts";
import { formatJoinToken, parseJoinToken } from "../../src/mesh/join-token.ts";
import { makeKeys } from "../../src/mesh/keys.ts";

let cluster: TestCluster;
const cleanups: (() => void)[] = [];

beforeAll(async () => {
  cluster = await startCluster([{ cpus: 1 }]);
}, 60_000);

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0)) cleanUp();
  await shutdown();
}, 60_000);

afterAll(() => cluster.stop(), 60_000);

/** A task of a program that joins: the cluster goes on. */
async function runsATask(): Promise<void> {
  await init({ address: cluster.address, token: cluster.token });
  expect(await get(remote(() => runtimeContext().nodeId).remote())).toBe("node-1");
}

/** Asks a process by its control socket, which its title names. */
async function ask(pid: number, request: object): Promise<unknown> {
  const path = /control=([^\s\0]+)/.exec(readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.[1];
  const socket = connect({ path: path ?? "" });
  socket.write(`${JSON.stringify(request)}\n`);
  return JSON.parse(await text(socket));
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function isAlive(pid: number): boolean {
  // One that has ended and that nobody has reaped yet has no command line.
  return existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, "latin1") !== "";
}

describe("a program that cannot join is told why", () => {
  test("by a refused token: wrong, of another cluster, cut off", async () => {
    const { address, token } = cluster;
    const real = parseJoinToken(token);
    const attempt = (other: string) => init({ address, token: other });
    await expect(attempt(formatJoinToken({ ...real, secret: "x".repeat(32) }))).rejects.toMatchObject({
      code: "JoinRefused",
      message: expect.stringContaining("does not know this token"),
    });
    const { publicKey: serverPublicKey } = makeKeys();
    await expect(attempt(formatJoinToken({ ...real, serverPublicKey }))).rejects.toMatchObject({
      code: "JoinRefused",
      message: expect.stringContaining("has another key than the token"),
    });
    await expect(attempt(token.slice(0, -5))).rejects.toMatchObject({
      code: "BadOption",
      message: expect.stringContaining("cut off"),
    });
    await runsATask();
  }, 60_000);

  test("by an expired token", async () => {
    const { head } = await cluster.nodes[0].processes();
    const made = (await ask(head, { kind: "token", lifeMs: 1 })) as { token: string };
    await expect(init({ address: cluster.address, token: made.token })).rejects.toMatchObject({
      code: "JoinRefused",
      message: expect.stringContaining("the token expired"),
    });
  }, 60_000);

  test("by another version", async () => {
    // The program's agent is of another version.
    const hook = join(tmpdir(), `another-version-${process.pid}.mjs`);
    writeFileSync(
      hook,
      `import { registerHooks } from "node:module";
       registerHooks({ load: (url, context, next) => url.endsWith("/src/version.ts")
         ? { format: "module", source: 'export const version = "9.9.9";', shortCircuit: true }
         : next(url, context) });`,
    );
    vi.stubEnv("NODE_OPTIONS", `--import ${hook}`);
    cleanups.push(
      () => vi.unstubAllEnvs(),
      () => rmSync(hook),
    );
    await expect(init({ address: cluster.address, token: cluster.token })).rejects.toMatchObject({
      code: "VersionMismatch",
      message: expect.stringMatching(/the cluster runs iono \S+, this machine 9\.9\.9/) as string,
    });
  }, 60_000);

  test("at the first .remote(), with exit code 1 when it does not care; and may go on without the cluster", async () => {
    using folder = linkedFolder();
    const file = join(folder.path, "program.ts");
    const port = await closedPort();
    const env = { IONO_ADDRESS: `iono://127.0.0.1:${port}`, IONO_TOKEN: cluster.token };
    writeFileSync(file, 'import { get, remote } from "iono";\nawait get(remote(() => 1).remote());\n');
    const ended = await runProgram({ file, env });
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout).toBe("");
    expect(ended.stderr.split(`nobody answers at 127.0.0.1:${port}: connection refused`)).toHaveLength(2);

    await expect(init({ address: cluster.address, token: "?" })).rejects.toMatchObject({ code: "BadOption" });
    await init({ numCpus: 1 });
    expect(await get(remote(() => 42).remote())).toBe(42);
  }, 60_000);
});

describe("the cluster goes on", () => {
  test("when a web browser, or noise, comes to its ports", async () => {
    const { joinPort } = parseJoinToken(cluster.token);
    const port = Number(new URL(cluster.address.replace("iono:", "http:")).port);
    for (const each of [port, joinPort]) {
      await expect(
        fetch(`http://127.0.0.1:${each}/`, { signal: AbortSignal.timeout(10_000) }),
      ).rejects.toThrow("fetch failed");
      for (const noise of [randomBytes(4096), Buffer.alloc(4096, 0xff), Buffer.alloc(0)]) {
        const socket = connect({ host: "127.0.0.1", port: each });
        socket.on("error", () => {});
        socket.resume().end(noise);
        await new Promise((resolve) => socket.once("close", resolve));
      }
    }
    await runsATask();
  }, 60_000);

  test("when a node comes with a name that is taken", async () => {
    await expect(cluster.add({ name: "node-a" })).rejects.toMatchObject({
      code: "JoinRefused",
      message: expect.stringContaining('a node named "node-a" is in the cluster already'),
    });
    await runsATask();
  }, 60_000);
});

describe("a node that ends", () => {
  /** Runs for ever at `node`, and elsewhere says where. */
  const stays = remote(async (node: string) => {
    if (runtimeContext().nodeId === node) await new Promise((resolve) => setTimeout(resolve, 1e6));
    return [process.pid, runtimeContext().attempt] as const;
  });

  /** Two tasks, one of which runs on the new node, the other waits there for its turn or went elsewhere. */
  async function start(name: string): Promise<{ id: string; refs: ObjectRef<unknown>[] }> {
    await init({ address: cluster.address, token: cluster.token });
    const added = await cluster.add({ name });
    const id = `node-${added.node.toString(36)}`;
    const where = remote(() => runtimeContext().nodeId).options({ scheduling: { node: name } });
    expect(await get(where.remote())).toBe(id);
    const soft = stays.options({ scheduling: { node: name, soft: true } });
    return { id, refs: [soft.remote(id), soft.remote(id)] };
  }

  test("in order, as `iono stop` does, gives its tasks to others", async () => {
    const { refs } = await start("leaves");
    await cluster.nodes.find(({ name }) => name === "leaves")!.stop();
    expect(await get(refs)).toHaveLength(2);
  }, 60_000);

  test("because its supervisor was killed leaves no process, and gives its tasks to others", async () => {
    const { refs } = await start("dies");
    const { supervisor, processes } = cluster.nodes.find(({ name }) => name === "dies")!;
    const { agent } = await processes();
    const began = Promise.race([get(refs[0]), get(refs[1])]);
    supervisor.kill("SIGKILL");
    await began;
    expect(await get(refs)).toHaveLength(2);
    await vi.waitFor(() => expect(isAlive(agent)).toBe(false), { timeout: 10_000, interval: 50 });
  }, 60_000);
});

describe("the head", () => {
  test("that dies fails what is pending at once, ends every node, and leaves no process", async () => {
    await cluster.add({ name: "last" });
    await init({ address: cluster.address, token: cluster.token });
    const forever = remote(() => new Promise<void>(() => {}));
    const pending = [0, 1, 2].map(() => get(forever.remote()));
    const outcomes = Promise.allSettled(pending);
    const nodes = cluster.nodes.filter(({ supervisor }) => isAlive(supervisor.pid ?? 0));
    expect(nodes.map(({ name }) => name)).toEqual(["node-a", "last"]);
    const all = (await Promise.all(nodes.map(({ processes }) => processes())))
      .flatMap(({ gateway, head, agent }) => [gateway, head, agent])
      .filter((pid) => pid !== 0);
    const { head } = await nodes[0].processes();
    process.kill(head, "SIGKILL");
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: "ClusterLost", message: "the cluster has ended: the head ended (SIGKILL)" },
      });
    const supervisors = nodes.map(({ supervisor }) => supervisor.pid ?? 0);
    await vi.waitFor(() => expect([...supervisors, ...all].filter(isAlive)).toEqual([]), {
      timeout: 15_000,
      interval: 50,
    });
    await init({ numCpus: 1 });
    expect(await get(remote(() => 42).remote())).toBe(42);
  }, 60_000);
});
