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
import { clustersOf } from "./status-collect.ts";
import type { StatusReport } from "./status-collect.ts";
import { parseStatusReply, parseSupervisorReply, StatusReplyError } from "./status-reply.ts";
import type { NodeStatus, ProgramStatus } from "./status-reply.ts";
import { formatStatus } from "./status-text.ts";

const store = { capacityBytes: 2 ** 30, usedBytes: 3 * 2 ** 20, diskBytes: 2 ** 20, spilledBytes: 2 ** 21 };

const reply: ProgramStatus = {
  pid: 4243,
  driverPid: 4242,
  program: "node demo.ts",
  startedAtMs: 1_000_000,
  nodes: [
    {
      id: "local",
      name: "local",
      labels: {},
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
      store,
    },
  ],
  cluster: null,
  store,
  versions: { iono: "0.1.0" },
};

function nodeOfCluster(number: number, change: Partial<NodeStatus> = {}): NodeStatus {
  const total = { CPU: 4 };
  const none = { workers: [], actors: [], demand: [], labels: {} };
  return {
    id: `node-${number}`,
    name: `gpu${number}`,
    resources: { total, available: total },
    store,
    ...none,
    ...change,
  };
}

/** What the agent of node 1, which has the head beside it, answers. */
const member: ProgramStatus = {
  pid: 5001,
  driverPid: 0,
  program: "a node of a cluster",
  startedAtMs: 1_000_000,
  nodes: [
    nodeOfCluster(1, { labels: { zone: "a", gpu: "H100" }, actors: reply.nodes[0].actors }),
    nodeOfCluster(2, { demand: [{ shape: "CPU=1|spread", count: 3 }] }),
  ],
  cluster: {
    id: "c0ffee",
    head: "tcp://10.0.0.1:7600",
    node: "node-1",
    name: "gpu1",
    links: [
      { to: "the head", roundTripMs: 0.31 },
      { to: "gpu2", roundTripMs: null },
    ],
    silent: ["gpu3", "gpu4"],
    actors: [{ className: "Index", name: "", state: "pending" }],
    unplaced: [],
  },
  store,
  versions: { iono: "0.1.0" },
};

/** What the agent of a program on the same machine answers. */
const driver: ProgramStatus = {
  ...member,
  pid: 5003,
  driverPid: 5002,
  program: "node train.ts",
  startedAtMs: 1_030_000,
  nodes: [nodeOfCluster(1), nodeOfCluster(4)],
  cluster: {
    ...member.cluster!,
    node: "node-5",
    name: "gpu1-driver",
    links: [{ to: "the head", roundTripMs: 12 }],
    silent: ["the head", "gpu2", "gpu3"],
    actors: [],
    unplaced: [{ shape: "GPU=8", count: 2 }],
  },
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
    ["reply.nodes[0].name", withNode({ name: 7 })],
    ["reply.nodes[0].labels.zone", withNode({ labels: { zone: 1 } })],
    ["reply.nodes[0].store", withNode({ store: undefined })],
    ["reply.store.usedBytes", { store: { ...reply.store, usedBytes: -3 } }],
    ["reply.cluster", { cluster: "yes" }],
    ["reply.cluster.head", { cluster: { ...member.cluster, head: undefined } }],
    ["reply.cluster.silent[0]", { cluster: { ...member.cluster, silent: [3] } }],
    [
      "reply.cluster.links[0].roundTripMs",
      { cluster: { ...member.cluster, links: [{ to: "the head", roundTripMs: "1" }] } },
    ],
    ["reply.versions.iono", { versions: { iono: 1 } }],
  ])("%s", (path, change) => {
    const parse = (): ProgramStatus => parseStatusReply(JSON.stringify({ ...reply, ...change }));
    expect(parse).toThrow(StatusReplyError);
    expect(parse).toThrow(path);
  });

  test("fields it does not know are dropped", () => {
    expect(parseStatusReply(JSON.stringify({ ...reply, mood: "good" }))).toEqual(reply);
    expect(parseStatusReply(JSON.stringify(member))).toEqual(member);
  });

  test("of a supervisor as well", () => {
    const supervisor = {
      pid: 7,
      name: "",
      address: "iono://10.0.0.1:7600",
      isHead: false,
      isJoined: false,
      trouble: "nobody answers",
    };
    const line = JSON.stringify({ ...supervisor, processes: { agent: 0 } });
    expect(parseSupervisorReply(line)).toEqual({ ...supervisor, agentPid: 0 });
    expect(() => parseSupervisorReply(line.replace("false", "0"))).toThrow("reply.isHead is 0");
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
      expect(result.stdout).toContain(`The process with pid ${pid} gave no status: connect ENOENT`);
      expect(result.exitCode).toBe(1);
    },
  );
});

