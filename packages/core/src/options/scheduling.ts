/**
 * The `scheduling` and `labels` options of tasks and actors: on which nodes they may run, and on which rather.
 *
 * Compiled they are a `SchedulingStrategy` and its key, a canonical text that travels with demand. Two strategies are
 * the same exactly when their keys are.
 */
import { badOption, IonoError } from "../errors.ts";
import {
  formatLabelCondition,
  parseLabelSelector,
  type LabelCondition,
  type LabelSelector,
} from "../labels.ts";
import { limits } from "../limits.ts";
import { closestName } from "./did-you-mean.ts";
import { notInThisVersion } from "./read.ts";

/**
 * - "hybrid" (default) uses the own node first and fills nodes to half, then takes the least used;
 * - "spread" takes the least used nodes in turn;
 * - `node` names one, by name or id; `soft`: another one when it is not there or can never hold the task;
 * - `labels` names those whose labels match; `soft`: others too when those have no room.
 */
export type Scheduling =
  | "hybrid"
  | "spread"
  | { readonly node: string; readonly soft?: boolean }
  | { readonly labels: LabelSelector; readonly soft?: boolean };

/** Frozen. Conditions and their values are sorted. */
export interface SchedulingStrategy {
  /** "near" is given by no option: the node that holds the data, or another one when it has no room now. */
  readonly policy: "hybrid" | "spread" | "node" | "near";
  /** Name or id of the node for policy "node", else "". */
  readonly node: string;
  /** Policy "node": others will do. */
  readonly soft: boolean;
  /** Number of the node for policy "near", else 0. */
  readonly near: number;
  /** What the labels of a node must be. */
  readonly required: readonly LabelCondition[];
  /** What they had better be. */
  readonly preferred: readonly LabelCondition[];
}

export const hybridStrategy: SchedulingStrategy = Object.freeze({
  policy: "hybrid",
  node: "",
  soft: false,
  near: 0,
  required: Object.freeze([]),
  preferred: Object.freeze([]),
});

const nodeName = /^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$/;
const right =
  '"hybrid", "spread", { node: "name", soft: true } or { labels: { gpu: "in(H100,H200)" }, soft: true }';

/**
 * @param scheduling the option `scheduling`.
 * @param labels the option `labels`: labels that the node must have, whatever the scheduling.
 * @param where begins the fields' names in errors, e.g. "task option ".
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileScheduling(scheduling: unknown, labels: unknown, where: string): SchedulingStrategy {
  const field = `${where}scheduling`;
  const required = labels === undefined ? [] : readSelector(labels, `${where}labels`);
  if (scheduling === undefined || scheduling === "hybrid")
    return required.length === 0 ? hybridStrategy : makeStrategy({ required });
  if (scheduling === "spread") return makeStrategy({ policy: "spread", required });
  if (typeof scheduling !== "object" || scheduling === null || Array.isArray(scheduling))
    throw badOption(field, scheduling, right);
  const given = scheduling as Readonly<Record<string, unknown>>;
  if ("placementGroup" in given)
    throw notInThisVersion(`${field}.placementGroup`, "placement groups are still to come");
  const kind = kindOf(given, field);
  const isSoft: unknown = given["soft"] ?? false;
  if (typeof isSoft !== "boolean") throw badOption(`${field}.soft`, isSoft, "true or false");
  if (kind === "node")
    return makeStrategy({
      policy: "node",
      node: readNode(given["node"], `${field}.node`),
      soft: isSoft,
      required,
    });
  const wanted = readSelector(given["labels"], `${field}.labels`);
  if (isSoft) return makeStrategy({ required, preferred: wanted });
  return makeStrategy({ required: [...required, ...wanted] });
}

function kindOf(given: Readonly<Record<string, unknown>>, field: string): "node" | "labels" {
  const known = ["node", "labels", "soft"];
  const keys = Object.keys(given).filter((key) => given[key] !== undefined);
  for (const key of keys) {
    if (known.includes(key)) continue;
    const near = closestName(key, known);
    const hint = near === undefined ? `known: ${known.join(", ")}` : `did you mean ${near}?`;
    throw new IonoError("BadOption", `${field}.${key} is unknown; ${hint}`);
  }
  const kinds = keys.filter((key) => key !== "soft");
  if (kinds.length === 1) return kinds[0] === "node" ? "node" : "labels";
  if (kinds.length === 0) throw badOption(field, given, right);
  throw new IonoError(
    "BadOption",
    `${field}: node and labels are given; name the node in scheduling and put the labels into the option labels`,
  );
}

function readNode(value: unknown, field: string): string {
  if (typeof value === "string" && nodeName.test(value)) return value;
  throw badOption(field, value, "the name or id of a node: 1 to 253 letters, digits and . _ : - inside");
}

function readSelector(value: unknown, field: string): readonly LabelCondition[] {
  const conditions = parseLabelSelector(value, field);
  const most = limits.labels.value;
  if (conditions.length > most) throw badOption(field, value, `at most ${most} labels`);
  for (const { label, values } of conditions) {
    if (values.length > most)
      throw new IonoError("BadOption", `${field}[${JSON.stringify(label)}] lists more than ${most} values`);
  }
  return conditions;
}

/** The strategy that prefers the node that holds the data. */
export function nearStrategy(node: number, base: SchedulingStrategy = hybridStrategy): SchedulingStrategy {
  return makeStrategy({ ...base, policy: "near", near: node, node: "", soft: false });
}

