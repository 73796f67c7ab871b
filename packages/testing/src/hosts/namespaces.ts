/**
 * Network namespaces of tests, by name: `<run>.<pid>.<set>.<host>`, where `run` is the id of the test run and `pid` the
 * process that made it. Whoever finds one knows whether anybody still needs it.
 */
import { readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runVariable } from "../leaks-run.ts";
import { namespacesDirectory, runSync } from "./commands.ts";

/** Of the directories of hosts; the pid of who made them follows. */
export const directoryPrefix = "iono-h-";
/** Taken for the run's id outside test runs. */
const noRun = "iono-t-none";
const pattern = /^(iono-t-[A-Za-z0-9]+|probe-\d+)\.(\d+)\.\d+\.[a-z0-9-]+$/;

export function namespaceName(set: number, host: string): string {
  return `${process.env[runVariable] ?? noRun}.${process.pid}.${set}.${host}`;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // No namespaces, or no such system.
  }
}

/** Every namespace that a test of iono made. */
function testNamespaces(): { name: string; run: string; pid: number }[] {
  return namesIn(namespacesDirectory).flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [{ name, run: match[1], pid: Number(match[2]) }];
  });
}

/** Names of the namespaces that the run `run` has left. */
export function leakedNamespaces(run: string): string[] {
  return testNamespaces()
    .filter((namespace) => namespace.run === run)
    .map(({ name }) => name);
}

/** Ids of the processes in a namespace, whoever started them. */
export function processesIn(namespace: string): number[] {
  let inode: number;
  try {
    inode = statSync(join(namespacesDirectory, namespace)).ino;
  } catch {
    return []; // It is gone.
  }
  const wanted = `net:[${inode}]`;
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === wanted;
      } catch {
        return false; // It ended meanwhile.
      }
    })
    .map(Number);
}

/** Sends a signal to every process of a namespace; how many there were. */
export function signalAll(namespace: string, signal: NodeJS.Signals): number {
  const pids = processesIn(namespace);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
  return pids.length;
}

const mostRounds = 20;

/** Kills what runs in a namespace and deletes it, with every device in it. Harmless when it is gone already. */
export function removeNamespace(namespace: string): void {
  // One that forks while it is looked for is found in the next round.
  for (let round = 0; round < mostRounds && signalAll(namespace, "SIGKILL") > 0; round++);
  if (!namesIn(namespacesDirectory).includes(namespace)) return;
  const { ok, said } = runSync("ip", ["netns", "del", namespace]);
  if (!ok && namesIn(namespacesDirectory).includes(namespace))
    throw new Error(`the namespace ${namespace} cannot be removed: ${said}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes what processes have left that were killed before they could. */
export function removeAbandoned(): void {
  for (const { name, pid } of testNamespaces()) if (!isAlive(pid)) removeNamespace(name);
  for (const name of namesIn(tmpdir())) {
    const pid = name.startsWith(directoryPrefix)
      ? Number.parseInt(name.slice(directoryPrefix.length), 10)
      : NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
