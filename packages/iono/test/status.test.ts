/** `iono status` and a real program. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linkedFolder, runProgram, sourceNodeArgs, workspaceRoot } from "@iono/testing";

interface Report {
  programs: {
    driverPid: number;
    program: string;
    nodes: { resources: { total: { CPU: number } }; actors: object[]; demand: object[] }[];
  }[];
}

const program = `
import { get, init, remote } from "iono";
await init({ numCpus: 1 });
class Counter { n = 0; add() { return ++this.n; } }
const counter = remote(Counter).options({ name: "hits" }).remote();
await get(counter.add.remote());
const never = remote(() => new Promise(() => {}), { numCpus: 1 });
const waiting = remote(() => 1, { resources: { licence: 1 } }).remote();
console.log("ready");
await get([never.remote(), waiting]);
`;

test.runIf(process.platform === "linux")(
  "shows resources, actors and demand of a running program",
  async () => {
    using folder = linkedFolder();
    const file = join(folder.path, "running.ts");
    writeFileSync(file, program);
    const child = spawn(process.execPath, [...sourceNodeArgs, file], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(child.stdout, "data");
      const cli = join(workspaceRoot, "packages/iono/src/cli/main.ts");
      const json = await runProgram({ file: cli, argv: ["status", "--json"] });
      const found = (JSON.parse(json.stdout) as Report).programs.find(
        ({ driverPid }) => driverPid === child.pid,
      );
      expect(found?.program).toContain("running.ts");
      const [node] = found!.nodes;
      expect(node.resources.total.CPU).toBe(1);
      expect(node.actors).toContainEqual({ className: "Counter", name: "hits", state: "alive" });
      expect(node.demand).toContainEqual({ shape: expect.stringContaining("licence=1") as string, count: 1 });
      const text = await runProgram({ file: cli, argv: ["status"] });
      expect(text.stdout).toContain('Counter "hits", alive');
    } finally {
      child.kill("SIGKILL");
    }
  },
);
