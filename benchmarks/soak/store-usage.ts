/** Asks the node agent of this program how full its object store is. */
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { text } from "node:stream/consumers";
import { processTree } from "../outside/process-tree.ts";

/** Bytes in use and spilled. */
export interface StoreUsage {
  usedBytes: number;
  spilledBytes: number;
}

/** @throws when no agent among this process's descendants answers */
export async function storeUsage(): Promise<StoreUsage> {
  const socket = createConnection(controlPath());
  socket.setTimeout(10_000, () => socket.destroy(new Error("the agent did not answer within 10 s")));
  socket.end('{"kind":"status"}\n');
  const reply = JSON.parse(await text(socket)) as { store: StoreUsage };
  return reply.store;
}

/** An agent's process title says where it listens. */
function controlPath(): string {
  for (const pid of processTree(process.pid)) {
    const title = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    const path = /^iono agent .*\bcontrol=(\S+)/.exec(title)?.[1];
    if (path !== undefined) return path;
  }
  throw new Error("this program has no agent");
}
