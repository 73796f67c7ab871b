/** The machine a table was made on. */
import { execFileSync } from "node:child_process";
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";

/** Enough to tell which tables may be compared. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  iono: string;
  /** Python and Ray; absent when Ray was not run. */
  python?: string;
  ray?: string;
  /** ISO 8601, UTC. */
  date: string;
  /** Load average of the last minute before the start: near 0 on a machine that is left alone. */
  loadBefore: number;
  commit?: string;
}

/** Looks at this machine, before anything is run on it. */
export function describeMachine(versions: { iono: string; python?: string; ray?: string }): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? arch(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    ...versions,
    date: new Date().toISOString(),
    loadBefore: Number(loadavg()[0].toFixed(2)),
    commit: commit(),
  };
}

/** `2x-intel-xeon`: what is told of a machine in a file's name. */
export function hostKind({ cpu, cores }: Machine): string {
  const words = cpu.replace(/\(R\)|\(TM\)|\bCPU\b|\bProcessor\b|@.*$/gi, " ").toLowerCase();
  const slug = words.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return `${cores}x-${slug}`;
}

function commit(): string | undefined {
  try {
    const options = { cwd: import.meta.dirname, encoding: "utf8" } as const;
    const hash = execFileSync("git", ["rev-parse", "--short", "HEAD"], options).trim();
    const isClean =
      execFileSync("git", ["status", "--porcelain", "--untracked-files=no"], options).trim() === "";
    return isClean ? hash : `${hash} with changes`;
  } catch {
    return undefined; // not a clone
  }
}