function makeStrategy(parts: Partial<SchedulingStrategy>): SchedulingStrategy {
  return Object.freeze({
    ...hybridStrategy,
    ...parts,
    required: sorted(parts.required ?? []),
    preferred: sorted(parts.preferred ?? []),
  });
}

function sorted(conditions: readonly LabelCondition[]): readonly LabelCondition[] {
  const texts = new Map<string, LabelCondition>();
  for (const { label, isOneOf, values } of conditions) {
    const condition: LabelCondition = { label, isOneOf, values: values.toSorted() };
    texts.set(conditionKey(condition), condition);
  }
  const keys = [...texts.keys()].toSorted();
  return Object.freeze(keys.map((key) => texts.get(key) as LabelCondition));
}

function conditionKey(condition: LabelCondition): string {
  return `${condition.label}=${formatLabelCondition(condition)}`;
}

// keys

/**
 * `""` for hybrid, `"spread"`, `"node=a"`, `"node=a?"` (soft), `"near=3"`; then `"labels=gpu=in(H100,H200)&zone=!a"` for
 * required and `"labels?=…"` for preferred labels, parted by `;`.
 */
export function strategyKey(strategy: SchedulingStrategy): string {
  const { policy, node, soft, near, required, preferred } = strategy;
  const parts: string[] = [];
  if (policy === "spread") parts.push("spread");
  else if (policy === "node") parts.push(`node=${node}${soft ? "?" : ""}`);
  else if (policy === "near") parts.push(`near=${near}`);
  if (required.length > 0) parts.push(`labels=${required.map(conditionKey).join("&")}`);
  if (preferred.length > 0) parts.push(`labels?=${preferred.map(conditionKey).join("&")}`);
  return parts.join(";");
}

/**
 * The strategy of a key that `strategyKey` made.
 * @throws IonoError BadOption when it is none.
 */
export function parseStrategyKey(key: string): SchedulingStrategy {
  if (key === "") return hybridStrategy;
  const parts: { -readonly [K in keyof SchedulingStrategy]?: SchedulingStrategy[K] } = {};
  for (const part of key.split(";")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? "" : part.slice(at + 1);
    if (part === "spread") parts.policy = "spread";
    else if (name === "node") {
      parts.policy = "node";
      parts.soft = value.endsWith("?");
      parts.node = readNode(parts.soft ? value.slice(0, -1) : value, "scheduling key node");
    } else if (name === "near" && /^\d{1,9}$/.test(value)) {
      parts.policy = "near";
      parts.near = Number(value);
    } else if (name === "labels") parts.required = parseConditions(value);
    else if (name === "labels?") parts.preferred = parseConditions(value);
    else throw badOption("scheduling key", key, "a key that strategyKey made");
  }
  const strategy = makeStrategy(parts);
  if (strategyKey(strategy) !== key) throw badOption("scheduling key", key, "a key that strategyKey made");
  return strategy;
}

function parseConditions(text: string): readonly LabelCondition[] {
  // One at a time: a label may stand in several conditions.
  return text.split("&").flatMap((entry) => {
    const at = entry.indexOf("=");
    return readSelector({ [entry.slice(0, Math.max(0, at))]: entry.slice(at + 1) }, "scheduling key labels");
  });
}
