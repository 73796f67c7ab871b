import fs from "node:fs";
import { SystemCallError } from "./platform.ts";

/** Writes all of `source` at a place of a file. */
export function writeAt(fd: number, offset: number, source: Uint8Array): void {
  for (let done = 0; done < source.byteLength;) {
    done += fs.writeSync(fd, source, done, source.byteLength - done, offset + done);
  }
}

/** Fills `target` from a place of a file. Throws when the file ends before. */
export function readAt(fd: number, offset: number, target: Uint8Array): void {
  for (let done = 0; done < target.byteLength;) {
    const bytes = fs.readSync(fd, target, done, target.byteLength - done, offset + done);
    if (bytes === 0) throw new SystemCallError("read", "EOF");
    done += bytes;
  }
}
