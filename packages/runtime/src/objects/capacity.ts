import fs from "node:fs";
import os from "node:os";

const share = 0.3;
const mebibyte = 1024 * 1024;

/** Files that say how much memory this container may use: cgroup v2, then v1. */
const limitFiles = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** Bytes of memory this process may use: the container's limit, or what the machine has. */
export function memoryLimitBytes(readText: (file: string) => string | undefined = readIfThere): number {
  let limit = os.totalmem();
  for (const file of limitFiles) {
    const bytes = Number(readText(file)?.trim());
    if (Number.isFinite(bytes) && bytes > 0) limit = Math.min(limit, bytes); // "max" is no number
  }
  return limit;
}

/** How large the object store of this machine may become: 30 % of the memory, or what is configured if that is less. */
export function storeCapacityBytes(
  configuredBytes?: number,
  limitBytes: number = memoryLimitBytes(),
): number {
  const most = Math.max(mebibyte, Math.floor(limitBytes * share));
  return Math.max(mebibyte, Math.min(most, configuredBytes ?? most));
}

function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
