/**
 * What `pnpm test` runs: builds what is out of date, checks the types (`*.test-d.ts` among them), runs the suite.
 * The last line is plain: `N passed, N failed, N skipped`. Arguments go to vitest: `pnpm test packages/core`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The parts of vitest's JSON report that are counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

/** Runs a command of the workspace with this very Node; its exit code, or 1 when a signal ended it. */
function run(script: string, ...argv: string[]): number {
  const result = spawnSync(process.execPath, [join(root, script), ...argv], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined; // The runner ended before it wrote one.
  }
}

function finish(passed: number, failed: number, skipped: number): never {
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exit(failed > 0 ? 1 : 0);
}

if (run("scripts/build.ts", "--if-needed") !== 0) {
  console.log("The build failed; no test was run.");
  finish(0, 1, 0);
}
const typesFailed = run("node_modules/typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json") === 0 ? 0 : 1;
if (typesFailed) console.log("The types do not check; see above.");

const scratch = mkdtempSync(join(tmpdir(), "test-report-"));
const reportPath = join(scratch, "report.json");
const code = run(
  "node_modules/vitest/vitest.mjs",
  "run",
  "--allowOnly=false",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${reportPath}`,
  ...process.argv.slice(2),
);
const report = readReport(reportPath);
rmSync(scratch, { recursive: true, force: true });

// A file that cannot be loaded has no tests to count, and what a run leaves behind belongs to no test.
const unloadable =
  report?.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0)
    .length ?? 0;
const counted = (report?.numFailedTests ?? 0) + unloadable;
const runFailed = code !== 0 && counted === 0 ? 1 : 0;
finish(
  report?.numPassedTests ?? 0,
  counted + runFailed + typesFailed,
  (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
);
