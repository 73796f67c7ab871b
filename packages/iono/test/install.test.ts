/** The packages install and run as users will install and run them. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  installedSizes,
  installNode,
  npmInstall,
  packagesWithInstallScripts,
  packPackages,
  runProgram,
  snippetsOf,
  workspaceRoot,
} from "@iono/testing";

/** The oldest that is supported, and the newest of its line; 24 is the one that runs the tests. */
const otherNodes = { "Node 22.15": "22.15.0", "Node 22": "22.23.3" };

/** Prebuilt binaries are in these packages; their scripts only matter where there is none. */
const needlessScripts = new Set(["koffi", "msgpackr-extract", "zeromq"]);

const [program] = snippetsOf(readFileSync(join(workspaceRoot, "README.md"), "utf8"));

/** The same program as a CommonJS one: imports become `require`, and `await` moves into a function. */
function asCommonJs(source: string): string {
  const [imports, body] = [source.match(/^import .*$/gm) ?? [], source.replaceAll(/^import .*$/gm, "")];
  const requires = imports.map((line) => line.replace(/^import (.*) from (.*);$/, "const $1 = require($2);"));
  return `${requires.join("\n")}\n(async () => {\n${body}\n})();\n`;
}

const plain = stripTypeScriptTypes(program.source);
const forms = { "program.ts": program.source, "program.mjs": plain, "program.cjs": asCommonJs(plain) };

let scratch = "";
let installed: string;
let tarballs: string[];
const nodes: Record<string, string> = { "Node 24": process.execPath };

beforeAll(async () => {
  execFileSync(process.execPath, [join(workspaceRoot, "scripts/build.ts"), "--if-needed"], {
    stdio: "inherit",
  });
  scratch = mkdtempSync(join(tmpdir(), "install-"));
  installed = join(scratch, "installed");
  const others = Object.entries(otherNodes).map(async ([name, version]) => {
    nodes[name] = await installNode(join(scratch, name.replace(" ", "-")), version);
  });
  tarballs = await packPackages(workspaceRoot, join(scratch, "tarballs"));
  await npmInstall(installed, tarballs);
  for (const [name, source] of Object.entries(forms)) writeFileSync(join(installed, name), source);
  await Promise.all(others);
}, 120_000);

afterAll(() => {
  if (scratch !== "") rmSync(scratch, { recursive: true, force: true });
});

async function expectProgramRuns(folder: string, form: string, node: string): Promise<void> {
  const result = await runProgram({ file: join(folder, form), node, nodeArgs: [], cwd: folder });
  expect(result.stdout.split("\n").slice(0, -1), result.stderr).toEqual(program.prints);
  expect(result.exitCode).toBe(0);
}

