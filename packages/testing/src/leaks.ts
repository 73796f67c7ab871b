/**
 * What a test run leaves behind: processes and what they listen on, temporary files, shared memory, network namespaces.
 *
 * Every run has an id, which its children inherit in the environment (`IONO_TEST_RUN`), so that runs side by
 * side on one machine do not see each other. Linux only: elsewhere nothing is found.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { leakedNamespaces } from "./hosts/namespaces.ts";
import { fileVariable, runVariable } from "./leaks-run.ts";
import { listeningSockets } from "./leaks-sockets.ts";

export interface LeakedProcess {
  readonly pid: number;
  /** Its title, or its command line with spaces between the arguments. */
  readonly title: string;
  /** The test file it comes from, when it is known. */
  readonly testFile: string | undefined;
  /** `address:port` of the TCP sockets that it listens on. */
  readonly listensOn: readonly string[];
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended meanwhile, or it is not ours to read.
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function allPids(): number[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function titleOf(pid: number): string {
  return readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function environmentOf(pid: number): Map<string, string> {
  const entries = readOrEmpty(`/proc/${pid}/environ`).split("\0");
  return new Map(entries.map((entry) => [entry.split("=", 1)[0], entry.slice(entry.indexOf("=") + 1)]));
}

/** True for the processes of the test runner itself, which carry the id too. */
function belongsToTheRunner(title: string): boolean {
  return /[\\/](vitest|esbuild|rolldown)[\\/]/.test(title) || title.startsWith("node (vitest");
}

/** Every living process of the run `runId` but the test runner's own and this one. */
export function leakedProcesses(runId: string): LeakedProcess[] {
  const found: LeakedProcess[] = [];
  for (const pid of allPids()) {
    if (pid === process.pid) continue;
    const environment = environmentOf(pid);
    if (environment.get(runVariable) !== runId) continue;
    const title = titleOf(pid);
    if (title === "" || belongsToTheRunner(title)) continue;
    found.push({ pid, title, testFile: environment.get(fileVariable), listensOn: listeningSockets(pid) });
  }
  return found;
}

/** Sockets, directories and files of iono in `directory`, by absolute path. */
export function leakedFiles(directory: string): string[] {
  return namesIn(directory)
    .filter((name) => /^\.?iono/.test(name))
    .map((name) => join(directory, name));
}

/** Files of iono in /dev/shm that this user has. */
export function sharedMemoryFiles(directory = "/dev/shm"): string[] {
  const uid = process.getuid?.();
  return leakedFiles(directory).filter((path) => {
    try {
      return statSync(path).uid === uid;
    } catch {
      return false;
    }
  });
}

/** Those of `paths` that no living process has open: somebody else's run, on the same machine, still uses the others. */
export function abandoned(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const open = new Set<string>();
  for (const pid of allPids()) {
    for (const descriptor of namesIn(`/proc/${pid}/fd`)) {
      try {
        open.add(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      } catch {
        // Closed meanwhile.
      }
    }
    for (const line of readOrEmpty(`/proc/${pid}/maps`).split("\n")) {
      const start = line.indexOf("/");
      if (start >= 0) open.add(line.slice(start));
    }
  }
  return paths.filter((path) => !open.has(path));
}

export interface LeakSearch {
  readonly runId: string;
  /** The directory that was the run's `TMPDIR`. */
  readonly temporaryDirectory: string;
  /** What /dev/shm held before the run. */
  readonly sharedMemoryBefore: readonly string[];
}

export interface Leaks {
  readonly processes: readonly LeakedProcess[];
  readonly files: readonly string[];
  readonly sharedMemory: readonly string[];
  readonly namespaces: readonly string[];
}

export function findLeaks(search: LeakSearch): Leaks {
  const before = new Set(search.sharedMemoryBefore);
  return {
    processes: leakedProcesses(search.runId),
    files: leakedFiles(search.temporaryDirectory),
    sharedMemory: abandoned(sharedMemoryFiles().filter((path) => !before.has(path))),
    namespaces: leakedNamespaces(search.runId),
  };
}

/** One line a leak; no lines when there are none. */
export function describeLeaks(leaks: Leaks): string[] {
  return [
    ...leaks.processes.map(
      ({ pid, title, testFile, listensOn }) =>
        `process ${pid} is alive${testFile ? ` (from ${testFile})` : ""}` +
        `${listensOn.length > 0 ? `, listening on ${listensOn.join(", ")}` : ""}: ${title}`,
    ),
    ...leaks.files.map((path) => `left in the temporary directory: ${path}`),
    ...leaks.sharedMemory.map((path) => `left in shared memory: ${path}`),
    ...leaks.namespaces.map((name) => `network namespace left: ${name}`),
  ];
}
