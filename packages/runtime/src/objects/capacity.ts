import fs from "node:fs";
import os from "node:os";

const share = 0.3;
const mebibyte = 1024 * 1024;

type ReadText = (file: string) => string | undefined;

/** Bytes of memory this process may use: the least that its control groups allow, or what the machine has. */
export function memoryLimitBytes(readText: ReadText = readIfThere): number {
  let limit = os.totalmem();
  for (const file of limitFiles(readText("/proc/self/cgroup") ?? "")) {
    const bytes = Number(readText(file)?.trim());
    if (Number.isFinite(bytes) && bytes > 0) limit = Math.min(limit, bytes); // "max" is no number
  }
  return limit;
}

/** The limits of this process's control group and of all above it, version 2 and 1. */
function limitFiles(groups: string): string[] {
  const files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
  for (const line of groups.split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):\/(.+)$/.exec(line) ?? [];
    if (group === undefined || (controllers !== "" && !controllers.split(",").includes("memory"))) continue;
    const names = group.split("/");
    for (let depth = names.length; depth > 0; depth--) {
      const path = names.slice(0, depth).join("/");
      if (controllers === "") files.push(`/sys/fs/cgroup/${path}/memory.max`);
      else files.push(`/sys/fs/cgroup/memory/${path}/memory.limit_in_bytes`);
    }
  }
  return files;
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
