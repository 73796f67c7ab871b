/** iono as its users get it: packed, and installed by npm outside the workspace. */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const pnpm = "pnpm@12.21.0";
const publicPackages = ["core", "runtime", "iono"];

/** Output of a command that ended well; it rejects with what was printed otherwise. */
async function output(command: string, argv: readonly string[], cwd: string): Promise<string> {
  // Settings that pnpm hands to its scripts would be read by npm as its own.
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|pnpm_|node_options$)/i.test(name),
  );
  const options = { cwd, env: Object.fromEntries(environment), maxBuffer: 2 ** 24, timeout: 120_000 };
  try {
    const { stdout } = await promisify(execFile)(command, [...argv], options);
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[command, ...argv].join(" ")} failed\n${stdout ?? ""}${stderr ?? ""}`, {
      cause: error,
    });
  }
}

/**
 * Packs every public package of the workspace, as it is built now.
 * @param workspace root folder of the workspace.
 * @param destination folder for the tarballs; made if it is not there.
 * @returns absolute paths of the tarballs, in order of dependence.
 */
export async function packPackages(workspace: string, destination: string): Promise<string[]> {
  mkdirSync(destination, { recursive: true });
  const packed = publicPackages.map(async (name) => {
    const folder = join(destination, name);
    mkdirSync(folder, { recursive: true });
    await output(
      "npx",
      ["-y", pnpm, "pack", "--pack-destination", folder],
      join(workspace, "packages", name),
    );
    return join(folder, readdirSync(folder)[0]);
  });
  return Promise.all(packed);
}

/** `npm install` of packages (names with versions, or tarballs) into `folder`, which is made if it is not there. */
export async function npmInstall(
  folder: string,
  packages: readonly string[],
  flags: readonly string[] = [],
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user-program", private: true }));
  await output("npm", ["install", "--no-audit", "--no-fund", ...flags, ...packages], folder);
}

/** Installs a released Node from the registry; the path of its binary. */
export async function installNode(folder: string, version: string): Promise<string> {
  const name = `node-linux-${process.arch}`;
  await npmInstall(folder, [`${name}@${version}`]);
  return join(folder, "node_modules", name, "bin/node");
}

/** Installed packages that have an install script, by name. */
export function packagesWithInstallScripts(folder: string): string[] {
  const lock = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
}

function bytesIn(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Bytes of each installed package, with what is nested in it; the largest first. */
export function installedSizes(folder: string): { name: string; bytes: number }[] {
  const modules = join(folder, "node_modules");
  const names = readdirSync(modules)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@") ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    );
  return names
    .map((name) => ({ name, bytes: bytesIn(join(modules, name)) }))
    .toSorted((a, b) => b.bytes - a.bytes);
}
