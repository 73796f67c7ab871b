import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const tmpfsMagic = 0x0102_1994;

/** Where objects are spilled: the configured directories (separated like PATH), or one below the system's temporary one. */
export function storeSpillDirs(configured?: string): string[] {
  const directories = (configured ?? "").split(path.delimiter).filter((directory) => directory !== "");
  if (directories.length > 0) return directories.map((directory) => path.resolve(directory));
  return [path.join(diskDirectory(), `iono-spill-${os.userInfo().uid}`)];
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
