/**
 * What is known of the nodes of a cluster, and how it travels: the head numbers the versions of the view and sends what
 * has changed between two of them. A change holds whole values, so that one that comes twice does no harm.
 */
import { noResources, makeVector, type ResourceVector } from "../resources.ts";
import type { Labels } from "../labels.ts";

export interface NodeView {
  readonly node: number;
  /** By which `scheduling: { node }` finds it; so does its id (`node-3`). */
  readonly name: string;
  readonly total: ResourceVector;
  /** What nothing uses, as the node last told, less what was placed there since. */
  readonly available: ResourceVector;
  readonly labels: Labels;
  /** False: nothing was heard of it for a while. It gets no new work. */
  readonly isAlive: boolean;
  /** It gets no new work and will leave. */
  readonly isDraining: boolean;
  /** Tasks and actors there that wait for a worker which is not even starting (`LeaseMachine.unserved()`). */
  readonly queued: number;
  /** Price, region, reputation, link speed …: for scores; nothing here reads them. */
  readonly facts: NodeFacts;
}

export type NodeFacts = Readonly<Record<string, number | string>>;

/** What changed of a node; a node that was not known starts from nothing. `isGone`: it will never be back. */
export interface NodeChange extends Partial<Omit<NodeView, "node">> {
  readonly node: number;
  readonly isGone?: boolean;
}

/** The way from version `from` of the view to version `to`. From 0: the whole view, nodes that are not named are gone. */
export interface ViewDelta {
  /** Counts the lives of the head: versions of different lives do not compare. */
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly nodes: readonly NodeChange[];
}

const mostFacts = 32;
const mostLabels = 128;
const longestText = 256;

/** A delta as it came over a link: unknown fields are dropped. Undefined when it is none. */
export function readViewDelta(value: unknown): ViewDelta | undefined {
  if (!isRecord(value)) return undefined;
  const { epoch, from, to, nodes } = value;
  if (!isCount(epoch) || !isCount(from) || !isCount(to) || from > to || !Array.isArray(nodes))
    return undefined;
  const changes: NodeChange[] = [];
  for (const each of nodes) {
    const change = readNodeChange(each);
    if (change === undefined) return undefined;
    changes.push(change);
  }
  return { epoch, from, to, nodes: changes };
}

/** One node's change as it came over a link. Undefined when it is none. */
export function readNodeChange(value: unknown): NodeChange | undefined {
  if (!isRecord(value) || !isCount(value["node"])) return undefined;
  const change: { -readonly [K in keyof NodeChange]: NodeChange[K] } = { node: value["node"] };
  if (value["isGone"] === true) change.isGone = true;
  if (typeof value["name"] === "string") change.name = value["name"].slice(0, longestText);
  if (isRecord(value["total"])) change.total = readVector(value["total"]);
  if (isRecord(value["available"])) change.available = readVector(value["available"]);
  if (isRecord(value["labels"])) change.labels = readLabels(value["labels"]);
  if (typeof value["isAlive"] === "boolean") change.isAlive = value["isAlive"];
  if (typeof value["isDraining"] === "boolean") change.isDraining = value["isDraining"];
  if (isCount(value["queued"])) change.queued = value["queued"];
  if (isRecord(value["facts"])) change.facts = readFacts(value["facts"]);
  return change;
}

function readVector(value: Readonly<Record<string, unknown>>): ResourceVector {
  const amounts: [string, number][] = [];
  for (const [name, amount] of Object.entries(value)) if (isCount(amount)) amounts.push([name, amount]);
  return amounts.length === 0 ? noResources : makeVector(amounts);
}

function readLabels(value: Readonly<Record<string, unknown>>): Labels {
  const labels: [string, string][] = [];
  for (const [label, text] of Object.entries(value))
    if (typeof text === "string" && text.length <= longestText) labels.push([label, text]);
  return Object.freeze(Object.fromEntries(labels.slice(0, mostLabels)));
}

function readFacts(value: Readonly<Record<string, unknown>>): NodeFacts {
  const facts: [string, number | string][] = [];
  for (const [name, fact] of Object.entries(value)) {
    if (typeof fact === "number" || (typeof fact === "string" && fact.length <= longestText))
      facts.push([name, fact]);
  }
  return Object.freeze(Object.fromEntries(facts.slice(0, mostFacts)));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
