/** The agent process of a local cluster. Started by a driver, which is connected to it by descriptor 3. */
import * as net from "node:net";
import { UnixLink } from "../links/unix.ts";
import { publish } from "../links/publish.ts";
import { StoreServer, storeSpillDirs } from "../objects/index.ts";
import { platform } from "../platform/index.ts";
import { bootPageBytes, writeBootPage } from "../driver/boot-page.ts";
import { Agent } from "./agent.ts";
import { serveControl } from "./control-socket.ts";
import { driverNumber, readAgentOptions } from "./options.ts";

/** How long the ends of killed workers may take to be told. */
const reapMs = 500;

const options = readAgentOptions();
const host = platform();
// SIGTERM rather than SIGKILL: the agent never blocks, and takes its workers with it.
host.dieWithParent("SIGTERM", options.driverPid);
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});

const store = new StoreServer({
  platform: host,
  capacityBytes: options.objectStoreBytes,
  spillDirs: storeSpillDirs(options.spillDir),
  onPressure: () => agent?.askToCollect(),
  onWarning: (message) => process.stderr.write(`iono: ${message}\n`),
});
const storeServer = net.createServer((socket) => store.accept(socket));

let agent: Agent | null = null;
const early: Array<() => void> = [];
const driver = new UnixLink(new net.Socket({ fd: 3 }), {
  frame: (_kind, chunk, start, end) => {
    if (agent === null) early.push(() => agent?.fromDriver(chunk, start, end));
    else agent.fromDriver(chunk, start, end);
  },
  closed: () => stop("the driver ended"),
});

/** Workers are reaped first: where nobody adopts orphans, they would stay as zombies. */
function stop(reason: string): void {
  const exit = (): void => process.exit(0);
  if (agent === null) return exit();
  agent.stop(reason).then(exit, exit);
  setTimeout(exit, reapMs);
}
process.on("SIGTERM", () => stop("the agent was asked to end"));

void publish(storeServer).then(async ({ path }) => {
  store.admit(driverNumber, options.secret);
  if (options.bootPage !== "") {
    const page = host.sharedPages?.open(options.bootPage, bootPageBytes);
    if (page !== undefined) writeBootPage(page.memory, process.pid, path);
  }
  agent = new Agent(options, driver, store, path);
  agent.start();
  for (const message of early.splice(0)) message();
  process.title = await serveControl(agent);
});
