/** Machines that are not as they should be: the program works all the same, or says what is wrong. */
import { sourceNodeArgs } from "@iono/testing";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { init } from "../../src/index.ts";

const program = join(import.meta.dirname, "fixtures", "adds.ts");
const folder = mkdtempSync(join(tmpdir(), "surroundings-"));
const env = { ...process.env, NODE_OPTIONS: undefined, VITEST: undefined, FOLDER: folder };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shellArgs(prepare: string): string[] {
  return ["-c", `${prepare}\nexec "$@"`, "sh", process.execPath, ...sourceNodeArgs, program];
}

/** Runs a program in a shell, with what `prepare` sets up there. */
function run(prepare: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile("/bin/sh", shellArgs(prepare), { env, timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe("a program runs", () => {
  it.each([
    ["with a TMPDIR that is not there", 'export TMPDIR="$FOLDER/missing"'],
    ["with a TMPDIR that is a file", "export TMPDIR=/etc/passwd"],
    [
      "with a TMPDIR too long for sockets",
      `export TMPDIR="$FOLDER/${"long".repeat(30)}"; mkdir -p "$TMPDIR"`,
    ],
    ["without HOME", "unset HOME"],
    [
      "in a directory that was removed",
      'mkdir -p "$FOLDER/gone" && cd "$FOLDER/gone" && rmdir "$FOLDER/gone"',
    ],
    ["with 64 file descriptors", "ulimit -n 64"],
  ])(
    "%s",
    async (_name, prepare) => {
      expect(await run(prepare)).toMatchObject({ code: 0, stdout: "3\n" });
    },
    30_000,
  );
});

it("with too few file descriptors for workers the agent goes on, and says so", async () => {
  const child = spawn("/bin/sh", shellArgs("ulimit -n 32"), { env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  try {
    await expect.poll(() => stderr, { timeout: 20_000 }).toMatch(/could not start \(2 in a row\): .*EMFILE/);
  } finally {
    child.kill("SIGKILL");
  }
}, 30_000);

it("a spillDir that cannot be written is refused by init", async () => {
  await expect(init({ spillDir: join("/proc", "spill") })).rejects.toMatchObject({ code: "BadOption" });
  await expect(init({ spillDir: "/proc" })).rejects.toThrow(
    /spillDir must name directories that can be written/,
  );
});
