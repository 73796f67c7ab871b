import { readFileSync } from "node:fs";
import { extname, join } from "node:path";

/** What a loader may have made of which source. */
const sourceExtensions: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
  ".jsx": [".tsx"],
};
const imported = [".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];
/** Node itself completes the first two. */
const required = [".js", ".json", ".node", ".ts", ".tsx", ".cts", ".cjs", ".mts", ".mjs"];

/** The paths that an import or `require` of this path may mean, first choice first, as Node and the usual loaders look for them. */
export function* fileCandidates(path: string, kind: "import" | "require"): Generator<string> {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const guessed = kind === "import" ? imported : required;
  yield path;
  for (const other of sourceExtensions[extension] ?? []) yield stem + other;
  for (const other of guessed) yield path + other;
  const main = kind === "require" ? mainOf(path) : undefined;
  if (main !== undefined) {
    yield join(path, main);
    for (const other of guessed) yield join(path, main + other);
    for (const other of guessed) yield join(path, main, `index${other}`);
  }
  for (const other of guessed) yield join(path, `index${other}`);
}

function mainOf(folder: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    if (typeof manifest !== "object" || manifest === null || !("main" in manifest)) return undefined;
    return typeof manifest.main === "string" ? manifest.main : undefined;
  } catch {
    return undefined; // no folder, or one without a manifest
  }
}
