/** What this machine has, within what the process is allowed. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import type { MachineTotals } from "@iono/core";
import { memoryLimitBytes } from "../objects/index.ts";

export function machineTotals(): MachineTotals {
  return { cpus: cpuCount(), gpus: gpuCount(), memoryBytes: memoryLimitBytes() };
}

/** CPUs by affinity and by the cgroup's quota, at least one. */
function cpuCount(): number {
  const affinity = os.availableParallelism();
  const quota = quotaV2() ?? quotaV1();
  return quota === null ? affinity : Math.max(1, Math.min(affinity, Math.floor(quota)));
}

function quotaV2(): number | null {
  const [quota, period] = read("/sys/fs/cgroup/cpu.max")?.trim().split(" ") ?? [];
  return quota === undefined || quota === "max" ? null : Number(quota) / Number(period);
}

function quotaV1(): number | null {
  const quota = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") ?? -1);
  const period = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_period_us") ?? 0);
  return quota > 0 && period > 0 ? quota / period : null;
}

/** GPUs by nvidia-smi; asked only where the driver's device file exists. */
function gpuCount(): number {
  if (!fs.existsSync("/dev/nvidiactl")) return 0;
  try {
    const text = execFileSync("nvidia-smi", ["--query-gpu=index", "--format=csv,noheader"], {
      encoding: "utf8",
      timeout: 5000,
    });
    return text.split("\n").filter((line) => line.trim() !== "").length;
  } catch {
    return 0;
  }
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
