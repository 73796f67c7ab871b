import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { abandoned, describeLeaks, findLeaks, leakedFiles, leakedProcesses, runVariable } from "./leaks.ts";

const runId = `probe-${process.pid}`;
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
});

async function startChild(): Promise<ChildProcess> {
  child = spawn(process.execPath, ["-e", "process.stdout.write('up'); setInterval(() => {}, 1000)"], {
    env: { ...process.env, [runVariable]: runId },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return child;
}

describe.runIf(process.platform === "linux")("leaked processes", () => {
  test("a child of the run is found by the environment it inherited, and is gone when it ended", async () => {
    const started = await startChild();
    const [found] = leakedProcesses(runId);
    expect(found).toMatchObject({ pid: started.pid, testFile: "packages/testing/src/leaks.test.ts" });
    expect(found.title).toContain("setInterval");
    started.kill("SIGKILL");
    await once(started, "exit");
    expect(leakedProcesses(runId)).toEqual([]);
  });

  test("another run's child is not found", async () => {
    await startChild();
    expect(leakedProcesses(`${runId}-other`)).toEqual([]);
  });
});

describe("leaked files", () => {
  test("only names of iono count, and only what nobody has open is abandoned", () => {
    const directory = mkdtempSync(join(tmpdir(), "probe-"));
    try {
      writeFileSync(join(directory, "iono-1"), "");
      writeFileSync(join(directory, "other"), "");
      expect(leakedFiles(directory)).toEqual([join(directory, "iono-1")]);
      if (process.platform === "linux") {
        const descriptor = openSync(join(directory, "iono-1"), "r");
        expect(abandoned(leakedFiles(directory))).toEqual([]);
        closeSync(descriptor);
      }
      expect(abandoned(leakedFiles(directory))).toEqual([join(directory, "iono-1")]);
      const leaks = findLeaks({ runId, temporaryDirectory: directory, sharedMemoryBefore: [] });
      expect(describeLeaks(leaks)).toContain(`left in the temporary directory: ${join(directory, "iono-1")}`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("a directory that does not exist holds nothing", () => {
    expect(leakedFiles("/does/not/exist")).toEqual([]);
  });
});
