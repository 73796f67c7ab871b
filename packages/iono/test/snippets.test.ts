/** The programs in the README and the guide run, print what they say, and have no type errors. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  linkedFolder,
  matchesPromise,
  runProgram,
  snippetsOf,
  sourceNodeArgs,
  workspaceRoot,
} from "@iono/testing";
import type { Snippet } from "@iono/testing";

const pages = [
  "README.md",
  ...readdirSync(join(workspaceRoot, "docs/guide"))
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .map((name) => `docs/guide/${name}`),
].map((path) => ({ path, snippets: snippetsOf(readFileSync(join(workspaceRoot, path), "utf8")) }));

/** With the built packages, as users have them, where there are some: `pnpm test` builds first. */
const nodeArgs = existsSync(join(workspaceRoot, "packages/iono/dist/index.js")) ? [] : sourceNodeArgs;

const folder = linkedFolder();
afterAll(() => folder[Symbol.dispose]());

function fileOf(path: string, { line }: Snippet): string {
  return `${path.replaceAll("/", "-").replace(/\.md$/, "")}-${line}.ts`;
}

describe.each(pages)("$path", ({ path, snippets }) => {
  test("has programs", () => expect(snippets.length).toBeGreaterThan(0));

  test.for(snippets)("the program at line $line", async (snippet) => {
    const file = join(folder.path, fileOf(path, snippet));
    writeFileSync(file, snippet.source);
    const { stdout, stderr, exitCode } = await runProgram({ file, nodeArgs });
    const printed = stdout.split("\n").slice(0, -1);
    const fits =
      printed.length === snippet.prints.length &&
      printed.every((text, at) => matchesPromise(text, snippet.prints[at]));
    // Compared as lists when they differ, so that the failure shows both.
    expect(fits ? snippet.prints : printed, stderr).toEqual(snippet.prints);
    expect(exitCode, stderr).toBe(0);
  });
});

describe("types", () => {
  let scratch: string;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "snippet-types-"));
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  test("the programs have no type errors", () => {
    symlinkSync(join(workspaceRoot, "node_modules"), join(scratch, "node_modules"));
    writeFileSync(join(scratch, "package.json"), '{ "type": "module" }');
    const compilerOptions = { skipLibCheck: true, typeRoots: [join(workspaceRoot, "node_modules/@types")] };
    const config = { extends: join(workspaceRoot, "tsconfig.json"), compilerOptions, include: ["*.ts"] };
    writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify(config));
    for (const { path, snippets } of pages) {
      for (const snippet of snippets) writeFileSync(join(scratch, fileOf(path, snippet)), snippet.source);
    }
    let errors = "";
    try {
      execFileSync(process.execPath, [join(workspaceRoot, "node_modules/typescript/bin/tsc"), "-p", scratch]);
    } catch (error) {
      errors = String((error as { stdout: Buffer }).stdout);
    }
    // Errors of the packages themselves are the typecheck's to report.
    expect(errors.split("\n").filter((line) => /^[^ ]*(README|guide)[^ ]*\.ts\(/.test(line))).toEqual([]);
  });
});
