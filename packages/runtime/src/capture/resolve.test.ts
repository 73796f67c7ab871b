import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { resolveImport, resolveRequire, resolveServed } from "./resolve.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "iono-resolve-")));
afterAll(() => rmSync(root, { recursive: true }));

function put(path: string, content: unknown = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
}

put("package.json", {
  name: "self",
  exports: { ".": "./main.mjs", "./own": "./src/a.ts" },
  imports: { "#inside/*": "./src/*.ts", "#dep": "dual" },
});
for (const path of [
  "main.mjs",
  "src/a.ts",
  "src/b.tsx",
  "src/folder/index.ts",
  "src/c.json",
  "src/exact.js",
  "src/exact.ts",
])
  put(path);
put("node_modules/dual/package.json", {
  main: "./index.cjs",
  exports: {
    ".": { require: "./index.cjs", import: "./index.mjs" },
    "./deep/*": { node: { default: "./lib/*.js" } },
    "./deep/private/*": null,
    "./deep/special": "./special.js",
    "./list": [{ never: "./nothing.js" }, "./special.js"],
  },
});
for (const path of ["index.mjs", "index.cjs", "lib/x.js", "lib/private/y.js", "special.js"])
  put(`node_modules/dual/${path}`);
put("node_modules/plain/package.json", { main: "lib/main" });
put("node_modules/plain/lib/main.js");
put("node_modules/plain/other.js");
put("node_modules/@scope/one/package.json", { exports: "./one.mjs" });
put("node_modules/@scope/one/one.mjs");
put("elsewhere/linked/package.json", {});
put("elsewhere/linked/index.js");
symlinkSync(join(root, "elsewhere/linked"), join(root, "node_modules/linked"));
put("elsewhere/linked/package.json", { main: "index.js" });

const parent = pathToFileURL(join(root, "src/a.ts")).href;
const at = (path: string): string => pathToFileURL(join(root, path)).href;

describe("imports resolve as in Node", () => {
  test.each<[string, string | undefined]>([
    ["fs", "node:fs"],
    ["node:fs/promises", "node:fs/promises"],
    ["./a.ts", "src/a.ts"],
    ["./exact.js", "src/exact.js"],
    ["dual", "node_modules/dual/index.mjs"],
    ["dual/deep/x", "node_modules/dual/lib/x.js"],
    ["dual/deep/private/y", undefined],
    ["dual/deep/special", "node_modules/dual/special.js"],
    ["dual/list", "node_modules/dual/special.js"],
    ["dual/index.cjs", undefined],
    ["plain", "node_modules/plain/lib/main.js"],
    ["plain/other.js", "node_modules/plain/other.js"],
    ["@scope/one", "node_modules/@scope/one/one.mjs"],
    ["linked", "elsewhere/linked/index.js"],
    ["self", "main.mjs"],
    ["self/own", "src/a.ts"],
    ["#inside/a", "src/a.ts"],
    ["#dep", "node_modules/dual/index.mjs"],
    ["#nothing", undefined],
    ["nowhere", undefined],
    ["./nowhere.ts", undefined],
  ])("%s", (specifier, expected) => {
    expect(resolveImport(specifier, parent)).toBe(
      expected === undefined || expected.startsWith("node:") ? expected : at(expected),
    );
  });

  test("a query stays", () => {
    expect(resolveImport("../main.mjs?x=1", parent)).toBe(`${at("main.mjs")}?x=1`);
  });

  test("and, for relative ones, as the usual loaders do", () => {
    expect(resolveImport("./a", parent)).toBe(at("src/a.ts"));
    expect(resolveImport("./a.js", parent)).toBe(at("src/a.ts"));
    expect(resolveImport("./b.js", parent)).toBe(at("src/b.tsx"));
    expect(resolveImport("./folder", parent)).toBe(at("src/folder/index.ts"));
  });

  test("from nowhere, only what is absolute", () => {
    expect(resolveImport("dual", "[eval1]")).toBeUndefined();
    expect(resolveImport("data:text/javascript,1", "[eval1]")).toBe("data:text/javascript,1");
  });
});

test("require resolves by its own conditions", () => {
  expect(resolveRequire("dual", parent)).toBe(join(root, "node_modules/dual/index.cjs"));
  expect(resolveRequire("nowhere", parent)).toBeUndefined();
});

test("what vite serves is found under the project's root or by its whole path", () => {
  expect(resolveServed("/packages/core/package.json", parent)).toMatch(/packages\/core\/package\.json$/);
  expect(resolveServed(`/@fs${join(root, "src/a.ts")}`, parent)).toBe(at("src/a.ts"));
  expect(resolveServed(join(root, "src/a.ts"), parent)).toBe(at("src/a.ts"));
  expect(resolveServed("node:path", parent)).toBe("node:path");
});
