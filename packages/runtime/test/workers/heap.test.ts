import { runProgram, sourceNodeArgs } from "@iono/testing";
import { join } from "node:path";
import { expect, it } from "vitest";

it("a heap that is full ends the worker; the task fails with V8's last words, and the program goes on", async () => {
  const { stdout, exitCode } = await runProgram({
    file: join(import.meta.dirname, "fixtures/exhausts-heap.ts"),
    nodeArgs: [...sourceNodeArgs, "--max-old-space-size=80"],
  });
  expect(stdout).toMatch(/^WorkerDied .*(signal SIGABRT|exit code 134).*heap out of memory/m);
  expect(stdout).toContain("goes on");
  expect(exitCode).toBe(0);
});
