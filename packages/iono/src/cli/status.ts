/** `iono status`: this user's running programs, with their resources and what waits for them. */
import { formatDuration, formatSize, parseShapeKey, resourceAmounts } from "@iono/core";
import type { CommandModule } from "yargs";
import { findAgents } from "./agents.ts";
import { requestStatus } from "./control-client.ts";
import { formatAmount, formatTable, plural } from "./format.ts";
import type { NodeStatus, ProgramStatus } from "./status-reply.ts";

interface StatusOptions {
  readonly json: boolean;
  /** Milliseconds to wait for each answer. */
  readonly timeout: number;
}

/** An agent that runs but did not give a proper answer. */
export interface SilentAgent {
  readonly pid: number;
  readonly reason: string;
}

export interface StatusReport {
  readonly programs: readonly ProgramStatus[];
  readonly silent: readonly SilentAgent[];
}

export async function collectStatus(timeoutMs: number): Promise<StatusReport> {
  const programs: ProgramStatus[] = [];
  const silent: SilentAgent[] = [];
  await Promise.all(
    findAgents().map(async ({ pid, controlPath }) => {
      try {
        programs.push(await requestStatus({ controlPath, timeoutMs }));
      } catch (error) {
        silent.push({ pid, reason: error instanceof Error ? error.message : String(error) });
      }
    }),
  );
  return {
    programs: programs.toSorted((a, b) => a.startedAtMs - b.startedAtMs),
    silent: silent.toSorted((a, b) => a.pid - b.pid),
  };
}

/** `"CPU=1,memory=1024"` → `CPU 1, memory 1KiB`. */
function shapeText(shape: string): string {
  const amounts = Object.entries(resourceAmounts(parseShapeKey(shape)));
  if (amounts.length === 0) return "nothing but a worker";
  return amounts.map(([resource, amount]) => `${resource} ${formatAmount(resource, amount)}`).join(", ");
}

/** `["leased", "leased", "idle"]` → `2 leased, 1 idle`. */
function tally(states: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
}

function nodeRows(node: NodeStatus): string[][] {
  const { total, available } = node.resources;
  const used = Object.entries(total).map(([resource, amount]) => {
    const taken = amount - (available[resource] ?? 0);
    return `${resource} ${formatAmount(resource, taken)} of ${formatAmount(resource, amount)}`;
  });
  const states = node.workers.map(({ state, blocked }) => (blocked ? "waiting" : state));
  const counted = states.length > 0 ? `${plural(states.length, "worker")} (${tally(states)})` : "no workers";
  return [
    ["  node", `${node.id}: ${counted}`],
    ["  in use", used.join(", ")],
    ...node.actors.map(({ className, name, state }) => [
      "  actor",
      `${className}${name === "" ? "" : ` ${JSON.stringify(name)}`}, ${state}`,
    ]),
    ...node.demand.map(({ shape, count }) => ["  waiting", `${count} × ${shapeText(shape)}`]),
  ];
}

function programRows(program: ProgramStatus): string[][] {
  const { store } = program;
  const onDisk = store.diskBytes > 0 ? `, ${formatSize(store.diskBytes)} on disk` : "";
  const versions = Object.entries(program.versions).map(([name, version]) => `${name} ${version}`);
  return [
    ...program.nodes.flatMap(nodeRows),
    ["  objects", `${formatSize(store.usedBytes)} of ${formatSize(store.capacityBytes)}${onDisk}`],
    ["  versions", versions.join(", ")],
  ];
}

/** The report as text for people. */
export function formatStatus(report: StatusReport, nowMs: number): string {
  const blocks = report.programs.map((program) => {
    const age = formatDuration(nowMs - program.startedAtMs);
    return `${program.program} (pid ${program.driverPid}, running for ${age})\n${formatTable(programRows(program))}`;
  });
  blocks.push(
    ...report.silent.map(({ pid, reason }) => `The agent with pid ${pid} gave no status: ${reason}`),
  );
  return blocks.length > 0 ? blocks.join("\n\n") : "No iono program of yours is running on this machine.";
}

export const statusCommand: CommandModule<object, StatusOptions> = {
  command: "status",
  describe: "Show your running programs, their resources and what waits for them",
  builder: (yargs) =>
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .option("timeout", { type: "number", default: 2000, describe: "Milliseconds to wait for each answer" })
      .check(({ timeout }) => {
        if (Number.isFinite(timeout) && timeout > 0) return true;
        throw new Error(`--timeout is ${timeout}, expected milliseconds above 0`);
      })
      .example("$0 status", "a table of what runs")
      .example("$0 status --json | jq .programs[].nodes", "the nodes of each program"),
  handler: async ({ json, timeout }) => {
    const report = await collectStatus(timeout);
    console.log(json ? JSON.stringify(report, null, 2) : formatStatus(report, Date.now()));
    if (report.silent.length > 0) process.exitCode = 1;
  },
};
