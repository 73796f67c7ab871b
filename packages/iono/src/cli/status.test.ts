import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runProgram } from "@iono/testing";
import { controlPathOf, findAgents } from "./agents.ts";
import { requestStatus } from "./control-client.ts";
import { formatStatus } from "./status.ts";
import { parseStatusReply, StatusReplyError } from "./status-reply.ts";
import type { ProgramStatus } from "./status-reply.ts";

const reply: ProgramStatus = {
  pid: 4243,
  driverPid: 4242,
  program: "node demo.ts",
  startedAtMs: 1_000_000,
  nodes: [
    {
      id: "local",
      resources: { total: { CPU: 2, memory: 2 ** 32 }, available: { CPU: 0.5, memory: 2 ** 31 } },
      workers: [
        { pid: 4244, state: "leased", blocked: false },
        { pid: 4245, state: "leased", blocked: true },
      ],
      actors: [{ className: "Counter", name: "hits", state: "alive" }],
      demand: [
        { shape: "CPU=1,gpu_a=0.25,memory=1073741824", count: 12 },
        { shape: "", count: 1 },
      ],
    },
  ],
  store: { capacityBytes: 2 ** 30, usedBytes: 3 * 2 ** 20, diskBytes: 2 ** 20, spilledBytes: 2 ** 21 },
  versions: { iono: "0.1.0" },
};

let directory: string;
let server: Server | undefined;
let child: ChildProcess | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "status-"));
});

afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** A server that hands each connection to `serve`; its path. */
async function listen(serve: (socket: Socket) => void): Promise<string> {
  const controlPath = join(directory, `s${sockets.size}`);
  server?.close();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(controlPath);
  await once(server, "listening");
  return controlPath;
}

/** A process whose title is that of an agent. The padding is there because a title is cut to the room of the arguments. */
async function startTitled(title: string): Promise<number> {
  const script = "process.title = process.argv[1]; process.stdout.write('up'); setInterval(() => {}, 1000)";
  child = spawn(process.execPath, ["-e", script, title, "-".repeat(title.length)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return child.pid!;
}

describe("the status request", () => {
  test("one line asks, one line answers", async () => {
    let asked = "";
    const controlPath = await listen((socket) => {
      socket.on("data", (bytes) => {
        asked += bytes.toString();
        const [head, tail] = [JSON.stringify(reply).slice(0, 100), JSON.stringify(reply).slice(100)];
        socket.write(head, () => socket.write(`${tail}\n`));
      });
    });
    await expect(requestStatus({ controlPath, timeoutMs: 5000 })).resolves.toEqual(reply);
    expect(asked).toBe('{"kind":"status"}\n');
  });

  test("a silent server, a closed connection, no server and nonsense each give an error that says so", async () => {
    const ask = async (serve: (socket: Socket) => void, timeoutMs = 5000): Promise<unknown> =>
      requestStatus({ controlPath: await listen(serve), timeoutMs });
    await expect(ask(() => {}, 20)).rejects.toThrow("no answer within 20 ms");
    await expect(ask((socket) => socket.end("{"))).rejects.toThrow("closed before an answer");
    await expect(ask((socket) => socket.end("hello\n"))).rejects.toThrow(StatusReplyError);
    const nobody = requestStatus({ controlPath: join(directory, "nobody"), timeoutMs: 5000 });
    await expect(nobody).rejects.toThrow("ENOENT");
  });
});

describe("the reply is read strictly", () => {
  const [node] = reply.nodes;
  const [wanted] = node.demand;
  const withNode = (change: object): object => ({ nodes: [{ ...node, ...change }] });

  test.each<[path: string, change: object]>([
    ["reply.pid", { pid: -1 }],
    ["reply.program", { program: undefined }],
    ["reply.startedAtMs", { startedAtMs: null }],
    ["reply.nodes", { nodes: {} }],
    ["reply.nodes[0].workers", withNode({ workers: 1 })],
    ["reply.nodes[0].workers[0].blocked", withNode({ workers: [{ ...node.workers[0], blocked: 0 }] })],
    ["reply.nodes[0].actors[0].name", withNode({ actors: [{ className: "Counter", state: "alive" }] })],
    ["reply.error", { error: "unknown request" }],
    [
      "reply.nodes[0].resources.total.CPU",
      withNode({ resources: { ...node.resources, total: { CPU: "2" } } }),
    ],
    ["reply.nodes[0].demand[0].count", withNode({ demand: [{ ...wanted, count: "many" }] })],
    ["reply.store.usedBytes", { store: { ...reply.store, usedBytes: -3 } }],
    ["reply.versions.iono", { versions: { iono: 1 } }],
  ])("%s", (path, change) => {
    const parse = (): ProgramStatus => parseStatusReply(JSON.stringify({ ...reply, ...change }));
    expect(parse).toThrow(StatusReplyError);
    expect(parse).toThrow(path);
  });

  test("fields it does not know are dropped", () => {
    expect(parseStatusReply(JSON.stringify({ ...reply, mood: "good" }))).toEqual(reply);
  });
});

describe("finding agents", () => {
  test("the control path is read from an agent's title alone", () => {
    expect(controlPathOf("iono agent demo control=/proc/12/fd/7 v=1")).toBe("/proc/12/fd/7");
    expect(controlPathOf("iono agent demo")).toBeUndefined();
    expect(controlPathOf("iono agent control=relative")).toBeUndefined();
    expect(controlPathOf("grep iono agent control=/proc/12/fd/7")).toBeUndefined();
  });

  test.runIf(process.platform === "linux")("`iono status` asks what it finds and prints it", async () => {
    const controlPath = await listen((socket) => socket.end(`${JSON.stringify(reply)}\n`));
    const pid = await startTitled(`iono agent demo control=${controlPath}`);
    expect(findAgents()).toContainEqual({ pid, controlPath });

    const json = await runProgram({ file: join(import.meta.dirname, "main.ts"), argv: ["status", "--json"] });
    expect((JSON.parse(json.stdout) as { programs: unknown }).programs).toContainEqual(reply);

    const text = await runProgram({ file: join(import.meta.dirname, "main.ts"), argv: ["status"] });
    expect(text.stdout).toContain("12 × CPU 1, gpu_a 0.25, memory 1GiB");
  });

  test.runIf(process.platform === "linux")(
    "an agent that does not answer is named, with exit code 1",
    async () => {
      const pid = await startTitled(`iono agent demo control=${join(directory, "nobody")}`);
      const result = await runProgram({ file: join(import.meta.dirname, "main.ts"), argv: ["status"] });
      expect(result.stdout).toContain(`The agent with pid ${pid} gave no status: connect ENOENT`);
      expect(result.exitCode).toBe(1);
    },
  );
});

test("the table for people", () => {
  const text = formatStatus({ programs: [reply], silent: [] }, reply.startedAtMs + 192_000);
  expect(text).toMatchInlineSnapshot(`
    "node demo.ts (pid 4242, running for 3m 12s)
      node      local: 2 workers (1 leased, 1 waiting)
      in use    CPU 1.5 of 2, memory 2GiB of 4GiB
      actor     Counter "hits", alive
      waiting   12 × CPU 1, gpu_a 0.25, memory 1GiB
      waiting   1 × nothing but a worker
      objects   3MiB of 1GiB, 1MiB on disk
      versions  iono 0.1.0"
  `);
  expect(formatStatus({ programs: [], silent: [] }, 0)).toBe(
    "No iono program of yours is running on this machine.",
  );
});
