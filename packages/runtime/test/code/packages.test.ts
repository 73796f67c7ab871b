/** Packages of a program that runs on another machine: they are that machine's own. */
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { workspaceRoot } from "@iono/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { version } from "../../src/version.ts";
import { machines, writeAll, type Machines } from "./elsewhere.ts";

const dual = JSON.stringify({
  name: "dual",
  version: "2.0.0",
  exports: { ".": { import: "./index.mjs", require: "./index.cjs" }, "./part": "./part.mjs" },
});

const program = {
  "package.json": JSON.stringify({ name: "program", type: "module", imports: { "#dual": "dual" } }),
  "main.ts": "export {};",
  "node_modules/dual/package.json": dual,
  "node_modules/dual/index.mjs": "export const from = 'home';",
  "node_modules/dual/index.cjs": "exports.from = 'home';",
  "node_modules/dual/part.mjs": "export const from = 'home';",
  "node_modules/homely/package.json": '{ "name": "homely", "version": "4.17.21", "main": "homely.js" }',
  "node_modules/homely/homely.js": "exports.from = 'home';",
  "node_modules/@scope/homely/package.json":
    '{ "name": "@scope/homely", "version": "1.0.0", "main": "x.js" }',
  "node_modules/@scope/homely/x.js": "",
  "node_modules/older/package.json": '{ "name": "older", "version": "2.0.0", "main": "x.js" }',
  "node_modules/older/x.js": "exports.from = 'home';",
  "node_modules/older/new.js": "exports.from = 'home';",
  "dual.ts": `
    import { from } from "dual";
    import { from as part } from "dual/part";
    import { from as internal } from "#dual";
    import { createRequire } from "node:module";
    const require = createRequire(import.meta.url);
    export default async () => [from, part, internal, require("dual").from, (await import("dual")).from, require.resolve("dual"), import.meta.resolve("dual")];`,
  "missing.ts": `import { from } from "homely"; export default () => from;`,
  "missing-scoped.cjs": `const { from } = require("@scope/homely/x.js"); module.exports = () => from;`,
  "nowhere.ts": `import "nowhere"; export default () => 1;`,
  "not-exported.ts": `export default () => import("dual/secret").catch((error) => error.code);`,
  "optional.ts": `
    import { createRequire } from "node:module";
    export default async () => {
      const tried: unknown[] = [];
      for (const load of [() => import("homely"), () => createRequire(import.meta.url)("homely"), () => createRequire(import.meta.url).resolve("homely"), () => import("nowhere")])
        try { await load(); } catch (error) { tried.push((error as { code: string }).code, ((error as Error).cause as { code?: string } | undefined)?.code); }
      return tried;
    };`,
  "older.ts": `import older from "older"; import again from "older"; export default () => [older.from, again.from];`,
  "iono.ts": `
    import * as iono from "iono";
    import { IonoError } from "@iono/core";
    export default async () => [typeof iono.remote, typeof IonoError, iono.IonoError === IonoError, (await import("iono")).remote === iono.remote, import.meta.resolve("@iono/core")];`,
  "iono.cjs": `const { remote } = require("iono"); module.exports = () => typeof remote;`,
} as const;

const nodeFiles = {
  "package.json": "{}",
  "node_modules/dual/package.json": dual,
  "node_modules/dual/index.mjs": "export const from = 'node esm';",
  "node_modules/dual/index.cjs": "exports.from = 'node cjs';",
  "node_modules/dual/part.mjs":
    "import { from as own } from 'dual'; import './inner.mjs'; export const from = 'part of ' + own;",
  "node_modules/dual/inner.mjs": "export {};",
  "node_modules/dual/secret.mjs": "export {};",
  "node_modules/older/package.json": '{ "name": "older", "version": "1.9.0", "main": "x.js" }',
  "node_modules/older/x.js": "exports.from = 'node';",
};

let there: Machines;
beforeAll(async () => {
  there = await machines({ program, node: nodeFiles });
  mkdirSync(join(there.nodeFolder, "node_modules/@iono"), { recursive: true });
  symlinkSync(join(workspaceRoot, "packages/iono"), join(there.nodeFolder, "node_modules/iono"));
});
afterAll(() => there.close());

test("each is the node's own, by what import and require name", async () => {
  const { nodeFolder } = there;
  const { result } = await there.run("dual.ts");
  expect(result).toEqual([
    "node esm",
    "part of node esm",
    "node esm",
    "node cjs",
    "node esm",
    join(nodeFolder, "node_modules/dual/index.cjs"),
    `file://${join(nodeFolder, "node_modules/dual/index.mjs")}`,
  ]);
});

