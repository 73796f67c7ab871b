/** What `/proc` says of a process and all its descendants. */
import { readdirSync, readFileSync } from "node:fs";

/** The pid and those of its living descendants. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? parentOf(pid) : undefined;
    if (parent === undefined) continue;
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? [])); // grows while it is walked
  return tree;
}

/** Proportional set size: private pages, and of shared pages this process's share. */
export function pssBytes(pid: number): number {
  const kilobytes = /^Pss: +(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1] ?? "0";
  return 1024 * Number(kilobytes);
}

/** The part of `pssBytes` that is shared memory: of iono, pages of the store's segment, which stay warm for the next object. */
export function sharedMemoryBytes(pid: number): number {
  const kilobytes = /^Pss_Shmem: +(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1] ?? "0";
  return 1024 * Number(kilobytes);
}

/** User and system CPU time, in microseconds, to the tick of 10 ms. */
export function cpuMicros(pid: number): number {
  const fields = statFields(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Open file descriptors, and lines of the memory map. */
export function handles(pid: number): { descriptors: number; mappings: number } {
  return {
    descriptors: entries(`/proc/${pid}/fd`),
    mappings: (read(`/proc/${pid}/maps`) ?? "").split("\n").length - 1,
  };
}

function parentOf(pid: number): number | undefined {
  const parent = statFields(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** The fields of `/proc/<pid>/stat` from the third (state) on: the second, the name, may hold anything. */
function statFields(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function entries(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0; // it has ended meanwhile
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // it has ended meanwhile
  }
}
