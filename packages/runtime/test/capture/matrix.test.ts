/** Code that travels: every case of fixtures/main.ts, in every flavour of program, on every Node that is supported. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { installNode, runProgram, sourceNodeArgs, workspaceRoot } from "@iono/testing";
import PQueue from "p-queue";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expected } from "./expected.ts";
import { flavours, type Flavour } from "./flavours.ts";

/** The oldest that is supported; it strips types only when told to. */
const oldNode = "22.15.0";
const stripFlag = "--experimental-strip-types";

interface Outcome {
  readonly exitCode: number | null;
  readonly stderr: string;
  /** What each case gave, or the stack of what it threw. */
  readonly cases: Record<string, unknown>;
  readonly entryRuns: number;
  /** Processes that imported helper.ts, one entry an import. */
  readonly helperImports: readonly string[];
  readonly places: Record<string, string>;
}

const scratch = mkdtempSync(join(tmpdir(), "matrix-"));
const runs = new PQueue({ concurrency: 2 });
const outcomes = new Map<string, Promise<Outcome>>();

/** Where the program says that something happens: `// line: name`, as `file:line` by name. */
function placesIn(file: string): Record<string, string> {
  const lines = readFileSync(file, "utf8").split("\n");
  const places: Record<string, string> = {};
  for (const [index, line] of lines.entries()) {
    const name = /\/\/ line: (\w+)/.exec(line)?.[1];
    if (name !== undefined) places[name] = `${basename(file)}:${index + 1}`;
  }
  return places;
}

function linesOf(file: string): string[] {
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

async function outcomeOf(
  flavour: Flavour,
  folder: string,
  node: string,
  flags: readonly string[],
): Promise<Outcome> {
  flavour.write(folder);
  const [file, ...argv] = flavour.command;
  const { exitCode, stdout, stderr } = await runProgram({
    file: join(folder, file),
    argv,
    node,
    nodeArgs: [...flags, ...flavour.flags],
    cwd: folder,
    env: { NOTES: join(folder, "notes") },
    timeoutMs: 90_000,
  });
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}\n${stdout}${stderr}`);
  const cases: Record<string, unknown> = {};
  for (const line of linesOf(join(folder, "notes/outcome"))) {
    const { name, value, thrown } = JSON.parse(line) as { name: string; value?: unknown; thrown?: string };
    cases[name] = thrown ?? value;
  }
  return {
    exitCode,
    stderr,
    cases,
    entryRuns: linesOf(join(folder, "notes/entry")).length,
    helperImports: linesOf(join(folder, "notes/helper")),
    places: placesIn(join(folder, flavour.shown)),
  };
}

beforeAll(() => {
  // The newer Node runs the sources; the older one the packages as they are built.
  execFileSync(process.execPath, [join(workspaceRoot, "scripts/build.ts"), "--if-needed"], {
    stdio: "inherit",
  });
  const old = installNode(join(scratch, "node"), oldNode);
  // Told by the runs that wait for it.
  old.catch(() => {});
  for (const flavour of flavours) {
    const folder = join(scratch, flavour.name.replaceAll(" ", "-"));
    outcomes.set(
      `Node 24 ${flavour.name}`,
      runs.add(() => outcomeOf(flavour, folder, process.execPath, sourceNodeArgs)),
    );
  }
  for (const flavour of flavours) {
    const folder = join(scratch, `${flavour.name.replaceAll(" ", "-")}-22`);
    const flags = flavour.needsStripping ? [stripFlag, "--disable-warning=ExperimentalWarning"] : [];
    const run = async (): Promise<Outcome> => outcomeOf(flavour, folder, await old, flags);
    outcomes.set(`Node 22.15 ${flavour.name}`, runs.add(run));
  }
  // Told by the test that waits for it.
  for (const outcome of outcomes.values()) outcome.catch(() => {});
}, 120_000);

afterAll(async () => {
  runs.clear();
  await runs.onIdle();
  rmSync(scratch, { recursive: true, force: true });
}, 60_000);

describe.each(["Node 24", "Node 22.15"])("on %s", (node) => {
  test.for(flavours)("every case of code that travels: $name", { timeout: 120_000 }, async ({ name }) => {
    const { cases, places, entryRuns, helperImports } = (await outcomes.get(`${node} ${name}`)) as Outcome;
    const wanted = JSON.stringify(expected).replaceAll(
      /@(\w+)/g,
      (_all, place: string) => places[place] ?? `no ${place}`,
    );
    expect(cases).toEqual(JSON.parse(wanted));
    expect(entryRuns, "runs of the entry").toBe(1);
    expect(new Set(helperImports).size, "imports of one module by one process").toBe(helperImports.length);
    expect(helperImports.length).toBeGreaterThan(1);
  });
});
