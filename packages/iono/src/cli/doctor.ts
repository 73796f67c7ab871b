/** `iono doctor`: limits, memory and versions of this machine, and what to do about each. */
import type { CommandModule } from "yargs";
import { judge } from "./doctor-checks.ts";
import type { Check } from "./doctor-checks.ts";
import { collectFacts } from "./doctor-facts.ts";
import { formatTable } from "./format.ts";

interface DoctorOptions {
  readonly json: boolean;
}

const marks = { ok: "ok", warn: "WARN", bad: "BAD" } as const;

/** The checks as text for people: one line each, and below it what to do. */
export function formatChecks(rows: readonly Check[]): string {
  const lines = rows.flatMap(({ name, state, found, advice }) => [
    [marks[state], name, found],
    ...(advice === undefined ? [] : [["", "", `→ ${advice}`]]),
  ]);
  const troubled = rows.filter(({ state }) => state !== "ok").length;
  const summary = troubled === 0 ? "All is well." : `${troubled} of ${rows.length} need attention.`;
  return `${formatTable(lines)}\n\n${summary}`;
}

export const doctorCommand: CommandModule<object, DoctorOptions> = {
  command: "doctor",
  describe: "Check limits, memory and versions of this machine, and say what to do about each",
  builder: (yargs) =>
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .example("$0 doctor", "one line a check")
      .example("$0 doctor --json | jq .checks", "the same for programs"),
  handler: async ({ json }) => {
    const facts = await collectFacts();
    const rows = judge(facts);
    console.log(json ? JSON.stringify({ checks: rows, facts }, null, 2) : formatChecks(rows));
    if (rows.some(({ state }) => state === "bad")) process.exitCode = 1;
  },
};
