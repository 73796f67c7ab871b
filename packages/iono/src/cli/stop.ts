/** `iono stop`: ends the nodes (and heads) of this user on this machine. */
import { IonoError } from "@iono/core";
import type { CommandModule } from "yargs";
import { findProcesses, type FoundAgent } from "./agents.ts";
import { ask, requestSupervisor } from "./control-client.ts";
import { printFailure } from "./failure.ts";
import { plural } from "./format.ts";

interface StopOptions {
  readonly names?: readonly string[];
  readonly json: boolean;
  readonly timeout: number;
}

interface Found extends FoundAgent {
  /** "" when it did not say. */
  readonly name: string;
  readonly trouble: string;
}

interface Stopped {
  readonly pid: number;
  readonly name: string;
  /** "" when it ended in time. */
  readonly trouble: string;
}

export const stopCommand: CommandModule<object, StopOptions> = {
  command: "stop [names..]",
  describe: "End the nodes that run on this machine, and with the head's the cluster",
  builder: (yargs) =>
    yargs
      .positional("names", { type: "string", array: true, describe: "Of the nodes to end [all of yours]" })
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .option("timeout", {
        type: "number",
        default: 15_000,
        describe: "Milliseconds to wait for them to end",
      })
      .check(({ timeout }) => {
        if (Number.isFinite(timeout) && timeout > 0) return true;
        throw new Error(`--timeout is ${timeout}, expected milliseconds above 0`);
      })
      .example("$0 stop", "end what `iono start` has started here")
      .example("$0 stop gpu1", "end one node of several; `iono status` shows their names"),
  handler: async ({ names = [], json, timeout }) => {
    try {
      const stopped = await stopNodes(names, timeout);
      if (json) console.log(JSON.stringify({ stopped }));
      else if (stopped.length === 0) console.log("No node of yours is running on this machine.");
      else {
        for (const { pid, name, trouble } of stopped)
          console.log(
            trouble === "" ? `Stopped node ${name} (pid ${pid}).` : `Node ${name} (pid ${pid}): ${trouble}`,
          );
        if (stopped.length > 1) console.log(`${plural(stopped.length, "node")} in all.`);
      }
      if (stopped.some(({ trouble }) => trouble !== "")) process.exitCode = 1;
    } catch (error) {
      printFailure(error, json);
    }
  },
};

/** @throws IonoError BadOption when no node has one of the names. */
async function stopNodes(names: readonly string[], timeoutMs: number): Promise<Stopped[]> {
  const found = await Promise.all(
    findProcesses("supervisor").map(async (each): Promise<Found> => {
      try {
        const { name } = await requestSupervisor({ controlPath: each.controlPath, timeoutMs });
        return { ...each, name, trouble: "" };
      } catch (error) {
        return { ...each, name: "", trouble: (error as Error).message };
      }
    }),
  );
  for (const name of names) {
    if (found.some((each) => each.name === name)) continue;
    const known = found.map((each) => each.name).filter((each) => each !== "");
    const which = known.length === 0 ? "none of yours runs here" : `there are ${known.join(", ")}`;
    throw new IonoError("BadOption", `no node named "${name}" runs on this machine; ${which}`);
  }
  const chosen = names.length === 0 ? found : found.filter(({ name }) => names.includes(name));
  return Promise.all(chosen.map((each) => stop(each, timeoutMs)));
}

async function stop({ pid, controlPath, name, trouble }: Found, timeoutMs: number): Promise<Stopped> {
  if (trouble !== "") return { pid, name, trouble };
  try {
    await ask({ controlPath, timeoutMs }, { kind: "stop" });
  } catch (error) {
    return { pid, name, trouble: (error as Error).message };
  }
  const until = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() > until) return { pid, name, trouble: `it has not ended within ${timeoutMs} ms` };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { pid, name, trouble: "" };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
