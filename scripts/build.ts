/**
 * Builds packages into their `dist`: JavaScript with tsup, declarations with tsc.
 *
 *     node scripts/build.ts                  all, in order of dependence
 *     node scripts/build.ts core runtime     these
 *     node scripts/build.ts --if-needed      those whose sources are newer than their dist, and what depends on them
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** In order of dependence: each may need the ones before it. */
const packages = ["core", "runtime", "iono"];

function newestMs(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

function isOutOfDate(name: string): boolean {
  const directory = join(root, "packages", name);
  const built = join(directory, "dist/index.d.ts");
  if (!existsSync(built)) return true;
  const inputs = ["src", "package.json", "tsup.config.ts", "tsconfig.build.json"];
  return inputs.some((input) => newestMs(join(directory, input)) > statSync(built).mtimeMs);
}

/** Everything from the first package that is out of date on: the ones behind it may contain parts of it. */
function outOfDate(): string[] {
  const first = packages.findIndex(isOutOfDate);
  return first < 0 ? [] : packages.slice(first);
}

function run(directory: string, script: string, ...argv: string[]): boolean {
  const { status } = spawnSync(process.execPath, [join(root, "node_modules", script), ...argv], {
    cwd: directory,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return status === 0;
}

function build(name: string): boolean {
  const directory = join(root, "packages", name);
  rmSync(join(directory, "dist"), { recursive: true, force: true });
  console.log(`building ${name}`);
  return (
    run(directory, "tsup/dist/cli-default.js", "--silent") &&
    run(directory, "typescript/bin/tsc", "-p", "tsconfig.build.json")
  );
}

const named = process.argv.slice(2);
const unknown = named.find((name) => name !== "--if-needed" && !packages.includes(name));
if (unknown !== undefined) {
  console.error(`unknown package ${JSON.stringify(unknown)}; the packages are ${packages.join(", ")}`);
  process.exit(2);
}
const chosen = named.includes("--if-needed") ? outOfDate() : named.length > 0 ? named : packages;
process.exit(chosen.every(build) ? 0 : 1);
