/** The agent process of a local cluster. Started by a driver, which is connected to it by descriptor 3. */
import { IonoError } from "@iono/core";
import * as net from "node:net";
import { platform } from "../platform/index.ts";
import { UnixLink } from "../links/unix.ts";
import { publish } from "../links/publish.ts";
import { bootPageBytes, writeBootPage } from "../driver/boot-page.ts";
import { Agent } from "./agent.ts";
import { serveControl } from "./control-socket.ts";
import { jobOf } from "./job.ts";
import { driverNumber, readAgentOptions } from "./options.ts";
import { endsInOrder, openStore } from "./process.ts";
import { startChild } from "./worker-processes.ts";

const options = readAgentOptions();
const host = platform();
// SIGTERM rather than SIGKILL: the agent never blocks, and takes its workers with it.
host.dieWithParent("SIGTERM", options.parentPid);

const { store, server } = openStore(options, 0, () => agent?.askToCollect());
let agent: Agent | null = null;
const early: Array<() => void> = [];
const driver = new UnixLink(new net.Socket({ fd: 3 }), {
  frame: (_kind, chunk, start, end) => {
    if (agent === null) early.push(() => agent?.fromDriver(chunk, start, end));
    else agent.fromDriver(chunk, start, end);
  },
  closed: () => stop("the driver ended"),
});
const stop = endsInOrder(() => agent);

void publish(server).then(async ({ path }) => {
  store.admit(driverNumber(0), options.secret);
  if (options.driver !== null && options.driver.bootPage !== "") {
    const page = host.sharedPages?.open(options.driver.bootPage, bootPageBytes);
    if (page !== undefined) writeBootPage(page.memory, { agentPid: process.pid, path, node: 0 });
  }
  const local = new Agent({
    options,
    node: 0,
    job: jobOf(options, 0, ""),
    driver,
    store,
    storePath: path,
    joinCluster: null,
    startWorker: startChild,
    agentPath: "",
    answerCode: () => Promise.reject(new IonoError("Internal", "code is asked for in a local cluster")),
    end: stop,
  });
  agent = local;
  void local.start();
  for (const message of early.splice(0)) message();
  process.title = await serveControl("agent", { status: () => local.status() });
});
