/**
 * A cluster of several nodes on this machine, for tests: real supervisors, heads, agents and gateways. Each node may have
 * a proxy between it and the head, for faults of the network.
 */
import { startSupervisor, type StartedNode, type StartRequest } from "@iono/runtime/tools";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProxy, type TcpProxy } from "./proxy.ts";

export interface TestNodeOptions {
  /** Default: `node-a`, `node-b`, … */
  readonly name?: string;
  /** Default 1. */
  readonly cpus?: number;
  readonly gpus?: number;
  readonly resources?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Default 128 MiB. */
  readonly objectStore?: StartRequest["node"]["objectStore"];
  /** Where it puts what does not fit. */
  readonly spillDir?: string;
  readonly maxWorkers?: number;
  /** It has a gateway of its own, so that other nodes can dial it. */
  readonly listens?: boolean;
  /** A proxy between it and the head. Without `listens`, everything that it says to others goes through that. */
  readonly isProxied?: boolean;
  /** It has a gateway, at another address than others dial: a proxy stands there, as a router that forwards a port. */
  readonly isForwarded?: boolean;
  /** Where packages of its workers are found. */
  readonly directory?: string;
}

export interface TestNode {
  readonly name: string;
  /** Its number in the cluster. */
  readonly node: number;
  readonly supervisor: StartedNode["child"];
  readonly proxy: TcpProxy | undefined;
  /** What others dial to reach it. */
  readonly forward: TcpProxy | undefined;
  /** Pids of what the supervisor has started; 0: none now. */
  processes(): Promise<NodeProcesses>;
  /** Ends it in order. */
  stop(): Promise<void>;
}

export interface NodeProcesses {
  readonly gateway: number;
  readonly head: number;
  readonly agent: number;
}

export interface TestCluster {
  readonly address: string;
  readonly token: string;
  /** The first is the head's. */
  readonly nodes: readonly TestNode[];
  /** For a program that joins: `IONO_ADDRESS`, `IONO_TOKEN`. */
  readonly environment: Readonly<Record<string, string>>;
  add(options?: TestNodeOptions): Promise<TestNode>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const loopback = "127.0.0.1";

/** Starts a node for each entry, the first with the head. Resolves when all have joined. */
export async function startCluster(nodes: readonly TestNodeOptions[]): Promise<TestCluster> {
  const [first = {}, ...others] = nodes;
  const started: TestNode[] = [];
  let count = 0;
  const head = await startNode(first, count++, null);
  started.push(head.node);
  const { address, token } = head.report;
  const cluster: TestCluster = {
    address,
    token,
    nodes: started,
    environment: { IONO_ADDRESS: address, IONO_TOKEN: token },
    add: async (options = {}) => {
      const { node } = await startNode(options, count++, { address, token });
      started.push(node);
      return node;
    },
    stop: async () => {
      const [headNode, ...rest] = started.splice(0);
      await Promise.all(rest.map((each) => each.stop()));
      await headNode?.stop();
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
  try {
    for (const options of others) await cluster.add(options);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

async function startNode(
  options: TestNodeOptions,
  index: number,
  joins: { readonly address: string; readonly token: string } | null,
): Promise<{ node: TestNode; report: StartedNode["report"] }> {
  const proxy = options.isProxied === true && joins !== null ? await proxyTo(joins.address) : undefined;
  const port = options.isForwarded === true ? await freePort() : 0;
  const forward = port === 0 ? undefined : await startProxy({ target: { host: loopback, port } });
  const close = async (): Promise<void> => {
    await proxy?.close();
    await forward?.close();
  };
  const address = proxy === undefined ? joins?.address : `iono://${loopback}:${proxy.port}`;
  const listens = joins === null || options.listens === true || forward !== undefined;
  const advertise = forward === undefined ? "" : `${loopback}:${forward.port}`;
  const request: StartRequest = {
    head: joins === null ? { joinPort: 0, tokenMs: 60 * 60_000 } : null,
    join: joins === null ? null : { address: address ?? joins.address, token: joins.token },
    listen: listens ? { host: loopback, port, advertise, keys: "" } : null,
    name: options.name ?? `node-${String.fromCodePoint(97 + index)}`,
    node: {
      numCpus: options.cpus ?? 1,
      numGpus: options.gpus ?? 0,
      objectStore: options.objectStore ?? "128MiB",
      ...(options.resources === undefined ? {} : { resources: options.resources }),
      ...(options.labels === undefined ? {} : { labels: options.labels }),
      ...(options.spillDir === undefined ? {} : { spillDir: options.spillDir }),
      ...(options.maxWorkers === undefined ? {} : { maxWorkers: options.maxWorkers }),
    },
    directory: options.directory ?? process.cwd(),
  };
  // What a node prints is of interest only when it fails.
  const logFile = join(tmpdir(), `iono-test-node-${process.pid}-${request.name}-${index}.log`);
  try {
    const { report, child } = await startSupervisor(request, { detached: true, logFile });
    child.ref();
    const stop = async (): Promise<void> => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }
      rmSync(logFile, { force: true });
      await close();
    };
    const { name, node: number } = report;
    const processes = (): Promise<NodeProcesses> => askSupervisor(report.pid);
    return { node: { name, node: number, supervisor: child, proxy, forward, processes, stop }, report };
  } catch (error) {
    rmSync(logFile, { force: true });
    await close();
    throw error;
  }
}

function proxyTo(address: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(address.replace("iono:", "http:"));
  return startProxy({ target: { host: hostname, port: Number(port) } });
}

/** Nobody is likely to take it meanwhile: the kernel gives such ports in turn. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, loopback);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Its process title says where it listens, as `iono status` knows. */
async function askSupervisor(pid: number): Promise<NodeProcesses> {
  const title = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  const path = /control=(\/\S+)/.exec(title)?.[1];
  if (path === undefined) throw new Error(`no control socket in the title ${title}`);
  const socket = connect({ path });
  socket.write('{"kind":"status"}\n');
  const { processes } = JSON.parse(await text(socket)) as { processes: NodeProcesses };
  return processes;
}
