/** What `iono status` finds on this machine: agents and supervisors of this user, asked, and sorted by cluster. */
import { findProcesses } from "./agents.ts";
import { requestStatus, requestSupervisor } from "./control-client.ts";
import type { ClusterMembership, LinkStatus, NodeStatus, ProgramStatus } from "./status-reply.ts";

/** An agent that runs but did not give a proper answer. */
export interface SilentAgent {
  readonly pid: number;
  readonly reason: string;
}

/** A node of a cluster, on this machine. */
export interface NodeHere {
  readonly node: string;
  readonly name: string;
  /** The agent's. */
  readonly pid: number;
  readonly startedAtMs: number;
  readonly links: readonly LinkStatus[];
}

/** A cluster of several machines of which a node or a program runs here. */
export interface ClusterReport {
  readonly id: string;
  /** `iono://host:port` */
  readonly address: string;
  readonly here: readonly NodeHere[];
  readonly nodes: readonly NodeStatus[];
  /** Names of nodes that did not answer in time, or `the head`. */
  readonly silent: readonly string[];
  readonly actors: ClusterMembership["actors"];
  readonly unplaced: ClusterMembership["unplaced"];
  readonly versions: ProgramStatus["versions"];
}

/** A node whose agent has not joined, or has ended and is started anew. */
export interface StartingNode {
  /** The supervisor's. */
  readonly pid: number;
  readonly name: string;
  readonly address: string;
  readonly isHead: boolean;
  /** Why it is not there; "" when it is only starting. */
  readonly trouble: string;
}

export interface StatusReport {
  readonly clusters: readonly ClusterReport[];
  /** Running programs, with the cluster that each has for itself or has joined. */
  readonly programs: readonly ProgramStatus[];
  readonly starting: readonly StartingNode[];
  readonly silent: readonly SilentAgent[];
}

/** As agents call it: no node has a name with a space. */
export const headName = "the head";

export async function collectStatus(timeoutMs: number): Promise<StatusReport> {
  const answers: ProgramStatus[] = [];
  const starting: StartingNode[] = [];
  const silent: SilentAgent[] = [];
  await Promise.all([
    ...findProcesses("agent").map(async ({ pid, controlPath }) => {
      try {
        answers.push(await requestStatus({ controlPath, timeoutMs }));
      } catch (error) {
        silent.push({ pid, reason: error instanceof Error ? error.message : String(error) });
      }
    }),
    ...findProcesses("supervisor").map(async ({ pid, controlPath }) => {
      try {
        const { isJoined, name, address, isHead, trouble } = await requestSupervisor({
          controlPath,
          timeoutMs,
        });
        if (!isJoined) starting.push({ pid, name, address, isHead, trouble });
      } catch (error) {
        silent.push({ pid, reason: error instanceof Error ? error.message : String(error) });
      }
    }),
  ]);
  return {
    clusters: clustersOf(answers),
    programs: answers
      .filter(({ driverPid }) => driverPid > 0)
      .toSorted((a, b) => a.startedAtMs - b.startedAtMs),
    starting: starting.toSorted((a, b) => a.pid - b.pid),
    silent: silent.toSorted((a, b) => a.pid - b.pid),
  };
}

/** Several agents of one cluster may have answered: a node is silent when none of them has heard from it. */
export function clustersOf(answers: readonly ProgramStatus[]): ClusterReport[] {
  const members = answers
    .flatMap((answer) => (answer.cluster === null ? [] : [{ ...answer, cluster: answer.cluster }]))
    .toSorted((a, b) => a.startedAtMs - b.startedAtMs);
  return Object.values(Object.groupBy(members, ({ cluster }) => cluster.id)).flatMap((group = []) => {
    const [first] = group;
    // Actors are known to those whom the head has answered: their account of a node replaces that of others.
    const hears = ({ cluster }: (typeof group)[number]): boolean => !cluster.silent.includes(headName);
    const accounts = [...group.filter((each) => !hears(each)), ...group.filter(hears)];
    const nodes = new Map(accounts.flatMap((each) => each.nodes).map((node) => [node.id, node]));
    const answered = new Set([...nodes.values()].map(({ name }) => name));
    const toldByHead = group.find(hears);
    if (toldByHead !== undefined) answered.add(headName);
    const silent = new Set(
      group.flatMap(({ cluster }) => cluster.silent).filter((name) => !answered.has(name)),
    );
    return {
      id: first.cluster.id,
      address: first.cluster.head.replace(/^tcp:/, "iono:"),
      here: group
        .filter(({ driverPid }) => driverPid === 0)
        .map(({ pid, startedAtMs, cluster: { node, name, links } }) => ({
          node,
          name,
          pid,
          startedAtMs,
          links,
        })),
      nodes: [...nodes.values()].toSorted((a, b) => numberIn(a.id) - numberIn(b.id)),
      silent: [...silent],
      actors: toldByHead?.cluster.actors ?? [],
      unplaced: group.flatMap(({ cluster }) => cluster.unplaced),
      versions: first.versions,
    };
  });
}

/** Ids of nodes count in base 36. */
function numberIn(id: string): number {
  return Number.parseInt(id.slice(id.indexOf("-") + 1), 36);
}
