/** The same program in every form that users write or build it in. One is started without its extension. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { extname, join } from "node:path";
import { workspaceRoot } from "@iono/testing";

const sources = join(import.meta.dirname, "fixtures");
const fromRoot = createRequire(join(workspaceRoot, "package.json"));

/** The parts of esbuild (a dependency of tsx) that are used. */
interface Esbuild {
  transformSync(text: string, options: object): { code: string; map: string };
}
const esbuild = createRequire(fromRoot.resolve("tsx/package.json"))("esbuild") as Esbuild;

export interface Flavour {
  readonly name: string;
  /** Node's own flags, beside those that find iono. */
  readonly flags: readonly string[];
  /** Below the run's folder: what Node runs, with its arguments. */
  readonly command: readonly [file: string, ...argv: string[]];
  /** The file that stacks should point at. */
  readonly shown: string;
  /** Node itself meets TypeScript, here or in a worker. */
  readonly needsStripping?: true;
  /** Writes the program into `folder`. */
  write(folder: string): void;
}

const tsx = join(fromRoot.resolve("tsx/package.json"), "../dist/loader.mjs");

export const flavours: readonly Flavour[] = [
  {
    name: "TypeScript",
    needsStripping: true,
    flags: [],
    command: ["main.ts"],
    shown: "main.ts",
    write: (folder) => rewrite(folder, ".ts", (text) => text),
  },
  {
    name: "ESM",
    flags: [],
    command: ["main.mjs"],
    shown: "main.mjs",
    write: (folder) => rewrite(folder, ".mjs", withoutTypes),
  },
  {
    name: "CommonJS",
    flags: [],
    command: ["main.cjs"],
    shown: "main.cjs",
    write: (folder) => rewrite(folder, ".cjs", (text, name) => asCommonJs(withoutTypes(text), name)),
  },
  {
    name: "compiled",
    flags: ["--enable-source-maps"],
    command: ["dist/main"],
    shown: "main.ts",
    write: (folder) => compile(folder, "esm"),
  },
  {
    name: "compiled to CommonJS",
    flags: ["--enable-source-maps"],
    command: ["dist/main.cjs"],
    shown: "main.ts",
    write: (folder) => compile(folder, "cjs"),
  },
  {
    name: "tsx",
    flags: ["--import", tsx],
    command: ["main.ts"],
    shown: "main.ts",
    write: (folder) => rewrite(folder, ".ts", (text) => text),
  },
  {
    name: "vitest",
    needsStripping: true,
    flags: [],
    command: ["node_modules/vitest/vitest.mjs", "run", "--root", "."],
    shown: "main.test.ts",
    write: writeVitest,
  },
];

function programFiles(): { name: string; text: string }[] {
  return readdirSync(sources)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => ({
      name: name.slice(0, -extname(name).length),
      text: readFileSync(join(sources, name), "utf8"),
    }));
}

