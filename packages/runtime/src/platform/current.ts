import process from "node:process";
import { linuxPlatform } from "./linux.ts";
import { plainPlatform } from "./plain.ts";
import type { Platform } from "./platform.ts";

/** The platform this process runs on: Linux with glibc, or else the plain one, which says why. */
export function currentPlatform(): Platform {
  if (process.platform !== "linux") return plainPlatform(`no shared memory on ${process.platform}`);
  try {
    return linuxPlatform();
  } catch (error) {
    return plainPlatform(
      `koffi or glibc cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
