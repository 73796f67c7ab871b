/** The program of a driver, as others need to know it. */
import { processNumber, type JobInfo } from "@iono/core";
import { hostId } from "./host-id.ts";
import { portableFlags } from "../code/portable-flags.ts";
import type { AgentOptions } from "./options.ts";

export function jobOf({ driver, version, worker }: AgentOptions, node: number, root: string): JobInfo | null {
  if (driver === null) return null;
  return {
    job: processNumber(node, 1),
    seed: driver.job,
    entry: driver.entry,
    namespace: driver.namespace,
    hostId: node === 0 ? "" : hostId(),
    root,
    flags: node === 0 ? [] : portableFlags(worker.execArgv).flags,
    version: version,
    program: driver.program,
  };
}
