import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { handles, processTree, pssBytes } from "./process-tree.ts";
import { idleMemory, timeToFirstLine } from "./spawned.ts";

const untilInputEnds = "console.log('here'); process.stdin.resume()";

describe.runIf(process.platform === "linux")("processTree", () => {
  it("finds a child of a child, and what each holds", async () => {
    const script = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(untilInputEnds)}], { stdio: "inherit" })`;
    const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const tree = processTree(child.pid!);
    expect(tree).toHaveLength(2);
    for (const pid of tree) {
      expect(pssBytes(pid)).toBeGreaterThan(2 ** 20);
      expect(handles(pid).descriptors).toBeGreaterThan(2);
      expect(handles(pid).mappings).toBeGreaterThan(10);
    }
    child.stdin.end();
    await once(child, "close");
    expect(pssBytes(child.pid!)).toBe(0);
  });
});

describe("spawned programs", () => {
  const command = { argv: [process.execPath, "-e", untilInputEnds], cwd: process.cwd() };

  it("are timed to their first line and their end", async () => {
    const { firstLine, end } = await timeToFirstLine(command);
    expect(firstLine).toBeGreaterThan(0);
    expect(end).toBeGreaterThanOrEqual(firstLine);
  });

  it.runIf(process.platform === "linux")("are weighed while they rest", async () => {
    expect(await idleMemory(command, 0)).toMatchObject({ processes: 1 });
  });

  it("are not waited for when they fail before they print", async () => {
    const failing = { ...command, argv: [process.execPath, "-e", "process.exit(3)"] };
    await expect(timeToFirstLine(failing)).rejects.toThrow("ended with 3");
  });
});
