/** Tells whether two processes see the same files: they run on one kernel, in one mount namespace. */
import * as fs from "node:fs";
import * as os from "node:os";

export function hostId(): string {
  const boot = read(() => fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  const mounts = read(() => fs.readlinkSync("/proc/self/ns/mnt"));
  return `${boot ?? os.hostname()}/${mounts ?? "host"}`;
}

function read(get: () => string): string | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
