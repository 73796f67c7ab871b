/** What agent processes have in common: their store, and how they end. */
import * as net from "node:net";
import { StoreServer, storeSpillDirs } from "../objects/index.ts";
import { platform } from "../platform/index.ts";
import type { Agent } from "./agent.ts";
import type { AgentOptions } from "./options.ts";

/** How long the ends of killed workers, and last words to other nodes, may take. */
const reapMs = 500;
const leaveMs = 1500;

export function openStore(
  options: AgentOptions,
  node: number,
  onPressure: () => void,
): { store: StoreServer; server: net.Server } {
  const store = new StoreServer({
    node,
    platform: platform(),
    capacityBytes: options.objectStoreBytes,
    spillDirs: storeSpillDirs(options.spillDir),
    onPressure,
    onWarning: (message) => process.stderr.write(`iono: ${message}\n`),
  });
  return { store, server: net.createServer((socket) => store.accept(socket)) };
}

/** Ends this process once its workers are reaped: where nobody adopts orphans, they would stay as zombies. */
export function endsInOrder(agent: () => Agent | null, inCluster = false): (reason: string) => void {
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});
  const stop = (reason: string): void => {
    const exit = (): void => process.exit(0);
    const running = agent();
    if (running === null) return exit();
    running.stop(reason).then(exit, exit);
    setTimeout(exit, inCluster ? leaveMs : reapMs);
  };
  process.on("SIGTERM", () => stop("the agent was asked to end"));
  return stop;
}
