/** What `iono doctor` reads from this machine. It only reads; `doctor-checks.ts` judges. */
import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installedVersions } from "./versions.ts";

export interface Space {
  readonly path: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** Numbers are undefined where the system does not tell or sets no limit; `error` fields are undefined when all is well. */
export interface Facts {
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  readonly kernel: string;
  /** undefined with another C library than glibc. */
  readonly glibc: string | undefined;
  readonly versions: Readonly<Record<string, string>>;
  readonly cpus: { readonly usable: number; readonly quota: number | undefined };
  readonly memory: {
    readonly totalBytes: number;
    readonly limitBytes: number | undefined;
    readonly availableBytes: number;
  };
  readonly openFiles: { readonly soft: number | undefined; readonly hard: number | undefined };
  readonly processes: { readonly limit: number | undefined };
  readonly mappings: number | undefined;
  readonly sharedMemory: Space | undefined;
  readonly temporary: Space & { readonly error: string | undefined };
  readonly koffi: { readonly error: string | undefined };
  readonly memfd: { readonly error: string | undefined };
  /** Names of the GPUs; empty without any or without nvidia-smi. */
  readonly gpus: readonly string[];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0];
}

/** "max", "unlimited" and the like become undefined. */
function limitFrom(text: string | undefined): number | undefined {
  const value = Number(text?.trim() || Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

/** The files of this process's cgroup (v2) from the root down: each level may set a limit. */
function cgroupDirectories(): string[] {
  const line = readText("/proc/self/cgroup")
    ?.split("\n")
    .find((entry) => entry.startsWith("0::"));
  const levels = (line?.slice(3) ?? "/").split("/").filter((level) => level !== "" && level !== "..");
  return levels.map((_, at) => join("/sys/fs/cgroup", ...levels.slice(0, at + 1))).concat("/sys/fs/cgroup");
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** CPUs' worth of time that the cgroup allows (v2, then v1). */
function cpuQuota(): number | undefined {
  const quotas = cgroupDirectories().map((directory) => {
    const [quota, period] = readText(join(directory, "cpu.max"))?.trim().split(" ") ?? [];
    const limit = limitFrom(quota);
    return limit === undefined ? undefined : limit / Number(period);
  });
  const quotaV1 = limitFrom(readText("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
  const periodV1 = limitFrom(readText("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
  return smallest([...quotas, quotaV1 && quotaV1 > 0 && periodV1 ? quotaV1 / periodV1 : undefined]);
}

/** Bytes that the cgroup allows, when that is less than the machine has. */
function memoryLimitBytes(): number | undefined {
  const limit = smallest([
    ...cgroupDirectories().map((directory) => limitFrom(readText(join(directory, "memory.max")))),
    limitFrom(readText("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
  ]);
  return limit !== undefined && limit < totalmem() ? limit : undefined;
}

function processLimit(name: string): { soft: number | undefined; hard: number | undefined } {
  const line = readText("/proc/self/limits")
    ?.split("\n")
    .find((entry) => entry.startsWith(name));
  const [soft, hard] = line?.slice(name.length).trim().split(/\s+/) ?? [];
  return { soft: limitFrom(soft), hard: limitFrom(hard) };
}

function space(path: string): Space | undefined {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { path, totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  } catch {
    return undefined;
  }
}

function temporary(): Facts["temporary"] {
  const path = tmpdir();
  let error: string | undefined;
  try {
    rmSync(mkdtempSync(join(path, "iono-doctor-")), { recursive: true });
  } catch (cause) {
    error = messageOf(cause);
  }
  return { ...(space(path) ?? { path, totalBytes: 0, freeBytes: 0 }), error };
}

interface Library {
  func(prototype: string): (...argv: unknown[]) => number;
}

/** Makes an anonymous segment and opens it by its /proc path, as other processes would. */
function memfdError(koffi: { load(path: string | null): Library }): string | undefined {
  try {
    const create = koffi.load(null).func("int memfd_create(const char *name, unsigned int flags)");
    const descriptor = create("iono-doctor", 0);
    if (descriptor < 0) return "memfd_create is refused";
    try {
      closeSync(openSync(`/proc/${process.pid}/fd/${descriptor}`, "r+"));
    } finally {
      closeSync(descriptor);
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** koffi belongs to the runtime, so it is looked up from there. */
function native(): Pick<Facts, "koffi" | "memfd"> {
  let koffi: Parameters<typeof memfdError>[0];
  try {
    const require = createRequire(import.meta.resolve("@iono/runtime"));
    koffi = require("koffi") as typeof koffi;
  } catch (error) {
    return { koffi: { error: messageOf(error) }, memfd: { error: "not tried: koffi does not load" } };
  }
  const error = process.platform === "linux" ? memfdError(koffi) : `not on ${process.platform}`;
  return { koffi: { error: undefined }, memfd: { error } };
}

async function gpus(): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)(
      "nvidia-smi",
      ["--query-gpu=name", "--format=csv,noheader"],
      {
        timeout: 5000,
      },
    );
    return stdout.split("\n").filter((line) => line.trim() !== "");
  } catch {
    return []; // No driver, no GPU.
  }
}

interface ReportHeader {
  readonly header: { readonly glibcVersionRuntime?: string };
}

export async function collectFacts(): Promise<Facts> {
  // Without this the report looks up the names of open connections, which may take seconds.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const report = process.report.getReport() as ReportHeader;
  return {
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    kernel: release(),
    glibc: report.header.glibcVersionRuntime,
    versions: installedVersions(),
    cpus: { usable: availableParallelism(), quota: cpuQuota() },
    memory: {
      totalBytes: totalmem(),
      limitBytes: memoryLimitBytes(),
      availableBytes: process.availableMemory(),
    },
    openFiles: processLimit("Max open files"),
    processes: {
      limit: smallest([
        processLimit("Max processes").soft,
        ...cgroupDirectories().map((directory) => limitFrom(readText(join(directory, "pids.max")))),
      ]),
    },
    mappings: limitFrom(readText("/proc/sys/vm/max_map_count")),
    sharedMemory: space("/dev/shm"),
    temporary: temporary(),
    ...native(),
    gpus: await gpus(),
  };
}
