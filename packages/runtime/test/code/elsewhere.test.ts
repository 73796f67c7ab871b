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
    "export enum Color { red = 1, green }\nexport class Point { constructor(public x: number) {} }\nexport function fail(): never {\n  throw new Error('failed');\n}\n",
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
      failedEnum: expect.stringMatching(/lib\/enum\.ts:\d+:\d+\)$/) as string,
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

  test("each module takes one question", async () => {
    const files = there.asked.filter((each) => each.t === "resolve");
    expect(there.asked.filter((each) => each.t === "load")).toEqual([]);
    expect(files.length).toBeLessThan(30);
  });
});
