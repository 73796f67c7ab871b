import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runProgram } from "@iono/testing";
import { judge } from "./doctor-checks.ts";
import type { Check } from "./doctor-checks.ts";
import type { Facts } from "./doctor-facts.ts";

const main = join(import.meta.dirname, "main.ts");
const gibibyte = 1024 ** 3;

const healthy: Facts = {
  node: "24.21.0",
  platform: "linux",
  arch: "x64",
  kernel: "6.1.0",
  glibc: "2.36",
  versions: { iono: "0.1.0", "@iono/runtime": "0.1.0", "@iono/core": "0.1.0" },
  cpus: { usable: 8, quota: 2 },
  memory: { totalBytes: 64 * gibibyte, limitBytes: 16 * gibibyte, availableBytes: 12 * gibibyte },
  openFiles: { soft: 20_000, hard: 20_000 },
  processes: { limit: undefined },
  mappings: 65_530,
  sharedMemory: { path: "/dev/shm", totalBytes: 2 ** 26, freeBytes: 2 ** 26 },
  temporary: { path: "/tmp", totalBytes: 100 * gibibyte, freeBytes: 50 * gibibyte, error: undefined },
  koffi: { error: undefined },
  memfd: { error: undefined },
  gpus: [],
};

function troubles(change: Partial<Facts>): Check[] {
  return judge({ ...healthy, ...change }).filter(({ state }) => state !== "ok");
}

describe("what the checks say", () => {
  test("a healthy machine needs nothing", () => {
    expect(troubles({})).toEqual([]);
  });

  test.each<[change: Partial<Facts>, state: Check["state"], advice: RegExp]>([
    [{ node: "20.20.2" }, "bad", /Install Node\.js 24/],
    [{ node: "22.15.0" }, "warn", /--experimental-strip-types/],
    [{ versions: { iono: "0.1.0", "@iono/core": "0.2.0" } }, "bad", /one version/],
    [{ platform: "darwin" }, "warn", /copied/],
    [{ arch: "ia32" }, "bad", /arm64/],
    [{ glibc: undefined }, "bad", /glibc/],
    [{ cpus: { usable: 8, quota: 0.5 } }, "warn", /at least one CPU/],
    [{ memory: { ...healthy.memory, availableBytes: gibibyte / 2 } }, "warn", /objectStore/],
    [{ openFiles: { soft: 1024, hard: 4096 } }, "warn", /ulimit -n/],
    [{ processes: { limit: 100 } }, "warn", /pids limit/],
    [{ mappings: 1000 }, "warn", /max_map_count/],
    [{ koffi: { error: "no binary" } }, "bad", /koffi/],
    [{ memfd: { error: "refused" } }, "bad", /--shm-size/],
    [
      {
        memfd: { error: "refused" },
        sharedMemory: { path: "/dev/shm", totalBytes: 2 ** 32, freeBytes: 2 ** 32 },
      },
      "warn",
      /seccomp/,
    ],
    [{ memfd: { error: "refused" }, sharedMemory: undefined }, "bad", /seccomp/],
    [{ temporary: { ...healthy.temporary, error: "EACCES" } }, "bad", /TMPDIR/],
    [{ temporary: { ...healthy.temporary, path: `/${"x".repeat(90)}` } }, "bad", /shorter/],
    [{ temporary: { ...healthy.temporary, freeBytes: 1000 } }, "warn", /spillDir/],
  ])("%j", (change, state, advice) => {
    const rows = troubles(change);
    expect(rows).toHaveLength(1);
    expect(rows[0].state).toBe(state);
    expect(rows[0].advice).toMatch(advice);
  });
});

describe("the command", () => {
  test("prints every check, and JSON for programs", async () => {
    const result = await runProgram({ file: main, argv: ["doctor", "--json"] });
    const { checks } = JSON.parse(result.stdout) as { checks: Check[] };
    expect(checks.map(({ name }) => name)).toEqual(judge(healthy).map(({ name }) => name));
    expect(checks.find(({ name }) => name === "iono")?.state).toBe("ok");
    const text = await runProgram({ file: main, argv: ["doctor"] });
    expect(text.stdout).toContain("Shared memory");
  });

  test("help shows an example; an unknown command or option is refused by name", async () => {
    const help = await runProgram({ file: main, argv: ["doctor", "--help"] });
    expect(help.stdout).toContain("Examples:");
    expect(help.exitCode).toBe(0);
    const unknown = await runProgram({ file: main, argv: ["doctor", "--colour"] });
    expect(unknown.stderr).toContain("Unknown argument: colour");
    expect(unknown.exitCode).toBe(1);
    expect((await runProgram({ file: main, argv: ["launch"] })).stderr).toContain("Unknown command: launch");
  });

  test("--version prints the version of the package", async () => {
    expect((await runProgram({ file: main, argv: ["--version"] })).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});
