/** A cluster of several nodes on this machine, started as a user would: by `iono start`, once for each. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export interface Cluster {
  address: string;
  token: string;
  /** Ends all of it. */
  stop(): Promise<void>;
}

interface Started {
  address: string;
  token: string;
}

/** Room for the training set in each node, and more. */
const objectStore = "512MiB";

/** Starts a head and `count - 1` nodes that join it; together they have the CPUs of this machine. */
export async function startNodes(count: number): Promise<Cluster> {
  const cpus = String(Math.max(1, Math.floor(availableParallelism() / count)));
  const children: ChildProcess[] = [];
  // Also when this program fails.
  process.once("exit", () => children.forEach((child) => child.kill("SIGTERM")));
  const start = (name: string, ...flags: string[]): Promise<Started> => {
    const child = spawnIono("start", "--cpus", cpus, "--object-store", objectStore, "--name", name, ...flags);
    children.push(child);
    return firstLine(child, name);
  };
  const stop = async (): Promise<void> => {
    // The head last: the others take their leave of it.
    for (const child of children.splice(0).toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
  };
  try {
    const { address, token } = await start("node-1", "--head", "--port", "0");
    const others = Array.from({ length: count - 1 }, (_, i) =>
      start(`node-${i + 2}`, "--address", address, "--token", token),
    );
    await Promise.all(others);
    return { address, token, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In the foreground, so that it ends with this program. */
function spawnIono(...args: string[]): ChildProcess {
  const library = import.meta.resolve("iono");
  const cli = new URL(library.endsWith(".ts") ? "./cli/main.ts" : "./cli.js", library);
  const command = [...process.execArgv, fileURLToPath(cli), ...args, "--foreground", "--json"];
  return spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
}

/** What `iono start --json` prints when the node is up. */
async function firstLine(child: ChildProcess, name: string): Promise<Started> {
  const lines = createInterface({ input: child.stdout as Readable });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${name} did not start (exit code ${code})`);
  });
  const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
  ended.catch(() => {}); // Its end, later on, is wanted.
  return JSON.parse(line) as Started;
}
