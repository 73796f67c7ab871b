/** The table of Ray's behaviours names tests that exist, and is complete. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { workspaceRoot } from "@iono/testing";

const read = (path: string): string => readFileSync(join(workspaceRoot, path), "utf8");
const pages = globSync("docs/behaviours/*.md", { cwd: workspaceRoot }).toSorted();

interface Named {
  readonly row: string;
  readonly file: string;
  readonly titles: readonly string[];
}

/** What the cell `path.test.ts: "title", "title"; path.test.ts: "title"` names. */
function namedIn(row: string, cell: string): Named[] {
  const starts = [...cell.matchAll(/[\w./-]+\.test(?:-d)?\.ts/g)];
  return starts.map((start, i) => {
    const text = cell.slice(start.index + start[0].length, starts[i + 1]?.index);
    const titles = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, title]) =>
      title.replaceAll("\\|", "|"),
    );
    return { row, file: start[0], titles };
  });
}

function rowsOf(page: string): Named[] {
  return read(page)
    .split("\n")
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((cells) => /^[A-Z]\d+$/.test(cells[1] ?? ""))
    .flatMap((cells) => namedIn(cells[1], cells[2] ?? ""));
}

test.each(pages)("%s names tests that exist", (page) => {
  const missing = rowsOf(page).flatMap(({ row, file, titles }) => {
    if (!existsSync(join(workspaceRoot, file))) return [`${row}: there is no ${file}`];
    const source = read(file);
    return titles
      .filter((title) => !source.includes(title))
      .map((title) => `${row}: ${file} has no "${title}"`);
  });
  expect(missing).toEqual([]);
});

test("docs/differences-from-ray.md is current, and no behaviour is without an answer", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/differences.ts", "--check"], {
    cwd: workspaceRoot,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
});
