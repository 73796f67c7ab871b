import { describe, expect, it } from "vitest";
import { graceMs, Program } from "./program.ts";

/** What the tasks noted, but for the two that only warmed the workers up. */
function notes(program: Program): string[] {
  return program.notes.filter((line) => !/ 10\d$/.test(line)).toSorted();
}

/** A program that has begun two tasks of `taskMs` and has two more waiting. */
async function busy(taskMs: number): Promise<Program> {
  const program = new Program("drains.ts", "@dir/notes", String(taskMs));
  await program.printed("ready");
  while (notes(program).length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  return program;
}

describe("Ctrl-C", () => {
  it("once: what runs ends, nothing new begins, exit code 130", async () => {
    using program = await busy(700);
    program.child.kill("SIGINT");
    expect(await program.finished()).toEqual({ code: 130, signal: null });
    const [first, second] = notes(program).map((note) => note.replace("begin ", ""));
    expect(notes(program).slice(2).toSorted()).toEqual([`end ${first}`, `end ${second}`].toSorted());
    expect(program.stdout).toContain("exit 130");
    expect(program.stderr).toContain("2 running tasks");
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("twice: at once", async () => {
    using program = await busy(60_000);
    program.child.kill("SIGINT");
    while (!program.stderr.includes("interrupted")) await new Promise((resolve) => setTimeout(resolve, 10));
    program.child.kill("SIGINT");
    expect(await program.finished()).toEqual({ code: 130, signal: null });
    expect(notes(program).filter((note) => note.startsWith("begin")).length).toBe(2);
    expect(notes(program).length).toBe(2);
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });
});
