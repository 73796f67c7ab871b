import { describe, expect, it } from "vitest";
import { graceMs, Program } from "./program.ts";

async function spinning(): Promise<{ program: Program; agent: number }> {
  const program = new Program("spins.ts");
  await program.printed("agent");
  const { agent } = JSON.parse(program.lines[0]) as { agent: number };
  return { program, agent };
}

describe("kill -9, with workers in an endless loop", () => {
  it("of the driver: nothing is left", async () => {
    const { program } = await spinning();
    using _ = program;
    program.child.kill("SIGKILL");
    await program.ended;
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("of the agent: no worker is left", async () => {
    const { program, agent } = await spinning();
    using _ = program;
    process.kill(agent, "SIGKILL");
    const deadline = performance.now() + graceMs;
    const others = (): string[] => program.left().filter((line) => !line.includes("spins.ts"));
    while (others().length > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 25));
    expect(others()).toEqual([]);
  });

  it("of both at once: nothing is left", async () => {
    const { program, agent } = await spinning();
    using _ = program;
    process.kill(agent, "SIGKILL");
    program.child.kill("SIGKILL");
    await program.ended;
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });

  it("of the agent: pending gets fail with ClusterLost within 2 s, and the program may start again", async () => {
    using program = new Program("loses-its-agent.ts");
    expect((await program.finished()).code, program.stderr).toBe(0);
    expect(program.lines).toEqual([
      "ClusterLost ClusterLost ClusterLost ClusterLost in time",
      "ClusterLost true",
      "again",
    ]);
    expect(await program.leftAfter(graceMs)).toEqual([]);
  });
});