describe("the packages", () => {
  test("no install script is needed", () => {
    const unknown = packagesWithInstallScripts(installed).filter((name) => !needlessScripts.has(name));
    expect(unknown).toEqual([]);
  });

  test("iono brings exactly the packages of its own version", () => {
    const manifest = (name: string): { version: string; dependencies?: Record<string, string> } =>
      JSON.parse(readFileSync(join(installed, "node_modules", name, "package.json"), "utf8")) as never;
    const { version, dependencies } = manifest("iono");
    expect(dependencies).toMatchObject({ "@iono/core": version, "@iono/runtime": version });
    expect(manifest("@iono/runtime").dependencies).toMatchObject({ "@iono/core": version });
    expect(manifest("@iono/core").dependencies).toBeUndefined();
  });

  test("each carries the licence, a README and declarations, and no source condition", () => {
    for (const name of ["iono", "@iono/runtime", "@iono/core"]) {
      const folder = join(installed, "node_modules", name);
      for (const file of ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]) {
        expect(existsSync(join(folder, file)), `${name}/${file}`).toBe(true);
      }
      expect(readFileSync(join(folder, "package.json"), "utf8")).not.toContain("iono-source");
    }
  });

  test("npm links the command", () => {
    const version = execFileSync(join(installed, "node_modules/.bin/iono"), ["--version"], {
      encoding: "utf8",
    });
    expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("publint and attw find nothing", () => {
    const run = (script: string, ...argv: string[]): string =>
      execFileSync(process.execPath, [join(workspaceRoot, "node_modules", script), ...argv], {
        encoding: "utf8",
      });
    for (const tarball of tarballs) {
      expect(run("publint/src/cli.js", "run", tarball, "--strict")).toContain("All good!");
      run("@arethetypeswrong/cli/dist/index.js", "--profile", "esm-only", tarball);
    }
  });

  test("the installed size is within bounds", () => {
    const sizes = installedSizes(installed);
    const totalBytes = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    const largest = sizes.slice(0, 4).map(({ name, bytes }) => `${name} ${mebibytes(bytes)}`);
    console.log(
      `installed size: ${mebibytes(totalBytes)} in ${sizes.length} packages (${largest.join(", ")})`,
    );
    expect(totalBytes).toBeLessThan(150 * 2 ** 20);
  });
});

describe.each(["Node 22.15", "Node 22", "Node 24"])("on %s", (name) => {
  test("the command runs", async () => {
    const file = join(installed, "node_modules/iono/dist/cli.js");
    const result = await runProgram({
      file,
      argv: ["doctor", "--json"],
      node: nodes[name],
      nodeArgs: [],
      cwd: installed,
    });
    const { facts } = JSON.parse(result.stdout) as { facts: { node: string; koffi: { error?: string } } };
    expect(`Node ${facts.node}`.startsWith(name)).toBe(true);
    expect(facts.koffi.error).toBeUndefined();
  });

  test.for(Object.keys(forms))("the README's program runs as %s", async (form, { skip }) => {
    skip(name === "Node 22.15" && form.endsWith(".ts"), "needs a flag before 22.18");
    await expectProgramRuns(installed, form, nodes[name]);
  });
});

describe.each(["Node 22.15", "Node 24"])("a cluster on %s", (name) => {
  test("starts by the command, and runs the README's program", async () => {
    const home = mkdtempSync(join(tmpdir(), "home-"));
    const run = (file: string, argv: string[], env = {}) =>
      runProgram({
        file: join(installed, file),
        argv,
        node: nodes[name],
        nodeArgs: [],
        cwd: installed,
        env: { HOME: home, ...env },
        timeoutMs: 60_000,
      });
    const cli = "node_modules/iono/dist/cli.js";
    const flags = ["--head", "--port", "0", "--cpus", "2", "--name", "packed", "--json"];
    const started = await run(cli, ["start", ...flags]);
    const { address, token } = JSON.parse(started.stdout) as { address: string; token: string };
    try {
      const result = await run("program.mjs", [], { IONO_ADDRESS: address, IONO_TOKEN: token });
      expect(result.stdout.split("\n").slice(0, -1), result.stderr).toEqual(program.prints);
    } finally {
      const stopped = await run(cli, ["stop", "packed"]);
      expect(stopped.exitCode, stopped.stderr).toBe(0);
      rmSync(home, { recursive: true, force: true });
    }
  }, 120_000);
});

test("it runs installed without any install script", async () => {
  const folder = join(scratch, "no-scripts");
  await npmInstall(folder, tarballs, ["--ignore-scripts"]);
  writeFileSync(join(folder, "program.mjs"), plain);
  await expectProgramRuns(folder, "program.mjs", process.execPath);
}, 60_000);

test("the classes of iono are the same inside a task", async () => {
  const file = join(installed, "identity.mjs");
  writeFileSync(
    file,
    `import { get, IonoError, remote } from "iono";
    const never = remote(() => new Promise(() => {}));
    const inner = remote(async () => {
      try {
        await get(never.remote(), { timeout: 1 });
      } catch (error) {
        return [error instanceof IonoError, error.code];
      }
    });
    console.log(await get(inner.remote()));`,
  );
  const { stdout, stderr } = await runProgram({ file, nodeArgs: [], cwd: installed });
  expect(stdout, stderr).toBe("[ true, 'GetTimeout' ]\n");
});
