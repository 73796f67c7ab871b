import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { crc32 } from "node:zlib";

/** A thread of the agent that copies blocks between the store's memory and files. */

export interface SpillJob {
  /** Of the block in memory, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Of the block in the file. */
  readonly position: number;
}

export type SpillRequest =
  | {
      readonly kind: "spill";
      readonly file: number;
      readonly directory: string;
      readonly jobs: readonly SpillJob[];
    }
  | ({ readonly kind: "restore"; readonly file: number; readonly checksum: number } & SpillJob)
  | { readonly kind: "close"; readonly file: number };

export type SpillReply =
  | { readonly kind: "spilled"; readonly checksums: readonly number[] }
  | { readonly kind: "restored" | "closed" }
  | { readonly kind: "failed"; readonly code: string };

const chunk = Buffer.allocUnsafe(4 * 1024 * 1024);
const files = new Map<number, number>();
const { memoryFd } = workerData as { memoryFd: number };

parentPort?.on("message", ({ id, request }: { id: number; request: SpillRequest }) => {
  let reply: SpillReply;
  try {
    reply = serve(request);
  } catch (error) {
    reply = { kind: "failed", code: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
  parentPort?.postMessage({ id, reply });
});

function serve(request: SpillRequest): SpillReply {
  if (request.kind === "spill") {
    const file = openFile(request.file, request.directory);
    const spill = (job: SpillJob): number => copy(memoryFd, job.offset, file, job.position, job.bytes);
    return { kind: "spilled", checksums: request.jobs.map(spill) };
  }
  const file = files.get(request.file);
  if (request.kind === "close") {
    if (file !== undefined) fs.closeSync(file);
    files.delete(request.file);
    return { kind: "closed" };
  }
  if (file === undefined) return { kind: "failed", code: "the file is gone" };
  const checksum = copy(file, request.position, memoryFd, request.offset, request.bytes);
  return checksum === request.checksum ? { kind: "restored" } : { kind: "failed", code: "wrong checksum" };
}

/** Opens a file that has no name, so that it is gone with this process. */
function openFile(number: number, directory: string): number {
  const known = files.get(number);
  if (known !== undefined) return known;
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const name = path.join(directory, `iono-spill-${randomUUID()}`);
  const fd = fs.openSync(name, "wx+", 0o600);
  files.set(number, fd);
  try {
    fs.unlinkSync(name);
  } catch {
    // Windows keeps the name of an open file; the directory is removed at the next start.
  }
  return fd;
}

/** Copies bytes between two files; returns their CRC-32. */
function copy(from: number, fromAt: number, to: number, toAt: number, bytes: number): number {
  let checksum = 0;
  let done = 0;
  while (done < bytes) {
    const got = fs.readSync(from, chunk, 0, Math.min(chunk.length, bytes - done), fromAt + done);
    if (got === 0) throw new Error("the file ends too early");
    checksum = crc32(chunk.subarray(0, got), checksum);
    for (let written = 0; written < got;)
      written += fs.writeSync(to, chunk, written, got - written, toAt + done + written);
    done += got;
  }
  return checksum;
}
