import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readAt, writeAt } from "./file.ts";
import { connectThroughThread } from "./plain-socket.ts";
import type { Platform, Segment, SegmentView } from "./platform.ts";

/**
 * Without anything that Node does not bring: the store is a plain file, values are copied in and out of it.
 * @param reason why the better platform is not used.
 */
export function plainPlatform(reason: string): Platform {
  return {
    name: "plain",
    missing: [
      `${reason}: the object store is a file, and large values are copied on each read`,
      "processes cannot share memory: progress of other processes is not seen, only what they send",
      "child processes are not ended by the system when their parent is killed",
    ],
    createSegment: (sizeBytes, directory) => new PlainSegment(sizeBytes, directory, reason),
    openSegment: (file) => new PlainSegmentView(fs.openSync(file, "r+")),
    connectBlocking: connectThroughThread,
    sharedPages: undefined,
    sleepBlocking: (milliseconds) =>
      void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
    dieWithParent: () => false,
    raiseFileLimit: () => 0,
  };
}

class PlainSegment implements Segment {
  readonly backing = "file";
  readonly fd: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly warning: string;
  readonly #directory: string;

  constructor(sizeBytes: number, directory: string, reason: string) {
    this.#directory = fs.mkdtempSync(
      path.join(fs.existsSync(directory) ? directory : os.tmpdir(), "iono-store-"),
    );
    this.path = path.join(this.#directory, "memory");
    this.fd = fs.openSync(this.path, "wx+", 0o600);
    this.sizeBytes = sizeBytes;
    this.warning = `the object store lies in ${this.path}: ${reason}`;
  }

  /** A plain file grows when it is written. */
  async commit(): Promise<void> {}

  async prefault(): Promise<void> {}

  async release(): Promise<void> {}

  close(): void {
    fs.closeSync(this.fd);
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

class PlainSegmentView implements SegmentView {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(offset: number, source: Uint8Array): void {
    writeAt(this.#fd, offset, source);
  }

  read(offset: number, target: Uint8Array): void {
    readAt(this.#fd, offset, target);
  }

  mapPrivate(): undefined {
    return undefined;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
