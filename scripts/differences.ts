/**
 * Writes docs/differences-from-ray.md from docs/behaviours/: the titles of all behaviours, and for each area a table of
 * who holds each row. Fails when a row has no answer.
 *
 *     node scripts/differences.ts          writes the page
 *     node scripts/differences.ts --check  fails when the page is not current
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const behaviours = join(root, "docs/behaviours");
const page = join(root, "docs/differences-from-ray.md");

interface Answer {
  readonly test: string;
  readonly note: string;
}

const areas: Readonly<Record<string, string>> = {
  A: "Tasks",
  B: "get, put, wait",
  C: "Failures",
  D: "Cancellation",
  E: "Generators",
  F: "Actors",
  G: "Names and namespaces",
  H: "Concurrency of actors",
  J: "References and ownership",
  K: "Object store",
  M: "Scheduling and resources",
  R: "Utilities",
};

function answers(): Map<string, Answer> {
  const found = new Map<string, Answer>();
  for (const file of readdirSync(behaviours).filter((name) => name.endsWith(".md"))) {
    for (const line of readFileSync(join(behaviours, file), "utf8").split("\n")) {
      const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      const row = cells[1];
      if (row === undefined || !/^[A-Z]\d+$/.test(row)) continue;
      const before = found.get(row);
      const test = [before?.test, cells[2]].filter((each) => each !== undefined && each !== "").join("; ");
      const note = [before?.note, cells[3]].filter((each) => each !== undefined && each !== "").join("; ");
      found.set(row, { test, note });
    }
  }
  return found;
}

function render(): { text: string; missing: string[] } {
  const known = answers();
  const missing: string[] = [];
  const titles = readFileSync(join(behaviours, "titles.tsv"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));
  const parts = [
    "# Differences from Ray",
    "",
    "Ray's own test suites say what its users rely on. Each row is one behaviour of theirs: the test that holds it here, how ours differs and why, or the later version it comes with. This page is generated from `docs/behaviours/` by `scripts/differences.ts`.",
  ];
  for (const [letter, name] of Object.entries(areas)) {
    parts.push(
      "",
      `## ${letter}. ${name}`,
      "",
      "| row | behaviour | held by | differs, or comes later |",
      "|---|---|---|---|",
    );
    for (const [row, title] of titles.filter(([id]) => id.replace(/\d+/, "") === letter)) {
      const answer = known.get(row);
      if (answer === undefined || (answer.test === "" && answer.note === "")) missing.push(row);
      parts.push(`| ${row} | ${title} | ${answer?.test ?? ""} | ${answer?.note ?? ""} |`);
    }
  }
  return { text: `${parts.join("\n")}\n`, missing };
}

const { text, missing } = render();
if (missing.length > 0) process.stderr.write(`rows without an answer: ${missing.join(" ")}\n`);
if (process.argv.includes("--check")) {
  if (readFileSync(page, "utf8") !== text) {
    process.stderr.write("docs/differences-from-ray.md is not current: run node scripts/differences.ts\n");
    process.exitCode = 1;
  }
} else writeFileSync(page, text);
if (missing.length > 0) process.exitCode = 1;
