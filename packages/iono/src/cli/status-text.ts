/** The report of `iono status` as text for people. */
import { formatDuration, formatSize, parseShapeKey, resourceAmounts } from "@iono/core";
import { formatAmount, formatTable, plural } from "./format.ts";
import { headName } from "./status-collect.ts";
import type { ClusterReport, NodeHere, StartingNode, StatusReport } from "./status-collect.ts";
import type { ActorStatus, Demand, NodeStatus, ProgramStatus, StoreStatus } from "./status-reply.ts";

type Row = readonly [name: string, text: string];

export function formatStatus(report: StatusReport, nowMs: number): string {
  const blocks = [
    ...report.clusters.map((cluster) => clusterText(cluster, nowMs)),
    ...report.starting.map(startingText),
    ...report.programs.map((program) => programText(program, nowMs)),
    ...report.silent.map(({ pid, reason }) => `The process with pid ${pid} gave no status: ${reason}`),
  ];
  return blocks.length > 0 ? blocks.join("\n\n") : "No iono program of yours is running on this machine.";
}

function clusterText(cluster: ClusterReport, nowMs: number): string {
  const here = new Map(cluster.here.map((each) => [each.node, each]));
  const rows: Row[] = [
    ...cluster.nodes.flatMap((node) => nodeRows(node, here.get(node.id), nowMs)),
    ...cluster.actors.map(actorRow),
    ...cluster.unplaced.map((demand): Row => ["waiting", `${demandText(demand)}, which no node can hold`]),
    ...cluster.silent.map((name): Row => ["silent", `${name} has not answered in time`]),
    ["versions", versionsText(cluster.versions)],
  ];
  const count = plural(
    cluster.nodes.length + cluster.silent.filter((name) => name !== headName).length,
    "node",
  );
  return `Cluster at ${cluster.address}, ${count}\n${table(rows)}`;
}

function startingText({ pid, name, address, isHead, trouble }: StartingNode): string {
  const what = `${isHead ? "The head's node" : "A node"}${name === "" ? "" : ` ${name}`}`;
  const where = address === "" ? "" : ` of the cluster at ${address}`;
  return `${what}${where} is being started (supervisor's pid ${pid})${trouble === "" ? "" : `: ${trouble}`}`;
}

function programText(program: ProgramStatus, nowMs: number): string {
  const { cluster } = program;
  const age = formatDuration(nowMs - program.startedAtMs);
  const rows: Row[] =
    cluster === null
      ? [
          ...program.nodes.flatMap((node) => [
            ["node", `${node.id}: ${workersText(node)}`] as const,
            ...useRows(node),
          ]),
          ["objects", storeText(program.store)],
        ]
      : [
          ["cluster", `at ${cluster.head.replace(/^tcp:/, "iono:")}, as ${cluster.name} (${cluster.node})`],
          ["links", linksText(cluster.links)],
          ["objects", storeText(program.store)],
        ];
  rows.push(["versions", versionsText(program.versions)]);
  return `${program.program} (pid ${program.driverPid}, running for ${age})\n${table(rows)}`;
}

function nodeRows(node: NodeStatus, here: NodeHere | undefined, nowMs: number): Row[] {
  const labels = Object.entries(node.labels).map(([name, value]) => `${name}=${value}`);
  const age =
    here === undefined ? "" : `, here with pid ${here.pid} for ${formatDuration(nowMs - here.startedAtMs)}`;
  return [
    ["node", `${node.name} (${node.id}${age}): ${workersText(node)}`],
    ...(labels.length === 0 ? [] : [["labels", labels.join(", ")] as const]),
    ...useRows(node),
    ["objects", storeText(node.store)],
    ...(here === undefined || here.links.length === 0 ? [] : [["links", linksText(here.links)] as const]),
  ];
}

function useRows(node: NodeStatus): Row[] {
  const { total, available } = node.resources;
  const used = Object.entries(total).map(([resource, amount]) => {
    const taken = amount - (available[resource] ?? 0);
    return `${resource} ${formatAmount(resource, taken)} of ${formatAmount(resource, amount)}`;
  });
  return [
    ["in use", used.length > 0 ? used.join(", ") : "it has no resources"],
    ...node.actors.map(actorRow),
    ...node.demand.map((demand): Row => ["waiting", demandText(demand)]),
  ];
}

function actorRow({ className, name, state }: ActorStatus): Row {
  return ["actor", `${className}${name === "" ? "" : ` ${JSON.stringify(name)}`}, ${state}`];
}

function workersText({ workers }: NodeStatus): string {
  if (workers.length === 0) return "no workers";
  const states = workers.map(({ state, blocked }) => (blocked ? "waiting" : state));
  return `${plural(workers.length, "worker")} (${tally(states)})`;
}

/** `["leased", "leased", "idle"]` → `2 leased, 1 idle`. */
function tally(states: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
}

/** 12 of `"CPU=1,memory=1024|spread"` → `12 × CPU 1, memory 1KiB (spread)`. */
function demandText({ shape, count }: Demand): string {
  const at = shape.indexOf("|");
  const resources = at < 0 ? shape : shape.slice(0, at);
  const amounts = Object.entries(resourceAmounts(parseShapeKey(resources)));
  const text = amounts
    .map(([resource, amount]) => `${resource} ${formatAmount(resource, amount)}`)
    .join(", ");
  return `${count} × ${text || "nothing but a worker"}${at < 0 ? "" : ` (${shape.slice(at + 1)})`}`;
}

function linksText(links: NodeHere["links"]): string {
  return links
    .map(
      ({ to, roundTripMs }) =>
        `${to} ${roundTripMs === null ? "not measured" : `${Number(roundTripMs.toFixed(1))} ms`}`,
    )
    .join(", ");
}

function storeText({ usedBytes, capacityBytes, diskBytes }: StoreStatus): string {
  const onDisk = diskBytes > 0 ? `, ${formatSize(diskBytes)} on disk` : "";
  return `${formatSize(usedBytes)} of ${formatSize(capacityBytes)}${onDisk}`;
}

function versionsText(versions: Readonly<Record<string, string>>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

function table(rows: readonly Row[]): string {
  return formatTable(rows.map(([name, text]) => [`  ${name}`, text]));
}
