/** `iono stop`: ends the nodes (and heads) of this user on this machine. */
import type { CommandModule } from "yargs";
import { findProcesses } from "./agents.ts";
import { ask } from "./control-client.ts";
import { plural } from "./format.ts";

interface StopOptions {
  readonly json: boolean;
  readonly timeout: number;
}

interface Stopped {
  readonly pid: number;
  readonly name: string;
  /** "" when it ended in time. */
  readonly trouble: string;
}

export const stopCommand: CommandModule<object, StopOptions> = {
  command: "stop",
  describe: "End the nodes and the head that run on this machine",
  builder: (yargs) =>
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .option("timeout", {
        type: "number",
        default: 15_000,
        describe: "Milliseconds to wait for them to end",
      })
      .example("$0 stop", "end what `iono start` has started here"),
  handler: async ({ json, timeout }) => {
    const stopped = await Promise.all(findProcesses("supervisor").map((each) => stop(each, timeout)));
    if (json) console.log(JSON.stringify({ stopped }));
    else if (stopped.length === 0) console.log("No node of yours is running on this machine.");
    else {
      for (const { pid, name, trouble } of stopped)
        console.log(
          trouble === "" ? `Stopped node ${name} (pid ${pid}).` : `Node ${name} (pid ${pid}): ${trouble}`,
        );
      console.log(`${plural(stopped.length, "node")} in all.`);
    }
    if (stopped.some(({ trouble }) => trouble !== "")) process.exitCode = 1;
  },
};

async function stop(
  { pid, controlPath }: { pid: number; controlPath: string },
  timeoutMs: number,
): Promise<Stopped> {
  let name = "?";
  try {
    const status = (await ask({ controlPath, timeoutMs }, { kind: "status" })) as { name?: string };
    name = status.name ?? name;
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
