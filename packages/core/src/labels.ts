/** Label selectors: which nodes a task may run on. */
import { badOption, IonoError } from "./errors.ts";

/** Labels of a node: `{ region: "eu", gpu: "H100" }`. */
export type Labels = Readonly<Record<string, string>>;

/** Label → `"x"`, `"!x"`, `"in(a,b)"`, `"!in(a,b)"`, `"exists"` or `"!exists"`; all must hold. */
export type LabelSelector = Readonly<Record<string, string>>;

/** One parsed condition. */
export interface LabelCondition {
  readonly label: string;
  /** True: the label is there and is one of `values`. False: it is absent or another. */
  readonly isOneOf: boolean;
  /** Empty: any value. */
  readonly values: readonly string[];
}

const labelName = /^[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,126}[A-Za-z0-9])?$/;
const labelValue = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,61}[A-Za-z0-9])?$/;
const list = /^in\((.*)\)$/s;

/**
 * @param field names the selector in errors.
 * @throws IonoError BadOption naming the label and the condition.
 */
export function parseLabelSelector(selector: unknown, field: string): readonly LabelCondition[] {
  return entriesOf(selector, field).map(([label, condition]) => parseCondition(label, condition, field));
}

function parseCondition(label: string, condition: unknown, field: string): LabelCondition {
  checkLabelName(label, field);
  const where = `${field}[${JSON.stringify(label)}]`;
  const right = '"x", "!x", "in(a,b)", "!in(a,b)", "exists" or "!exists"';
  if (typeof condition !== "string") throw badOption(where, condition, right);
  const negated = condition.startsWith("!");
  const text = negated ? condition.slice(1) : condition;
  if (text === "exists") return { label, isOneOf: !negated, values: [] };
  const members = list.exec(text);
  const values = members === null ? [text] : members[1].split(",").map((value) => value.trim());
  if (!values.every((value) => labelValue.test(value))) throw badOption(where, condition, right);
  return { label, isOneOf: !negated, values: [...new Set(values)] };
}

export function matchesLabels(conditions: readonly LabelCondition[], labels: Labels): boolean {
  return conditions.every(({ label, isOneOf, values }) => {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
    const isAmong = value !== undefined && (values.length === 0 || values.includes(value));
    return isAmong === isOneOf;
  });
}

/** The selector back as text, for tables and errors: `gpu in(H100,H200), zone !a`. */
export function formatLabelConditions(conditions: readonly LabelCondition[]): string {
  return conditions.map((condition) => `${condition.label} ${formatLabelCondition(condition)}`).join(", ");
}

/** One condition as it is given: `!in(a,b)`. A single value that reads like a word of the language stays a list. */
export function formatLabelCondition({ isOneOf, values }: LabelCondition): string {
  const isPlain = values.length === 1 && values[0] !== "exists";
  const text = values.length === 0 ? "exists" : isPlain ? values[0] : `in(${values.join(",")})`;
  return `${isOneOf ? "" : "!"}${text}`;
}

/**
 * The labels a node is given.
 * @throws IonoError BadOption naming the label.
 */
export function parseLabels(labels: unknown, field: string): Labels {
  const parsed: Record<string, string> = {};
  for (const [label, value] of entriesOf(labels, field)) {
    checkLabelName(label, field);
    if (typeof value !== "string" || !labelValue.test(value)) {
      throw badOption(
        `${field}[${JSON.stringify(label)}]`,
        value,
        "1 to 63 letters, digits and . _ : - inside",
      );
    }
    parsed[label] = value;
  }
  return Object.freeze(parsed);
}

function checkLabelName(label: string, field: string): void {
  if (labelName.test(label)) return;
  throw new IonoError(
    "BadOption",
    `${field}: ${JSON.stringify(label)} is not a label name; use 1 to 128 letters, digits and . _ / - inside`,
  );
}

function entriesOf(value: unknown, field: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badOption(field, value, 'an object like { region: "eu" }');
  }
  return Object.entries(value).filter(([, each]) => each !== undefined);
}
