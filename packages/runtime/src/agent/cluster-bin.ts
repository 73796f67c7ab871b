/**
 * The agent process of a cluster of several machines. Started by a driver or by the supervisor of its machine, to which
 * it is connected by descriptor 3.
 */
import { IonoError, readCodeRequest } from "@iono/core";
import * as net from "node:net";
import { CodeServer } from "../code/code-server.ts";
import { bootPageBytes, writeBootFailure, writeBootPage } from "../driver/boot-page.ts";
import { publish } from "../links/publish.ts";
import { UnixLink } from "../links/unix.ts";
import { platform } from "../platform/index.ts";
import { supervisorLink, type SupervisorLink } from "../supervisor/messages.ts";
import { Agent } from "./agent.ts";
import { ClusterNode } from "./cluster/cluster-node.ts";
import { joinCluster, type Joined } from "./cluster/join-cluster.ts";
import { serveControl } from "./control-socket.ts";
import { jobOf } from "./job.ts";
import { driverNumber, readAgentOptions } from "./options.ts";
import { endsInOrder, openStore } from "./process.ts";
import { SupervisedWorkers } from "./supervised-workers.ts";
import { startChild } from "./worker-processes.ts";

const options = readAgentOptions();
const { cluster } = options;
if (cluster === null) throw new Error("an agent of a cluster is told which");
const host = platform();
host.raiseFileLimit();
host.dieWithParent("SIGTERM", options.parentPid);

let agent: Agent | null = null;
let joined: Joined | null = null;
let clusterNode: ClusterNode | null = null;
const early: Array<() => void> = [];
const stop = endsInOrder(() => agent, true);
let supervisor: SupervisorLink | null = null;
let workers: SupervisedWorkers | null = null;
/** Called once the supervisor holds the store's memory too. */
let heldSegment = (_path: string): void => {};
let driver: UnixLink | null = null;
if (options.driver === null) {
  supervisor = supervisorLink(
    (message) => {
      if (message.t === "gateway") joined?.moved(message.path);
      else if (message.t === "stop") stop(message.reason);
      else if (message.t === "head lost") clusterNode?.headLost(message.reason);
      else if (message.t === "segment at") heldSegment(message.path);
      else workers?.heard(message);
    },
    () => stop("the supervisor has ended"),
  );
} else {
  driver = new UnixLink(new net.Socket({ fd: 3 }), {
    frame: (_kind, chunk, start, end) => {
      if (agent === null) early.push(() => agent?.fromDriver(chunk, start, end));
      else agent.fromDriver(chunk, start, end);
    },
    closed: () => stop("the driver ended"),
  });
}
const bootPage =
  options.driver === null || options.driver.bootPage === ""
    ? undefined
    : host.sharedPages?.open(options.driver.bootPage, bootPageBytes);

try {
  await begin();
} catch (error) {
  const failure = error instanceof IonoError ? error : new IonoError("Internal", String(error));
  if (bootPage !== undefined) writeBootFailure(bootPage.memory, failure);
  supervisor?.tell({ t: "failed", code: failure.code, message: failure.message });
  setTimeout(() => process.exit(1), 100);
}

async function begin(): Promise<void> {
  if (cluster === null) return;
  const found = await joinCluster(options, cluster);
  joined = found;
  const { node, name } = found.welcome;
  const { store, server } = openStore(options, node, () => agent?.askToCollect());
  const { path } = await publish(server);
  if (supervisor !== null) {
    workers = new SupervisedWorkers(supervisor, options.secret);
    const held = new Promise<string>((resolve) => (heldSegment = resolve));
    supervisor.tell({ t: "segment", path: store.segmentPath });
    store.segmentPath = await held;
  }
  if (options.driver !== null) store.admit(driverNumber(node), options.secret);
  const code = options.driver === null ? null : new CodeServer(options.driver.entry, options.directory);
  const job = jobOf(options, node, code?.root.url ?? "");
  const own = new Agent({
    options,
    node,
    job,
    driver,
    store,
    storePath: path,
    joinCluster: (port) => {
      clusterNode = new ClusterNode({ ...found, store, job, port, directory: options.directory });
      return clusterNode;
    },
    startWorker: workers?.start ?? startChild,
    agentPath: (await workers?.listen()) ?? "",
    answerCode: (request) => {
      const read = readCodeRequest(request);
      if (code === null || read === undefined)
        return Promise.resolve({ t: "refused", message: "this node has no program whose modules travel" });
      return code.answer(read);
    },
    end: (reason, isOver) => {
      if (options.driver === null) process.stderr.write(`iono: this node ends: ${reason}\n`);
      if (isOver) supervisor?.tell({ t: "over", reason });
      stop(reason);
    },
  });
  agent = own;
  await own.start();
  if (bootPage !== undefined) writeBootPage(bootPage.memory, { agentPid: process.pid, path, node });
  supervisor?.tell({ t: "joined", node, name, token: found.againToken });
  for (const message of early.splice(0)) message();
  process.title = await serveControl("agent", { status: () => own.clusterStatus() });
}
