import { describe, expect, it } from "vitest";
import { graceMs, Program } from "./program.ts";

describe("a program that ends", () => {
  it("ends by itself, with its own exit code, without shutdown()", async () => {
    for (const code of [0, 7]) {
      using program = new Program("ends-by-itself.ts", String(code));
      expect(await program.finished()).toEqual({ code, signal: null });
      expect(program.stdout).toBe("16\n");
      expect(program.stderr).toBe("");
      expect(await program.leftAfter(graceMs)).toEqual([]);
    }
  });

  it("finishes tasks that nobody gets", async () => {
    using program = new Program("fire-and-forget.ts", "@dir/notes");
    expect((await program.finished()).code).toBe(0);
    expect(program.notes.map(Number).toSorted((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("process.exit(3) in the middle leaves nothing behind", async () => {
    using program = new Program("exits-midway.ts");
    expect((await program.finished()).code).toBe(3);
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("fails what waits for workers that cannot start", async () => {
    using program = new Program("no-workers.ts");
    expect((await program.finished()).code, program.stderr).toBe(0);
    expect(program.lines).toEqual(["WorkerDied true", "ActorDied true"]);
  });

  it("an uncaught error ends it as it ends any program", async () => {
    using program = new Program("throws.ts");
    expect((await program.finished()).code).toBe(1);
    expect(program.stderr).toContain("the program is wrong");
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("init twice is refused; shutdown and init start again; await using; no descriptor stays", async () => {
    using program = new Program("starts-again.ts");
    expect((await program.finished()).code, program.stderr).toBe(0);
    expect(program.lines).toEqual([
      "BadOption",
      "1",
      "ShutDown",
      "ShutDown",
      "1 function",
      "1 function",
      "1 function",
      "0",
    ]);
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("shows all that tasks printed, in order, with name and pid", async () => {
    using program = new Program("prints.ts");
    expect((await program.finished()).code).toBe(0);
    const pid = /^pid (\d+)$/m.exec(program.stdout)?.[1];
    const prefix = `(many pid=${pid}) `;
    const printed = program.lines.filter((line) => line.startsWith("("));
    expect(printed.slice(0, 3000)).toEqual(Array.from({ length: 3000 }, (_, i) => `${prefix}line ${i}`));
    expect(printed.slice(3000)).toEqual([`${prefix}no end`]);
    expect(program.stderr).toBe(`${prefix}to stderr\n`);
  });

  it("shows what a task prints while it computes", async () => {
    using program = new Program("prints-live.ts");
    await program.printed("begin");
    expect(program.stdout).not.toContain("done");
    await program.finished();
    expect(program.lines.at(-1)).toBe("done");
  });
});
