import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { importingModule, isImporting, loadModules, moduleNamespace } from "./index.ts";
import { fileScopeUrl, globalsUrl, requiredUrl } from "./module-urls.ts";

const folder = mkdtempSync(join(tmpdir(), "iono-modules-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return pathToFileURL(join(folder, name)).href;
}

test("code of a module that is being imported is told apart from all other code", async () => {
  const probe = {
    asked: [] as (string | undefined)[],
    later: undefined as Promise<string | undefined> | undefined,
  };
  Object.assign(globalThis, { probe: () => importingModule(), probed: probe });
  const inner = file("inner.mjs", "probed.asked.push(probe());");
  const url = file(
    "outer.mjs",
    `import "./inner.mjs"; probed.asked.push(probe()); await new Promise(setImmediate); probed.asked.push(probe());
     probed.later = new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(() => resolve(probe())))));`,
  );
  const loading = loadModules([url]);
  const beside = new Promise<boolean>((resolve) => setImmediate(() => resolve(isImporting())));
  expect(isImporting()).toBe(false);
  await loading;
  expect(await beside).toBe(false);
  expect(probe.asked).toEqual([url, url, url]);
  expect(await probe.later).toBeUndefined();
  expect(inner).toContain("inner.mjs");
  Reflect.deleteProperty(globalThis, "probe");
  Reflect.deleteProperty(globalThis, "probed");
});

test("each module is imported once, and again after it failed", async () => {
  const url = file("bad.mjs", "throw new Error('first')");
  await expect(loadModules([url])).rejects.toThrow("first");
  expect(() => moduleNamespace(url)).toThrow(`module ${url} has not been loaded`);
  const good = file("good.mjs", "export const made = {};");
  await Promise.all([loadModules([good]), loadModules([good, "node:path"])]);
  const { made } = moduleNamespace(good);
  await loadModules([good]);
  expect(moduleNamespace(good).made).toBe(made);
  expect(moduleNamespace("node:path")).toHaveProperty("join");
});

test("CommonJS gives what require gives, wrapped as compilers wrap it", async () => {
  const plain = file("plain.cjs", "module.exports = { a: 1 };");
  const flagged = file("flagged.cjs", "exports.__esModule = true; exports.default = 2; exports.a = 1;");
  await loadModules([requiredUrl(plain), requiredUrl(flagged)]);
  expect(moduleNamespace(requiredUrl(plain))["module.exports"]).toEqual({ a: 1 });
  expect(moduleNamespace(requiredUrl(plain)).a).toBe(1);
  expect(moduleNamespace(requiredUrl(plain))["interop flagged"]).toMatchObject({ a: 1, default: { a: 1 } });
  expect(moduleNamespace(requiredUrl(flagged))["interop flagged"]).toMatchObject({ a: 1, default: 2 });
  expect(moduleNamespace(requiredUrl(flagged))["interop node"]).toMatchObject({ a: 1, default: { a: 1 } });
});

test("a package is found here by the place that another machine has it at", async () => {
  const acorn = await import("acorn");
  const there = "file:///srv/elsewhere/node_modules/acorn/dist/acorn.mjs";
  const required = requiredUrl(
    "file:///srv/elsewhere/node_modules/.pnpm/acorn@8/node_modules/acorn/dist/acorn.js",
  );
  await loadModules([there, required]);
  expect(moduleNamespace(there).parse).toBe(acorn.parse);
  expect(moduleNamespace(required)["module.exports"]).toHaveProperty("parse");
  await expect(loadModules(["file:///srv/elsewhere/node_modules/nothing/x.js"])).rejects.toMatchObject({
    code: "ERR_MODULE_NOT_FOUND",
  });
});

test("JSON is a module", async () => {
  const url = file("data.json", '{ "a": 1 }');
  await loadModules([url]);
  expect(moduleNamespace(url).default).toEqual({ a: 1 });
});

test("a file's surroundings are those of its own place", async () => {
  const url = file("place.mjs", "export default 1;");
  const scope = fileScopeUrl(url);
  await loadModules([scope]);
  const surroundings = moduleNamespace(scope) as {
    "import.meta": ImportMeta;
    "import()": (specifier: string) => Promise<{ default: unknown }>;
    require: NodeJS.Require;
    __dirname: string;
  };
  expect(surroundings["import.meta"]).toMatchObject({
    url,
    dirname: folder,
    filename: join(folder, "place.mjs"),
    main: false,
  });
  expect(surroundings["import.meta"].resolve("./place.mjs")).toBe(url);
  expect(() => surroundings["import.meta"].resolve("./nowhere.mjs")).toThrow(
    `Cannot find './nowhere.mjs' imported from ${url}`,
  );
  expect((await surroundings["import()"]("./place.mjs")).default).toBe(1);
  await expect(surroundings["import()"]("nowhere")).rejects.toMatchObject({ code: "ERR_MODULE_NOT_FOUND" });
  expect(surroundings.__dirname).toBe(folder);
  expect(surroundings.require.resolve("./place.mjs")).toBe(join(folder, "place.mjs"));
});

test("globals are found by path", async () => {
  await loadModules([globalsUrl]);
  const globals = moduleNamespace(globalsUrl);
  expect(globals["Array.prototype.map"]).toBe(Array.prototype.map);
  expect("Math.floor" in globals).toBe(true);
  expect("Math.nothing" in globals).toBe(false);
});
