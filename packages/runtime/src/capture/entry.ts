import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/**
 * URL of the file this program was started with (`node main.ts`), or undefined without one (`node -e`, the REPL).
 * Extensions and folders are resolved, symbolic links followed, as Node does.
 */
export function programEntryUrl(): string | undefined {
  const started = process.argv[1];
  if (started === undefined) return undefined;
  try {
    return pathToFileURL(realpathSync(createRequire(pathToFileURL(`${process.cwd()}/`)).resolve(started)))
      .href;
  } catch {
    return undefined; // `-e` with arguments, or a file that is gone
  }
}
