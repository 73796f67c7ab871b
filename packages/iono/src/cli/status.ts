/** `iono status`: this user's clusters and running programs, with their resources and what waits for them. */
import type { CommandModule } from "yargs";
import { collectStatus } from "./status-collect.ts";
import { formatStatus } from "./status-text.ts";

interface StatusOptions {
  readonly json: boolean;
  /** Milliseconds to wait for each answer. */
  readonly timeout: number;
}

export const statusCommand: CommandModule<object, StatusOptions> = {
  command: "status",
  describe: "Show your clusters and running programs, their resources and what waits for them",
  builder: (yargs) =>
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .option("timeout", { type: "number", default: 3000, describe: "Milliseconds to wait for each answer" })
      .check(({ timeout }) => {
        if (Number.isFinite(timeout) && timeout > 0) return true;
        throw new Error(`--timeout is ${timeout}, expected milliseconds above 0`);
      })
      .example("$0 status", "a table of what runs")
      .example("$0 status --json | jq .clusters[].nodes", "the nodes of each cluster"),
  handler: async ({ json, timeout }) => {
    const report = await collectStatus(timeout);
    console.log(json ? JSON.stringify(report, null, 2) : formatStatus(report, Date.now()));
    if (report.silent.length > 0) process.exitCode = 1;
  },
};
