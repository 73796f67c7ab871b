/** Finds the agents, heads and supervisors of this user on this machine: their process titles say where they listen. */
import { readdirSync, readFileSync, statSync } from "node:fs";

export type ProcessKind = "agent" | "head" | "supervisor";

export interface FoundAgent {
  readonly pid: number;
  /** Path of the Unix socket that answers status requests. */
  readonly controlPath: string;
}

/** The control socket named in a process title, or undefined when it is not of that kind. */
export function controlPathOf(title: string, kind: ProcessKind = "agent"): string | undefined {
  if (!title.startsWith(`iono ${kind} `)) return undefined;
  return /(?:^|\s)control=(\/\S+)/.exec(title)?.[1];
}

/** Sorted by pid. Empty where there is no /proc. */
export function findAgents(): FoundAgent[] {
  return findProcesses("agent");
}

/** Sorted by pid. Empty where there is no /proc. */
export function findProcesses(kind: ProcessKind): FoundAgent[] {
  const uid = process.getuid?.();
  const found: FoundAgent[] = [];
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return []; // Not Linux.
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (statSync(`/proc/${name}`).uid !== uid) continue;
      // A title takes the place of the arguments; what is left of them is filled with zeros.
      const title = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const controlPath = controlPathOf(title, kind);
      if (controlPath !== undefined) found.push({ pid: Number(name), controlPath });
    } catch {
      // It ended meanwhile.
    }
  }
  return found.toSorted((a, b) => a.pid - b.pid);
}