test("one that is missing is one error that says what to do where", async () => {
  const { nodeFolder, urlOf } = there;
  const { result } = await there.run("missing.ts");
  expect(result).toMatchObject({
    name: "RuntimeEnvFailedError",
    code: "RuntimeEnvFailed",
    message: `package "homely" (4.17.21 in the program), which ${urlOf("missing.ts")} imports, is not installed on node gpu-3: run "npm i homely@4.17.21" in ${nodeFolder} there`,
  });
  expect((await there.run("missing-scoped.cjs")).result).toMatchObject({
    code: "RuntimeEnvFailed",
    message: expect.stringMatching(/^package "@scope\/homely" .*"npm i @scope\/homely@1\.0\.0"/) as string,
  });
});

test("one that the program has not either is said to be nowhere", async () => {
  expect((await there.run("nowhere.ts")).result).toMatchObject({
    message: expect.stringMatching(
      /^package "nowhere".* is installed neither on node gpu-3 nor with the program$/,
    ) as string,
  });
});

test("code that tries whether one is there sees Node's own code", async () => {
  expect((await there.run("optional.ts")).result).toEqual([
    ...["ERR_MODULE_NOT_FOUND", "RuntimeEnvFailed"],
    ...["MODULE_NOT_FOUND", "RuntimeEnvFailed"],
    ...["MODULE_NOT_FOUND", "RuntimeEnvFailed"],
    ...["ERR_MODULE_NOT_FOUND", "RuntimeEnvFailed"],
  ]);
  expect((await there.run("not-exported.ts")).result).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

test("one of another version is used, and said so once", async () => {
  const { result, warnings } = await there.run("older.ts");
  expect(result).toEqual(["node", "node"]);
  expect(warnings).toEqual(['package "older" is version 1.9.0 on node gpu-3, and 2.0.0 in the program']);
});

describe("by the place it has on the program's machine, as captured imports travel", () => {
  test("it is found on the node", async () => {
    expect((await there.run("node_modules/dual/part.mjs")).result).toMatchObject({
      message: expect.stringContaining("run is not a function") as string,
    });
    writeAll(there.nodeFolder, {
      "node_modules/dual/part.mjs": "export default () => import.meta.url;",
    });
    expect((await there.run("node_modules/dual/part.mjs")).result).toBe(
      `file://${join(there.nodeFolder, "node_modules/dual/part.mjs")}`,
    );
    expect((await there.run("file:///some/other/node/node_modules/dual/part.mjs")).result).toBe(
      `file://${join(there.nodeFolder, "node_modules/dual/part.mjs")}`,
    );
  });

  test("or missing", async () => {
    expect((await there.run("node_modules/homely/homely.js")).result).toMatchObject({
      code: "RuntimeEnvFailed",
      message: expect.stringMatching(
        /^package "homely" \(4\.17\.21 in the program\).*npm i homely@4\.17\.21/,
      ) as string,
    });
    expect((await there.run("node_modules/older/new.js")).result).toMatchObject({
      code: "RuntimeEnvFailed",
      message: 'package "older" of node gpu-3 has no new.js: it is version 1.9.0, and 2.0.0 in the program',
    });
  });
});

describe("iono", () => {
  test("is the node's own", async () => {
    const { result } = await there.run("iono.ts");
    expect(result).toEqual([
      "function",
      "function",
      true,
      true,
      `file://${join(workspaceRoot, "packages/core/src/index.ts")}`,
    ]);
    expect((await there.run("iono.cjs")).result).toBe("function");
  });

  test("has to be the same version", async () => {
    expect((await there.run("iono.ts", { version: "9.9.9" })).result).toMatchObject({
      code: "VersionMismatch",
      message: `the program uses iono 9.9.9, and node gpu-3 has ${version}: install the same on both`,
    });
  });
});

test("a node that has the program's folder by the same name uses the packages there, and none of its modules", async () => {
  const stale = join(there.nodeFolder, "stale");
  const copy = await machines({ program, home: stale });
  writeAll(stale, {
    ...Object.fromEntries(Object.keys(program).map((name) => [name, "throw new Error('an old copy');"])),
    "package.json": '{ "name": "dual", "exports": "./old.js" }',
    "node_modules/homely/package.json": '{ "name": "homely", "version": "4.17.21", "main": "homely.js" }',
    "node_modules/homely/homely.js": "exports.from = 'same folder';",
  });
  cpSync(join(there.nodeFolder, "node_modules/dual"), join(copy.nodeFolder, "node_modules/dual"), {
    recursive: true,
  });
  expect((await copy.run("missing.ts")).result).toBe("same folder");
  copy.close();
});
