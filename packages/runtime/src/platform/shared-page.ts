import { currentPlatform } from "./current.ts";
import { type Platform, type SharedPage, SystemCallError } from "./platform.ts";

/**
 * A piece of memory that other processes open as `/proc/<pid>/fd/<fd>`, zeroed. `Atomics` on typed arrays over it work
 * across processes. It is gone when the last process that has it open is. Throws where the platform has no shared memory.
 */
export function createSharedPage(
  bytes: number,
  platform: Platform = currentPlatform(),
): SharedPage & { readonly fd: number } {
  if (platform.sharedPages === undefined) throw new SystemCallError("shared memory", "ENOSYS");
  return platform.sharedPages.create(bytes);
}

/** Opens a shared page of another process, by its path. */
export function openSharedPage(
  path: string,
  bytes: number,
  platform: Platform = currentPlatform(),
): SharedPage {
  if (platform.sharedPages === undefined) throw new SystemCallError("shared memory", "ENOSYS");
  return platform.sharedPages.open(path, bytes);
}
