/** The versions of iono's own packages, as installed. */
import { readFileSync } from "node:fs";

const packageNames = ["iono", "@iono/runtime", "@iono/core"] as const;

function versionOf(name: string): string {
  const manifest = JSON.parse(readFileSync(new URL(import.meta.resolve(`${name}/package.json`)), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

export function ionoVersion(): string {
  return versionOf("iono");
}

/** Version by package name; "not found" for one that is not installed where it should be. */
export function installedVersions(): Record<string, string> {
  return Object.fromEntries(
    packageNames.map((name) => {
      try {
        return [name, versionOf(name)];
      } catch {
        return [name, "not found"];
      }
    }),
  );
}
