/** The comparison as a Markdown page, which also reads well on a terminal. */
import type { FigureComparison, RowComparison } from "./comparison.ts";
import type { Machine } from "./machine.ts";

/** All that a run brought. */
export interface Report {
  machine: Machine;
  /** The command line that made it. */
  command: string;
  rounds: number;
  rows: RowComparison[];
  figures: FigureComparison[];
}

/** The page: machine, command, rows, figures, errors. */
export function toMarkdown({ machine, command, rounds, rows, figures }: Report): string {
  const errors = [...rows, ...figures].filter(({ error }) => error !== undefined);
  return [
    `# iono${machine.ray === undefined ? "" : " beside Ray"}, ${machine.date.slice(0, 10)}`,
    describe(machine),
    `Made by \`${command}\`${rounds > 1 ? `; medians of ${rounds} rounds` : ""}. A rate is mean ± standard deviation.`,
    table(
      ["row", "iono /s", "Ray /s", "× Ray", "goal ×", "of memcpy", "met"],
      rows.map((row) => [
        row.name,
        rate(row.iono),
        rate(row.ray),
        row.ratio === undefined ? "" : number(row.ratio),
        row.goal === undefined ? "" : String(row.goal),
        row.ofCopy === undefined ? "" : row.ofCopy.toFixed(2),
        verdict(row.met),
      ]),
    ),
    table(
      ["figure", "iono", "Ray", "unit", "goal", "met", "note"],
      figures.map((figure) => [
        figure.name,
        figure.iono === undefined ? "" : number(figure.iono),
        figure.ray === undefined ? "" : number(figure.ray),
        figure.unit,
        figure.goal === undefined ? "" : `≤ ${figure.goal}`,
        verdict(figure.met),
        figure.note ?? "",
      ]),
    ),
    ...errors.map(({ name, error }) => `**${name}** failed:\n\n\`\`\`\n${error}\n\`\`\``),
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

function describe(machine: Machine): string {
  const versions = [`Node ${machine.node}`, `iono ${machine.iono}`];
  if (machine.ray !== undefined) versions.push(`Ray ${machine.ray}`, `${machine.python}`);
  const hardware = `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}`;
  const source = machine.commit === undefined ? "" : ` Commit ${machine.commit}.`;
  return `${hardware}; ${versions.join(", ")}; load before ${machine.loadBefore}.${source}`;
}

function table(head: string[], body: string[][]): string {
  if (body.length === 0) return "";
  const widths = head.map((cell, i) => Math.max(cell.length, ...body.map((row) => row[i].length)));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...body.map(line)].join(
    "\n",
  );
}

function rate(value: { mean: number; sd: number } | undefined): string {
  return value === undefined ? "" : `${number(value.mean)} ± ${number(value.sd)}`;
}

/** Three digits that count, thousands apart. */
function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return "";
  return met ? "yes" : "NO";
}
