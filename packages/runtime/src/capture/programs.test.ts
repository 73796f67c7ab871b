/** Whole programs of every flavour, each sending its functions to a fresh process and comparing what they do there. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url));
const conditions = "--conditions=iono-source";
const tsx = join(dirname(createRequire(import.meta.url).resolve("tsx/package.json")), "dist/loader.mjs");

interface Outcome {
  readonly differences: Record<string, unknown>;
  readonly warnings: readonly string[];
  readonly results: Record<string, string>;
  readonly stdout: string;
  readonly stderr: string;
}

function start(arguments_: readonly string[]): Outcome {
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawnSync(process.execPath, arguments_, {
    encoding: "utf8",
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  const line = child.stdout.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`the program printed no outcome: ${child.stdout}${child.stderr}`);
  return JSON.parse(line) as Outcome;
}

describe("run by Node itself", () => {
  test.each(["program.ts", "program.mjs", "program.cjs"])("%s does the same elsewhere", (file) => {
    const outcome = start([conditions, join(fixtures, file)]);
    expect(outcome.stderr).toBe("");
    expect(outcome.differences).toEqual({});
    expect(outcome.results.fail).toContain(join(fixtures, file));
  });

  test("assigning a captured name warns once, and the entry never runs again", () => {
    const { warnings, stdout } = start([conditions, join(fixtures, "program.ts")]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/function `assigns` .*program\.ts:\d+\) assigns `factor`/);
    expect(stdout.trim()).toBe("");
  });
});

test.each([
  ["Node", []],
  ["tsx", ["--import", tsx]],
])("functions made by functions that travelled travel on, under %s", (_name, flags) => {
  const child = spawnSync(process.execPath, [conditions, ...flags, join(fixtures, "nested.ts")], {
    encoding: "utf8",
  });
  const [here, ...copies] = JSON.parse(child.stdout) as string[];
  expect(copies).toHaveLength(3);
  // Compiled code comes back to its lines, not always to its columns.
  const lines = (text: string): string => text.replaceAll("/./", "/").replaceAll(/(\.ts:\d+):\d+/g, "$1");
  for (const copy of copies) expect(lines(copy)).toBe(lines(here));
});

test("a compiled file's functions stand where its source map says, when Node follows it", () => {
  const folder = mkdtempSync(join(tmpdir(), "iono-mapped-"));
  const ship = new URL("fixtures/ship.ts", import.meta.url).href;
  const [head, body] = [
    'import { ship } from "./ship.ts";',
    "void ship({ fail: () => { throw new Error(text); } });",
  ];
  // Line 0 of the compiled file is line 0, and line 1 is line 3, of the other.
  const map = { version: 3, sources: ["original.ts"], names: [], mappings: "AAAA;AAGA" };
  writeFileSync(join(folder, "original.ts"), `${head}\n\n\n${body}`);
  writeFileSync(join(folder, "compiled.mjs.map"), JSON.stringify(map));
  writeFileSync(
    join(folder, "compiled.mjs"),
    `${head.replace("./ship.ts", ship)} const text = "x";\n${body}\n//# sourceMappingURL=compiled.mjs.map`,
  );
  const mapped = start([conditions, "--enable-source-maps", join(folder, "compiled.mjs")]);
  expect(mapped.results.fail).toMatch(/original\.ts:4:/);
  expect(JSON.stringify(mapped.differences).replaceAll(/:\d+"/g, '"')).toMatch(
    /^\{\}$|original\.ts:4".*original\.ts:4"/,
  );
  const plain = start([conditions, join(folder, "compiled.mjs")]);
  expect(plain.differences).toEqual({});
  expect(plain.results.fail).toMatch(/compiled\.mjs:2:/);
  rmSync(folder, { recursive: true });
});

test("exports of other modules travel by reference, all else by value", () => {
  const child = spawnSync(process.execPath, [conditions, join(fixtures, "by-reference.ts")], {
    encoding: "utf8",
  });
  expect(JSON.parse(child.stdout)).toEqual({
    scaled: "neighbour.ts scaled",
    default: "neighbour.ts default",
    Shape: "neighbour.ts Shape",
    commonjs: "iono:require:neighbour.cjs triple",
    hidden: "by value",
    wrapper: "exporter.ts wrapper",
    own: "by value",
  });
});

describe("an entry that its helpers import", () => {
  test("does not run again, and gives what travelled", () => {
    const { differences, stdout, stderr } = start([conditions, join(fixtures, "cyclic-entry.ts")]);
    expect([stdout.trim(), stderr]).toEqual(["", ""]);
    expect(Object.keys(differences)).toEqual(["missing"]);
    expect(differences.missing).toMatchObject({
      there: expect.stringMatching(
        /^`config` of the program's entry file:.*cyclic-entry\.ts does not exist in a worker/,
      ) as string,
    });
  });

  test("also when it is CommonJS", () => {
    const { differences, stdout, stderr } = start([conditions, join(fixtures, "cyclic-entry.cjs")]);
    expect([stdout.trim(), stderr]).toEqual(["", ""]);
    expect(Object.keys(differences)).toEqual(["missing"]);
  });
});

describe("run by tsx", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "iono-capture-"));
    for (const file of ["neighbour.ts", "neighbour.cjs", "data.json"])
      cpSync(join(fixtures, file), join(folder, file));
    for (const [from, to] of [
      ["program-tsx.txt", "program.ts"],
      ["program-tsx.txt", "program.cts"],
    ] as const) {
      const text = readFileSync(join(fixtures, from), "utf8").replace(
        "./ship.ts",
        new URL("fixtures/ship.ts", import.meta.url).href,
      );
      writeFileSync(join(folder, to), text);
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("TypeScript that Node cannot run does the same elsewhere, on the lines of its file", () => {
    const outcome = start([conditions, "--import", tsx, join(folder, "program.ts")]);
    expect(outcome.differences).toEqual({});
    expect(outcome.results.fail).toMatch(/program\.ts:31:9$/);
  });

  test("plain TypeScript does the same elsewhere, save its text and columns", () => {
    const { differences } = start([conditions, "--import", tsx, join(fixtures, "program.ts")]);
    const columns = JSON.parse(JSON.stringify(differences).replaceAll(/(\.ts:\d+):\d+/g, "$1")) as Record<
      string,
      { here: string; there: string }
    >;
    expect(Object.keys(columns)).toContain("sources");
    for (const [name, { here, there }] of Object.entries(columns))
      if (name !== "sources") expect(there, name).toBe(here);
  });
});
