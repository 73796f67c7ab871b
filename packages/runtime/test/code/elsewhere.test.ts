/** Modules of a program that runs on a machine without its files. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machines, type Machines } from "./elsewhere.ts";

const program = {
  "package.json": JSON.stringify({
    name: "program",
    type: "module",
    imports: { "#tool": "./lib/tool.ts", "#dep": "dep/part.js", "#path": "node:path" },
    exports: { "./self": "./lib/tool.ts" },
    dependencies: { lodash: "*" },
  }),
  "main.ts": "export const entry = 1; throw new Error('the entry ran');",
  "lib/tool.ts":
    "export type Kind = 'a';\nexport const tool: Kind = 'a';\nexport function fail(this: void): never {\n  throw new Error('failed');\n}\n",
  "lib/enum.ts":
    "export enum Color { red = 1, green }\nexport class Point { constructor(public x: number) {} }\n\n\ninterface Shape {\n  x: number }\nexport function fail(): never {\n  throw new Error('failed');\n}\n",
  "lib/old.cjs":
    "const { other } = require('./other'); exports.old = 'old'; exports.other = other; exports.where = __filename; exports.self = () => require('./old.cjs') === exports; exports.located = () => require.resolve('./other'); exports.modern = () => require('./modern.mjs').modern; exports.data = require('./data.json').a;",
  "lib/other.cjs": "exports.other = 'other';",
  "lib/modern.mjs": "export const modern = 'modern';",
  "lib/data.json": '{ "a": 1 }',
  "lib/strict.cts": "const x: number = 3; module.exports = { strict: x };",
  "untyped/package.json": "{}",
  "untyped/module.js": "export const kind = typeof require;",
  "untyped/script.js": "exports.kind = typeof require;",
  "untyped/typed.ts": "export const kind: string = typeof module;",
  "everything.ts": `
    import { tool, fail } from "./lib/tool.js";
    import * as enums from "./lib/enum.ts";
    import { old, other, where, self, located, modern, data } from "./lib/old.cjs";
    import whole from "./lib/old.cjs";
    import json from "./lib/data.json" with { type: "json" };
    import strict from "./lib/strict.cts";
    import { tool as ours } from "#tool";
    import { tool as own } from "program/self";
    import { join } from "#path";
    import { kind as moduleKind } from "./untyped/module.js";
    import { kind as scriptKind } from "./untyped/script.js";
    import { kind as typedKind } from "./untyped/typed.ts";
    import { createRequire } from "node:module";
    const require = createRequire(import.meta.url);
    export default async function () {
      const later = await import("./lib/" + "modern.mjs");
      const twice = await import("./lib/modern.mjs?twice");
      const frame = (call: () => void): string => { try { call(); return ""; } catch (error) { return (error as Error).stack!.split("\\n")[1]!.trim(); } };
      return { tool, ours, own, old, other, where, self: self(), located: located(), modern: modern(), data, same: whole === require("./lib/old.cjs"),
        json: json.a, strict: strict.strict, joined: join("a", "b"), kinds: [moduleKind, scriptKind, typedKind],
        later: later.modern, isOne: later === await import("./lib/modern.mjs"), isAnother: twice !== later,
        color: enums.Color.green, point: new enums.Point(3).x, failed: frame(fail), failedEnum: frame(enums.fail),
        meta: [import.meta.url, import.meta.dirname, import.meta.filename, import.meta.resolve("./lib/tool.ts")], required: require.resolve("./lib/tool.ts") };
    }`,
} as const;

describe("a program of every kind of module", () => {
  let there: Machines;
  beforeAll(async () => (there = await machines({ program })));
  afterAll(() => there.close());

  test("runs as at home, and by the names it has there", async () => {
    const { home, urlOf } = there;
    const { result, warnings, printed } = await there.run("everything.ts");
    expect(result).toEqual({
      tool: "a",
      ours: "a",
      own: "a",
      old: "old",
      other: "other",
      where: join(home, "lib/old.cjs"),
      self: true,
      located: join(home, "lib/other.cjs"),
      modern: "modern",
      data: 1,
      same: true,
      json: 1,
      strict: 3,
      joined: "a/b",
      kinds: ["undefined", "function", "undefined"],
      later: "modern",
      isOne: true,
      isAnother: true,
      color: 2,
      point: 3,
      failed: `at fail (${urlOf("lib/tool.ts")}:4:9)`,
      failedEnum: expect.stringMatching(/lib\/enum\.ts:8:9\)$/) as string,
      meta: [urlOf("everything.ts"), home, join(home, "everything.ts"), urlOf("lib/tool.ts")],
      required: join(home, "lib/tool.ts"),
    });
    expect(warnings).toEqual([]);
    expect(printed).toBe("");
  });

  test("a second worker of the node asks nothing of the program's machine", async () => {
    await there.run("everything.ts");
    const before = there.asked.length;
    await there.run("everything.ts");
    expect(there.asked.length).toBe(before);
  });

  test("one question brings all that a module imports; names that only running it tells take more", () => {
    const questions = there.asked.map((each) => (each.t === "resolve" ? each.specifier : each));
    expect(questions).toEqual([there.urlOf("everything.ts"), "./lib/tool.ts", "./lib/tool.ts"]);
  });
});

describe("what does not come", () => {
  const broken = {
    "package.json": '{ "type": "module" }',
    "main.ts": "export {};",
    "gone.ts": `import "./nowhere.ts"; export default () => 1;`,
    "gone.cjs": `require("./nowhere"); module.exports = () => 1;`,
    "outside.ts": `import "../outside.ts"; export default () => 1;`,
    "native.cjs": `require("./build/x.node"); module.exports = () => 1;`,
    "build/x.node": "",
    "view.ts": `import "./view.tsx"; export default () => 1;`,
    "view.tsx": "export const view = <a/>;",
    "decorated.ts": "function d(_: unknown) {}\n@d class A {}\nexport default () => A;",
    "caught.ts": `export default async () => { const codes = []; for (const each of ["./nowhere.ts", "../outside.ts", "file:///nowhere/x.mjs", "/nowhere/passwd.js", "./" + "x".repeat(5000)]) await import(each).catch((error) => codes.push(error.code)); return codes; };`,
    "own.ts": `
      import { writeFileSync } from "node:fs"; import { join } from "node:path"; import { tmpdir } from "node:os"; import { pathToFileURL } from "node:url";
      export default async () => { const path = join(tmpdir(), "made-" + process.pid + ".mjs"); writeFileSync(path, "export const made = import.meta.url;");
        const { made } = await import(path); const again = await import(pathToFileURL(path).href); return made === pathToFileURL(path).href && again.made === made; };`,
  };
  let there: Machines;
  beforeAll(async () => (there = await machines({ program: broken })));
  afterAll(() => there.close());

  test.each([
    [
      "gone.ts",
      "ERR_MODULE_NOT_FOUND",
      /^Cannot find module '\.\/nowhere\.ts' imported from .*gone\.ts on the program's machine$/,
    ],
    ["gone.cjs", "MODULE_NOT_FOUND", /^Cannot find module '\.\/nowhere' imported from .*gone\.cjs/],
    [
      "outside.ts",
      "RuntimeEnvFailed",
      /^\.\.\/outside\.ts imported from .*outside\.ts does not come to node gpu-3: .*lies outside of .*keep them together, below one package\.json/,
    ],
    [
      "native.cjs",
      "RuntimeEnvFailed",
      /x\.node is native code, which is built for one machine: install it on each as a package/,
    ],
    [
      "view.ts",
      undefined,
      /view\.tsx is JSX, which Node does not run: compile the program before it is started/,
    ],
    ["decorated.ts", undefined, /decorated\.ts|Decorators|Invalid or unexpected token/],
  ])("%s", async (module, code, message) => {
    const { result } = await there.run(module);
    expect(result).toMatchObject({ failed: true, message: expect.stringMatching(message) as string });
    expect((result as { code?: string }).code).toBe(code);
  });

  test("can be caught", async () => {
    expect((await there.run("caught.ts")).result).toEqual([
      "ERR_MODULE_NOT_FOUND",
      "RuntimeEnvFailed",
      "RuntimeEnvFailed",
      "RuntimeEnvFailed",
      "ERR_MODULE_NOT_FOUND",
    ]);
  });

  test("what a task wrote on its own machine is imported from there", async () => {
    expect((await there.run("own.ts")).result).toBe(true);
  });
});

describe("a program's machine that does not answer", () => {
  const small = { "package.json": '{ "type": "module" }', "main.ts": "", "a.ts": "export default () => 1;" };

  test("ends a wait with an error that names the module, and is asked again by the next import", async () => {
    let isBack = false;
    const there = await machines({
      program: {
        ...small,
        "twice.ts": `export default async () => { const name = "./a.ts"; const first = await import(name).catch((error) => error.message); return [first, (await import(name)).default()]; };`,
      },
      answerMs: 200,
      ask: (request, server) => {
        if (request.t === "resolve" && request.specifier === "./a.ts" && !isBack) {
          isBack = true;
          return new Promise(() => {});
        }
        return server.answer(request);
      },
    });
    const { result, warnings } = await there.run("twice.ts");
    expect(warnings).toEqual(["Unreachable"]);
    expect(result).toEqual([
      expect.stringMatching(
        /^\.\/a\.ts imported from .*twice\.ts: the program's machine cannot be asked by node gpu-3: no answer within 200ms$/,
      ) as string,
      1,
    ]);
    there.close();
  });

  test("that is known to be gone is said at once", async () => {
    const there = await machines({
      program: small,
      ask: () => Promise.reject(new Error("node 7 has been declared dead")),
    });
    expect((await there.run("a.ts")).result).toMatchObject({
      code: "Unreachable",
      message: expect.stringMatching(/a\.ts.*node 7 has been declared dead$/) as string,
    });
    there.close();
  });

  test("nor an agent that is gone, or does not know the worker", async () => {
    const there = await machines({ program: small });
    for (const wrong of [{ socketPath: "/nowhere/x" }, { secret: "another" }, { process: 99 }])
      expect((await there.run("a.ts", wrong)).result).toMatchObject({ code: "ClusterLost" });
    there.close();
  });
});

test("workspace packages come from their own folders", async () => {
  const there = await machines({
    program: {
      "package.json": '{ "workspaces": ["apps/*", "packages/*"] }',
      "apps/main/package.json": '{ "name": "main", "type": "module" }',
      "apps/main/main.ts": "",
      "apps/main/run.ts": `import { one } from "@me/one"; export default () => one;`,
      "packages/one/package.json": '{ "name": "@me/one", "type": "module", "exports": "./src/one.ts" }',
      "packages/one/src/one.ts": `import { two } from "@me/two"; import { deep } from "./deep.ts"; export const one = ["one", two, deep, import.meta.url];`,
      "packages/one/src/deep.ts": `export const deep: string = "deep"; export default () => deep;`,
      "packages/two/package.json": '{ "name": "@me/two", "main": "two.js" }',
      "packages/two/two.js": `exports.two = "two";`,
    },
    links: {
      "apps/main/node_modules/@me/one": "packages/one",
      "packages/one/node_modules/@me/two": "packages/two",
    },
    entry: "apps/main/main.ts",
  });
  expect((await there.run("apps/main/run.ts")).result).toEqual([
    "one",
    "two",
    "deep",
    there.urlOf("packages/one/src/one.ts"),
  ]);
  // A captured import names the file itself.
  expect((await there.run("packages/one/src/deep.ts")).result).toBe("deep");
  there.close();
});

test("the program's entry is never run, also when a module imports it", async () => {
  const there = await machines({
    program: {
      "package.json": '{ "type": "module" }',
      "main.ts":
        "import { helper } from './helper.ts';\nexport function twice(x: number): number { return 2 * x; }\nexport * from './more.ts';\nthrow new Error('the entry ran');",
      "more.ts": "export const more = 'more';",
      "helper.ts":
        "import { twice, more } from './main.ts'; export const helper = 1; export default () => { try { twice(1); return 'no error'; } catch (error) { return [(error as Error).message, more]; } };",
    },
  });
  expect((await there.run("helper.ts")).result).toEqual([
    expect.stringMatching(
      /^`twice` of the program's entry file:.*main\.ts does not exist in a worker/,
    ) as string,
    "more",
  ]);
  there.close();
});

test("functions of the program travel on by the names that the program's machine has", async () => {
  const there = await machines({
    program: {
      "package.json": '{ "type": "module" }',
      "main.ts": "",
      "node_modules/dep/package.json": '{ "name": "dep", "main": "dep.js" }',
      "node_modules/dep/dep.js": "exports.dep = 'home';",
      "lib/tool.ts":
        "export const tool = 'tool'; export const shared = () => 'shared'; export default () => shared;",
      "lib/later.ts": "export const later = 'later';",
      "lib/old.cjs": "exports.old = 'old';",
      "inner.ts": `
        import { join } from "node:path"; import { tool } from "./lib/tool.ts"; import { dep } from "dep"; import { createRequire } from "node:module";
        const require = createRequire(import.meta.url);
        const { old } = require("./lib/old.cjs");
        const mine = { a: 1 };
        export default () => async () => [tool, dep, old, mine.a, join("a", "b"), (await import("./lib/later.ts")).later, import.meta.url, require("./lib/old.cjs").old];`,
      "inner.cjs": `const { old } = require("./lib/old.cjs"); const dep = require("dep"); module.exports = () => async () => [old, dep.dep, __dirname, (await import("./lib/later.ts")).later, require("./lib/old.cjs").old];`,
    },
    node: {
      "node_modules/dep/package.json": '{ "name": "dep", "main": "dep.js" }',
      "node_modules/dep/dep.js": "exports.dep = 'node';",
    },
  });
  const { home, urlOf, nodeFolder } = there;
  expect((await there.run("lib/tool.ts")).result).toEqual({
    kind: "import",
    url: urlOf("lib/tool.ts"),
    name: "shared",
  });
  const inner = await there.run("inner.ts");
  expect(inner.result).toMatchObject({
    url: urlOf("inner.ts"),
    line: 5,
    result: ["tool", "node", "old", 1, "a/b", "later", urlOf("inner.ts"), "old"],
  });
  expect((inner.result as { named: unknown }).named).toMatchObject({
    tool: `${urlOf("lib/tool.ts")} tool`,
    dep: `${urlOf("node_modules/dep/dep.js")} dep`,
    mine: "a object",
  });
  const commonJs = await there.run("inner.cjs");
  expect(commonJs.result).toMatchObject({
    url: urlOf("inner.cjs"),
    result: ["old", "node", home, "later", "old"],
  });
  expect(nodeFolder).not.toBe(home);
  there.close();
});
