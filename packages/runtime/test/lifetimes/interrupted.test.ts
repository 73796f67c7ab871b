import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { graceMs, Program } from "./program.ts";

function notes(program: Program): string[] {
  return readFileSync(`${program.directory}/notes`, "utf8").trim().split("\n").filter((line) => !/ 10\d$/.test(line)).toSorted();
}

/** A program that has begun two tasks of `taskMs` and has two more waiting. */
async function busy(taskMs: number, outer: Program): Promise<Program> {
  const program = new Program("drains.ts", `${outer.directory}/notes`, String(taskMs));
  await program.printed("ready");
  while (notes(outer).filter((line) => line.startsWith("begin")).length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  return program;
}

describe("Ctrl-C", () => {
  it("once: what runs ends, nothing new begins, exit code 130", async () => {
    using outer = new Program("ends-by-itself.ts");
    using program = await busy(700, outer);
    program.child.kill("SIGINT");
    expect(await program.finished()).toEqual({ code: 130, signal: null });
    expect(notes(outer)).toEqual(["begin 0", "begin 1", "end 0", "end 1"]);
    expect(program.stdout).toContain("got 0");
    expect(program.stdout).toContain("exit 130");
    expect(program.stderr).toContain("2 running tasks");
    expect(await program.leftAfter(graceMs)).toEqual([]);
    await outer.finished();
  });

  it("twice: at once", async () => {
    using outer = new Program("ends-by-itself.ts");
    using program = await busy(60_000, outer);
    program.child.kill("SIGINT");
    while (!program.stderr.includes("interrupted")) await new Promise((resolve) => setTimeout(resolve, 10));
    program.child.kill("SIGINT");
    expect(await program.finished()).toEqual({ code: 130, signal: null });
    expect(notes(outer)).toEqual(["begin 0", "begin 1"]);
    expect(await program.leftAfter(graceMs)).toEqual([]);
    await outer.finished();
  });
});