function prepare(folder: string): void {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  mkdirSync(join(folder, "notes"));
  for (const name of ["iono", "acorn", "vitest"])
    symlinkSync(join(workspaceRoot, "node_modules", name), join(folder, "node_modules", name));
  cpSync(join(sources, "data.json"), join(folder, "data.json"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}

function rewrite(folder: string, extension: string, change: (text: string, name: string) => string): void {
  prepare(folder);
  for (const { name, text } of programFiles())
    writeFileSync(
      join(folder, name + extension),
      withExtension(change(text, name), extension) + callOf(name),
    );
}

const callOf = (name: string): string => (name === "main" ? "\nvoid run();\n" : "");

const withoutTypes = (text: string): string => stripTypeScriptTypes(text);

function withExtension(text: string, extension: string): string {
  return text.replaceAll(/"(\.\/\w+)\.ts"/g, `"$1${extension}"`);
}

/** As a user writes it by hand: `require`, `exports`, `__dirname`. Every line stays where it is. */
function asCommonJs(text: string, name: string): string {
  const exported = [...text.matchAll(/^export (?:default )?(?:async )?function (\w+)/gm)];
  const names = exported.map(
    ([line, each]) => `exports.${line.includes(" default ") ? "default" : each} = ${each};`,
  );
  const body = withoutImportMeta(text)
    .replaceAll(/^import \* as (\w+) from ("[^"]+");/gm, "const $1 = require($2);")
    .replaceAll(
      /^import (\w+) from ("node:[^"]+"|"[^"]+\.json")(?: with \{[^}]*\})?;/gm,
      "const $1 = require($2);",
    )
    .replaceAll(/^import (\w+), \{(.*?)\} from ("[^"]+");/gm, "const { default: $1, $2 } = require($3);")
    .replaceAll(
      /^import \{(.*?)\} from ("[^"]+");/gm,
      (_line, list: string, from: string) => `const {${list.replaceAll(" as ", ": ")}} = require(${from});`,
    )
    .replaceAll(/^export \{(.*?)\} from ("[^"]+");/gm, (_line, list: string, from: string) =>
      list
        .split(",")
        .map((each) => each.trim().split(" as "))
        .map(([inner, outer = inner]) => `exports.${outer} = require(${from}).${inner};`)
        .join(" "),
    )
    .replaceAll(/^export const (\w+)\b/gm, "const $1 = exports.$1")
    .replaceAll(/^export class (\w+)/gm, "const $1 = exports.$1 = class $1")
    .replaceAll(/^export (?:default )?/gm, "");
  // Its entry is still being run when it is required: the names are read when they are used.
  const late =
    name === "cyclic"
      ? body
          .replace(/const \{ *square *\} = (require\([^)]*\));/, "const entry = $1;")
          .replace("${square(", "${entry.square(")
      : body;
  return `${names.join(" ")} ${late}`;
}

/** CommonJS has its own names for these. */
function withoutImportMeta(text: string): string {
  return text
    .replace(/^const require = createRequire\(import\.meta\.url\);$/m, "")
    .replaceAll("import.meta.url", 'require("node:url").pathToFileURL(__filename).href')
    .replaceAll("import.meta.dirname", "__dirname")
    .replaceAll("import.meta.filename", "__filename");
}

/** Compiled files in `dist`, with the source maps that lead to the TypeScript beside it. */
function compile(folder: string, format: "esm" | "cjs"): void {
  rewrite(folder, ".ts", (text) => text);
  mkdirSync(join(folder, "dist"));
  cpSync(join(folder, "data.json"), join(folder, "dist/data.json"));
  const extension = format === "esm" ? ".js" : ".cjs";
  for (const { name } of programFiles()) {
    const text = readFileSync(join(folder, `${name}.ts`), "utf8");
    const { code, map } = esbuild.transformSync(format === "cjs" ? withoutImportMeta(text) : text, {
      format,
      loader: "ts",
      platform: "node",
      target: "esnext",
      sourcemap: true,
      sourcefile: `../${name}.ts`,
    });
    const file = name + extension;
    writeFileSync(join(folder, "dist", `${file}.map`), map);
    writeFileSync(
      join(folder, "dist", file),
      `${withExtension(code, extension)}//# sourceMappingURL=${file}.map\n`,
    );
  }
}

/** The program as a test file: it is no program's entry, so that nothing imports it back. */
function writeVitest(folder: string): void {
  prepare(folder);
  for (const { name, text } of programFiles()) {
    if (name === "cyclic")
      writeFileSync(
        join(folder, "cyclic.ts"),
        text
          .replace(/^import.*$/m, 'import { areaOf } from "./helper.ts";')
          .replace("square(x)", "areaOf(x, x)"),
      );
    else if (name === "main")
      writeFileSync(
        join(folder, "main.test.ts"),
        `${text}\n(await import("vitest")).test("runs", () => run(), 60_000);\n`,
      );
    else writeFileSync(join(folder, `${name}.ts`), text);
  }
  const conditions = '["iono-source", "node", "import", "module", "default"]';
  writeFileSync(
    join(folder, "vitest.config.ts"),
    `const conditions = process.execArgv.includes("--conditions=iono-source") ? ${conditions} : undefined;
export default { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: conditions } }, test: { pool: "forks", maxWorkers: 1, execArgv: process.execArgv } };\n`,
  );
}
