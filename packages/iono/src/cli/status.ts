/** `iono status`: this user's running programs, with their resources and what waits for them. */
import type { CommandModule } from "yargs";
import { findAgents } from "./agents.ts";
import { requestStatus } from "./control-client.ts";
import { formatAmount, formatBytes, formatDuration, formatTable } from "./format.ts";
import type { Amounts, NodeStatus, ProgramStatus } from "./status-reply.ts";

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

function shapeText(shape: Amounts): string {
  const parts = Object.entries(shape).map(
    ([resource, amount]) => `${resource}: ${formatAmount(resource, amount)}`,
  );
  return `{ ${parts.join(", ")} }`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function nodeRows(node: NodeStatus): string[][] {
  const { total, available } = node.resources;
  const used = Object.entries(total).map(([resource, amount]) => {
    const taken = amount - (available[resource] ?? 0);
    return `${resource} ${formatAmount(resource, taken)} of ${formatAmount(resource, amount)} in use`;
  });
  return [
    [
      "  node",
      `${node.id}: ${[...used, plural(node.workers, "worker"), plural(node.actors, "actor")].join(", ")}`,
    ],
    ...node.demand.map(({ shape, count }) => ["  waiting", `${count} × ${shapeText(shape)}`]),
  ];
}

function programRows(program: ProgramStatus, nowMs: number): string[][] {
  const { store } = program;
  const spilled = store.spilledBytes > 0 ? `, ${formatBytes(store.spilledBytes)} spilled to disk` : "";
  const versions = Object.entries(program.versions).map(([name, version]) => `${name} ${version}`);
  return [
    [program.program, `pid ${program.driverPid}, running for ${formatDuration(nowMs - program.startedAtMs)}`],
    ...program.nodes.flatMap(nodeRows),
    ["  objects", `${formatBytes(store.usedBytes)} of ${formatBytes(store.capacityBytes)} in use${spilled}`],
    ["  versions", versions.join(", ")],
  ];
}

/** The report as text for people. */
export function formatStatus(report: StatusReport, nowMs: number): string {
  const blocks = report.programs.map((program) => {
    const [[title, summary], ...rows] = programRows(program, nowMs);
    return `${title} (${summary})\n${formatTable(rows)}`;
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