describe("the table for people", () => {
  const report = (change: Partial<StatusReport>): StatusReport => ({
    clusters: [],
    programs: [],
    starting: [],
    silent: [],
    ...change,
  });

  test("of a program alone, and of nothing", () => {
    expect(formatStatus(report({ programs: [reply] }), reply.startedAtMs + 192_000)).toMatchInlineSnapshot(`
      "node demo.ts (pid 4242, running for 3m 12s)
        node      local: 2 workers (1 leased, 1 waiting)
        in use    CPU 1.5 of 2, memory 2GiB of 4GiB
        actor     Counter "hits", alive
        waiting   12 × CPU 1, gpu_a 0.25, memory 1GiB
        waiting   1 × nothing but a worker
        objects   3MiB of 1GiB, 1MiB on disk
        versions  iono 0.1.0"
    `);
    expect(formatStatus(report({}), 0)).toBe("No iono program of yours is running on this machine.");
  });

  test("of a cluster with a node and a program here: what one of them knows counts", () => {
    const clusters = clustersOf([driver, reply, member]);
    expect(clusters).toHaveLength(1);
    expect(formatStatus(report({ clusters, programs: [driver] }), 1_060_000)).toMatchInlineSnapshot(`
      "Cluster at iono://10.0.0.1:7600, 4 nodes
        node      gpu1 (node-1, here with pid 5001 for 1m 00s): no workers
        labels    zone=a, gpu=H100
        in use    CPU 0 of 4
        actor     Counter "hits", alive
        objects   3MiB of 1GiB, 1MiB on disk
        links     the head 0.3 ms, gpu2 not measured
        node      gpu2 (node-2): no workers
        in use    CPU 0 of 4
        waiting   3 × CPU 1 (spread)
        objects   3MiB of 1GiB, 1MiB on disk
        node      gpu4 (node-4): no workers
        in use    CPU 0 of 4
        objects   3MiB of 1GiB, 1MiB on disk
        actor     Index, pending
        waiting   2 × GPU 8, which no node can hold
        silent    gpu3 has not answered in time
        versions  iono 0.1.0

      node train.ts (pid 5002, running for 30s)
        cluster   at iono://10.0.0.1:7600, as gpu1-driver (node-5)
        links     the head 12 ms
        objects   3MiB of 1GiB, 1MiB on disk
        versions  iono 0.1.0"
    `);
  });

  test("of a node that is not there yet, and one that answers nothing", () => {
    const address = "iono://10.0.0.1:7600";
    const starting = [
      { pid: 7, name: "gpu1", address, isHead: false, trouble: "the agent ended (SIGKILL)" },
      { pid: 8, name: "", address: "", isHead: true, trouble: "" },
    ];
    const silent = [{ pid: 9, reason: "no answer within 20 ms" }];
    expect(formatStatus(report({ starting, silent }), 0)).toMatchInlineSnapshot(`
      "A node gpu1 of the cluster at iono://10.0.0.1:7600 is being started (supervisor's pid 7): the agent ended (SIGKILL)

      The head's node is being started (supervisor's pid 8)

      The process with pid 9 gave no status: no answer within 20 ms"
    `);
  });
});
