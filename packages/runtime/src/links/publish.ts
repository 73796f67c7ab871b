/**
 * Unix sockets that leave nothing behind: a listening socket is bound inside a 0700 directory (I5), an O_PATH descriptor
 * of it is taken, and socket and directory are removed at once. Others of the same user connect through
 * `/proc/<pid>/fd/<n>`, which works for as long as this process lives and needs no cleaning up after `kill -9`.
 * Without /proc the files stay until the process ends.
 */
import { IonoError } from "@iono/core";
import * as fs from "node:fs";
import type * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";

const openPath = 0o10000000;

export interface PublishedSocket {
  readonly server: net.Server;
  /** Where others of this user connect. */
  readonly path: string;
  /** Ends the listening; connections that were made live on. */
  close(): void;
}

/** Bytes of a socket's path that the kernel takes (`sun_path`, without its end). */
const maxPathBytes = 107;

/**
 * A new directory that only this user can enter. It lives for a moment: where TMPDIR does not serve, others do.
 * @throws IonoError BadOption when none does.
 */
function privateDirectory(): string {
  const reasons: string[] = [];
  for (const parent of new Set([os.tmpdir(), "/tmp", "/dev/shm"])) {
    if (Buffer.byteLength(path.join(parent, "iono-XXXXXX", "s")) > maxPathBytes) {
      reasons.push(`${parent}: too long for a socket`);
      continue;
    }
    try {
      return fs.mkdtempSync(path.join(parent, "iono-"));
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new IonoError(
    "BadOption",
    `no folder for temporary files can be written (${reasons.join("; ")}); set TMPDIR to one that can`,
  );
}

/**
 * Listens and resolves with the path under which others reach `server`.
 * @throws IonoError BadOption when no folder for temporary files can be written.
 */
export async function publish(server: net.Server): Promise<PublishedSocket> {
  const directory = privateDirectory();
  const file = path.join(directory, "s");
  // Node binds before `listen` returns and tells later: the name goes in the same tick, so that a kill can hardly leave it.
  const listening = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(file, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  if (!fs.existsSync("/proc/self/fd") || !fs.existsSync(file)) {
    const remove = (): void => fs.rmSync(directory, { recursive: true, force: true });
    await listening.catch((error: unknown) => {
      remove();
      throw error;
    });
    process.once("exit", remove);
    const close = (): void => {
      server.close();
      process.removeListener("exit", remove);
      remove();
    };
    return { server, path: file, close };
  }
  let fd: number;
  try {
    fd = fs.openSync(file, openPath);
  } catch (error) {
    // Out of descriptors: nothing is published, and nothing is left.
    server.close();
    await listening.catch(() => {});
    throw error;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  await listening;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    server.close();
    fs.closeSync(fd);
  };
  return { server, path: `/proc/${process.pid}/fd/${fd}`, close };
}
