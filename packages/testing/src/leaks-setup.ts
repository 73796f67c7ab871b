/** Before the tests: gives the run an id and a temporary directory of its own. After them: nothing may be left. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeNamespace } from "./hosts/namespaces.ts";
import { runVariable } from "./leaks-run.ts";
import { describeLeaks, findLeaks, sharedMemoryFiles } from "./leaks.ts";

/** How long what a test started may take to be gone: children notice the death of their parent within 5 s. */
const graceMs = 6_000;

/** Called by the test runner before the first test; the function it returns is called after the last. */
export function setup(): () => Promise<void> {
  const temporaryDirectory = mkdtempSync(join(tmpdir(), "iono-t-"));
  const runId = basename(temporaryDirectory);
  const sharedMemoryBefore = sharedMemoryFiles();
  process.env[runVariable] = runId;
  process.env["TMPDIR"] = temporaryDirectory;
  process.env["XDG_RUNTIME_DIR"] = temporaryDirectory;

  return async () => {
    const search = { runId, temporaryDirectory, sharedMemoryBefore };
    const deadlineMs = performance.now() + graceMs;
    let leaks = findLeaks(search);
    while (describeLeaks(leaks).length > 0 && performance.now() < deadlineMs) {
      await sleep(100);
      leaks = findLeaks(search);
    }
    for (const { pid } of leaks.processes) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself meanwhile.
      }
    }
    for (const name of leaks.namespaces) removeNamespace(name);
    rmSync(temporaryDirectory, { recursive: true, force: true });
    const lines = describeLeaks(leaks);
    if (lines.length > 0) throw new Error(`The test run left something behind:\n  ${lines.join("\n  ")}`);
  };
}
