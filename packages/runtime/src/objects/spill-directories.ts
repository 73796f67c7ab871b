import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { IonoError } from "@iono/core";

const tmpfsMagic = 0x0102_1994;

/**
 * Where objects are spilled: the configured directories (separated like PATH), created if need be, or the system's
 * temporary one. Throws BadOption when a configured one cannot be written.
 */
export function storeSpillDirs(configured?: string): string[] {
  const directories = (configured ?? "").split(path.delimiter).filter((directory) => directory !== "");
  if (directories.length === 0) return [diskDirectory()];
  return directories.map((given) => {
    const directory = path.resolve(given);
    try {
      makeDirectory(directory);
      // Permissions do not tell all: a file system may be read-only, or may take no files of ours.
      fs.rmdirSync(fs.mkdtempSync(path.join(directory, "iono-probe-")));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new IonoError(
        "BadOption",
        `spillDir must name directories that can be written; got ${given} (${reason})`,
      );
    }
    return directory;
  });
}

/** One level at a time: where nothing can be made, as in /proc, Node's `recursive` tries for ever. */
function makeDirectory(directory: string): void {
  if (fs.existsSync(directory)) return;
  makeDirectory(path.dirname(directory));
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another program may have been faster.
    if (!fs.existsSync(directory)) throw error;
  }
}

/** Spilling into a file system that is memory would gain nothing. */
function diskDirectory(): string {
  for (const directory of [os.tmpdir(), "/var/tmp"]) {
    try {
      if (fs.statfsSync(directory).type !== tmpfsMagic) return directory;
    } catch {
      // Not there: try the next.
    }
  }
  return os.tmpdir();
}
