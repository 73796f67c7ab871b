/** iono as its users get it: packed, and installed by npm in an empty folder outside the workspace. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../outside/run.ts";

const PNPM = "pnpm@12.21.0";
const workspace = join(import.meta.dirname, "..", "..");

/** Where the measured programs are, and what `node` needs to find iono from there. */
export interface Installation {
  /** Holds `core/` and `mesh/programs/`. */
  cwd: string;
  nodeArgs: string[];
}

/** The programs of the workspace, on the packages' sources: to try something out, not for the record. */
export function fromSource(): Installation {
  return { cwd: join(workspace, "benchmarks"), nodeArgs: ["--conditions=iono-source"] };
}

/** Builds and packs every public package, installs the tarballs into `folder` and copies the programs there. */
export async function fromTarballs(folder: string): Promise<Installation> {
  const tarballs = join(folder, "tarballs");
  mkdirSync(tarballs, { recursive: true });
  await run({ argv: [process.execPath, "scripts/build.ts", "--if-needed"], cwd: workspace });
  const dependencies: Record<string, string> = {};
  for (const { name, version, path } of publicPackages()) {
    await run({ argv: ["npx", "-y", PNPM, "pack", "--pack-destination", tarballs], cwd: path });
    dependencies[name] = `file:tarballs/${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  }
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, type: "module", dependencies }, null, 2),
  );
  await run({ argv: ["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd: folder });
  for (const programs of ["core", "mesh/programs"])
    cpSync(join(workspace, "benchmarks", programs), join(folder, programs), { recursive: true });
  return { cwd: folder, nodeArgs: [] };
}

function publicPackages(): { name: string; version: string; path: string }[] {
  const packages = join(workspace, "packages");
  return readdirSync(packages)
    .map((directory) => join(packages, directory))
    .map((path) => ({ ...(JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest), path }))
    .filter((manifest) => manifest.private !== true);
}

interface Manifest {
  name: string;
  version: string;
  private?: boolean;
}

/** The version of iono in this workspace. */
export function ionoVersion(): string {
  return publicPackages().find(({ name }) => name === "iono")!.version;
}
