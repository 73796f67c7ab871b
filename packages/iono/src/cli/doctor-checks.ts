/** Judges what `doctor-facts.ts` read: what is fine, what will hurt, and what to do about it. */
import { formatSize } from "@iono/core";
import type { Facts } from "./doctor-facts.ts";

export interface Check {
  readonly name: string;
  /** "bad": iono will not work, or not as documented. "warn": it works until more is asked of it. */
  readonly state: "ok" | "warn" | "bad";
  readonly found: string;
  /** What to do; present unless the state is "ok". */
  readonly advice?: string;
}

const gibibyte = 1024 ** 3;

function versionAtLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(".").map(Number));
  const at = want.findIndex((part, index) => (have[index] ?? 0) !== part);
  return at < 0 || (have[at] ?? 0) > want[at];
}

function nodeCheck({ node }: Facts): Check {
  const name = "Node.js";
  if (!versionAtLeast(node, "22.15")) {
    return { name, state: "bad", found: node, advice: "Install Node.js 24, or 22.15 and later." };
  }
  if (!versionAtLeast(node, "22.18")) {
    const advice = "Install Node.js 24: before 22.18 a .ts program needs --experimental-strip-types.";
    return { name, state: "warn", found: node, advice };
  }
  return { name, state: "ok", found: node };
}

function versionsCheck({ versions }: Facts): Check {
  const found = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  if (new Set(Object.values(versions)).size === 1) return { name: "iono", state: "ok", found };
  return {
    name: "iono",
    state: "bad",
    found,
    advice: "Install iono again: its packages must have one version.",
  };
}

function systemCheck({ platform, arch, kernel, glibc }: Facts): Check {
  const found = `${platform} ${arch}, kernel ${kernel}${glibc ? `, glibc ${glibc}` : ""}`;
  const name = "System";
  if (platform !== "linux") {
    return {
      name,
      state: "warn",
      found,
      advice: "Linux is the supported system; elsewhere objects are copied.",
    };
  }
  if (!["x64", "arm64"].includes(arch)) {
    return { name, state: "bad", found, advice: "Use an x64 or arm64 machine." };
  }
  if (glibc === undefined) {
    return {
      name,
      state: "bad",
      found,
      advice: "Use a distribution with glibc (Alpine's musl is not supported).",
    };
  }
  return { name, state: "ok", found };
}

function cpuCheck({ cpus: { usable, quota } }: Facts): Check {
  const name = "CPUs";
  const found =
    quota === undefined ? `${usable}` : `${usable}, of which the cgroup allows ${Number(quota.toFixed(2))}`;
  if ((quota ?? usable) < 1) {
    return {
      name,
      state: "warn",
      found,
      advice: "Allow the container at least one CPU; less slows every task.",
    };
  }
  return { name, state: "ok", found };
}

function memoryCheck({ memory: { totalBytes, limitBytes, availableBytes } }: Facts): Check {
  const name = "Memory";
  const limit = limitBytes === undefined ? "" : `, limited to ${formatSize(limitBytes)} by the cgroup`;
  const found = `${formatSize(totalBytes)}${limit}, ${formatSize(availableBytes)} available`;
  if (availableBytes < gibibyte) {
    const advice = "Free memory or raise the limit, or lower objectStore in init().";
    return { name, state: "warn", found, advice };
  }
  return { name, state: "ok", found };
}

function openFilesCheck({ openFiles: { soft, hard } }: Facts): Check {
  const name = "Open files";
  const found = `${soft ?? "unlimited"} (at most ${hard ?? "unlimited"})`;
  if ((soft ?? Infinity) < 4096) {
    return {
      name,
      state: "warn",
      found,
      advice: "Run `ulimit -n 65536` before the program, or raise the limit.",
    };
  }
  return { name, state: "ok", found };
}

function processesCheck({ processes: { limit } }: Facts): Check {
  const name = "Processes";
  const found = limit === undefined ? "unlimited" : `at most ${limit}`;
  if ((limit ?? Infinity) < 512) {
    const advice =
      "Raise the limit (`ulimit -u`, or the container's pids limit): each worker has a dozen threads.";
    return { name, state: "warn", found, advice };
  }
  return { name, state: "ok", found };
}

function mappingsCheck({ mappings }: Facts): Check {
  const name = "Memory mappings";
  const found = mappings === undefined ? "no limit known" : `at most ${mappings} a process`;
  if ((mappings ?? Infinity) < 65_530) {
    const advice = "Run `sysctl vm.max_map_count=262144`: each large object that is held is a mapping.";
    return { name, state: "warn", found, advice };
  }
  return { name, state: "ok", found };
}

function nativeCheck({ koffi, platform, arch }: Facts): Check {
  const name = "Native calls";
  if (koffi.error === undefined) return { name, state: "ok", found: "koffi loads" };
  const advice = `Install iono again on this machine: koffi's binary for ${platform}-${arch} is missing.`;
  return { name, state: "bad", found: koffi.error, advice };
}

function segmentsCheck({ memfd, sharedMemory }: Facts): Check {
  const name = "Shared memory";
  const shm = sharedMemory ? `/dev/shm has ${formatSize(sharedMemory.freeBytes)} free` : "no /dev/shm";
  if (memfd.error === undefined) return { name, state: "ok", found: `memfd works; ${shm} (not needed)` };
  const found = `memfd: ${memfd.error}; ${shm}`;
  if (sharedMemory && sharedMemory.freeBytes >= gibibyte) {
    const advice =
      "Objects go to files in /dev/shm instead; allow memfd_create (seccomp) to have them in memfds.";
    return { name, state: "warn", found, advice };
  }
  const advice =
    "Allow memfd_create (seccomp), or give the container a larger /dev/shm (docker: --shm-size=4g).";
  return { name, state: "bad", found, advice };
}

function temporaryCheck({ temporary: { path, freeBytes, error } }: Facts): Check {
  const name = "Temporary files";
  if (error !== undefined) {
    return {
      name,
      state: "bad",
      found: `${path}: ${error}`,
      advice: "Set TMPDIR to a directory you can write.",
    };
  }
  const found = `${path}, ${formatSize(freeBytes)} free`;
  // A Unix socket's path has 107 bytes, and ours adds up to 20 to the directory.
  if (Buffer.byteLength(path) > 87) {
    return { name, state: "bad", found, advice: "Set TMPDIR to a shorter path: sockets are made there." };
  }
  if (freeBytes < gibibyte) {
    return {
      name,
      state: "warn",
      found,
      advice: "Free disk space, or set spillDir in init() to a larger disk.",
    };
  }
  return { name, state: "ok", found };
}

function gpuCheck({ gpus }: Facts): Check {
  return {
    name: "GPUs",
    state: "ok",
    found: gpus.length > 0 ? gpus.join(", ") : "none (nvidia-smi finds none)",
  };
}

const checks = [
  nodeCheck,
  versionsCheck,
  systemCheck,
  cpuCheck,
  memoryCheck,
  gpuCheck,
  openFilesCheck,
  processesCheck,
  mappingsCheck,
  nativeCheck,
  segmentsCheck,
  temporaryCheck,
];

/** One row a check, in the order people should read them. */
export function judge(facts: Facts): Check[] {
  return checks.map((check) => check(facts));
}
