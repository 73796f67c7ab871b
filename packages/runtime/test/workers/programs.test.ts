import { runProgram, sourceNodeArgs } from "@iono/testing";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

describe("workers that cannot go on", () => {
  it("a heap that is full: the task fails with V8's last words, and the program goes on", async () => {
    const { stdout, exitCode } = await runProgram({
      file: fixture("exhausts-heap.ts"),
      nodeArgs: [...sourceNodeArgs, "--max-old-space-size=80"],
    });
    expect(stdout).toMatch(/^WorkerDied .*(signal SIGABRT|exit code 134).*heap out of memory/m);
    expect(stdout).toContain("goes on");
    expect(exitCode).toBe(0);
  });

  it("one that cannot start: the terminal says why, now and then, while tasks wait", async () => {
    const ends = "data:text/javascript,if(process.env.IONO_BOOT){console.error('no luck');process.exit(7)}";
    const { stdout, stderr, exitCode } = await runProgram({
      file: fixture("no-workers.ts"),
      nodeArgs: [...sourceNodeArgs, "--import", ends],
    });
    expect(stdout).toContain("GetTimeout\n");
    const said = stderr.split("\n").filter((line) => line.includes("could not start"));
    expect(said[0]).toMatch(/exit code 7, pid \d+; it wrote: no luck/);
    expect(said.length).toBeLessThan(8);
    expect(exitCode).toBe(0);
  });
});
