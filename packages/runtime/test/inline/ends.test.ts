import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const library = new URL("../../src/index.ts", import.meta.url).href;

it("a program with init({ inline: true }) ends by itself, with its own exit code", async () => {
  const folder = mkdtempSync(join(tmpdir(), "iono-inline-"));
  const program = join(folder, "program.mts");
  writeFileSync(
    program,
    `import { get, init, remote } from ${JSON.stringify(library)};
await init({ inline: true });
const Counter = remote(class { n = 0; async add(k: number) { return (this.n += k); } });
const counter = Counter.remote();
const slow = remote(async () => { await new Promise((resolve) => setTimeout(resolve, 50)); console.log("the task ran"); return 2; });
console.log(await get(counter.add.remote(1)), await get(slow.remote()));
slow.remote();
process.exitCode = 3;
`,
  );
  const child = spawn(
    process.execPath,
    ["--conditions=iono-source", "--disable-warning=ExperimentalWarning", program],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  expect(output).toBe("the task ran\n1 2\nthe task ran\n");
  expect(code).toBe(3);
  rmSync(folder, { recursive: true });
});
