import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readAt, writeAt } from "./file.ts";
import { type Libc, checked, loadLibc } from "./libc.ts";
import { connectBlocking } from "./linux-socket.ts";
import {
  type Mapping,
  type Platform,
  type Segment,
  type SegmentView,
  type SharedPage,
  SystemCallError,
} from "./platform.ts";

const readWrite = 3; // PROT_READ | PROT_WRITE
const mapShared = 1;
const mapPrivate = 2;
const mapNoReserve = 0x4000;
const mapFailed = 0xffffffffffffffffn;
const closeOnExec = 1; // MFD_CLOEXEC
const keepSize = 1; // FALLOC_FL_KEEP_SIZE
const punchHole = 2; // FALLOC_FL_PUNCH_HOLE
const populateWrite = 23; // MADV_POPULATE_WRITE, Linux 5.14
/** From this size on, mapping all pages by one call beats a fault for each, by a factor of three. */
const populateFromBytes = 64 * 1024;
const prefaultStepBytes = 4 * 1024 * 1024;
const chunkBytes = 1024 * 1024;
const setParentDeathSignal = 1; // PR_SET_PDEATHSIG
const openFiles = 7; // RLIMIT_NOFILE

/** What a store's memory is made of, the best first. */
const allBackings: readonly Segment["backing"][] = ["memfd", "shm", "file"];

/**
 * Linux with glibc. Throws where koffi or libc cannot be loaded.
 * @param backings which ones to try for a store, in this order.
 */
export function linuxPlatform(backings: readonly Segment["backing"][] = allBackings): Platform {
  const libc = loadLibc();
  return {
    name: "linux",
    missing: [],
    createSegment: (sizeBytes, directory) => createSegment(libc, backings, sizeBytes, directory),
    openSegment: (file, sizeBytes) => new LinuxSegmentView(libc, fs.openSync(file, "r+"), sizeBytes),
    connectBlocking: (file) => connectBlocking(libc, file),
    sharedPages: {
      create(bytes) {
        const fd = checked(libc, "memfd_create", libc.memfd_create("iono-page", closeOnExec));
        try {
          checked(libc, "ftruncate", libc.ftruncate(fd, bytes));
          const page = sharedPage(libc, fd, bytes);
          return { fd, memory: page.memory, close: () => (page.close(), fs.closeSync(fd)) };
        } catch (error) {
          fs.closeSync(fd);
          throw error;
        }
      },
      open(file, bytes) {
        const fd = fs.openSync(file, "r+");
        try {
          return sharedPage(libc, fd, bytes);
        } finally {
          fs.closeSync(fd);
        }
      },
    },
    sleepBlocking: (milliseconds) => void libc.usleep(Math.min(999_999, Math.round(milliseconds * 1000))),
    dieWithParent(signal, parentPid) {
      const asked = libc.prctl(setParentDeathSignal, os.constants.signals[signal], 0, 0, 0) === 0;
      // The parent may have died before the call.
      if (libc.getppid() !== parentPid) process.kill(process.pid, signal);
      return asked;
    },
    raiseFileLimit() {
      const limits = new BigUint64Array(2);
      checked(libc, "getrlimit", libc.getrlimit(openFiles, limits));
      limits[0] = limits[1];
      checked(libc, "setrlimit", libc.setrlimit(openFiles, limits));
      return Number(limits[1]);
    },
  };
}

function map(libc: Libc, fd: number, offset: number, bytes: number, flags: number): bigint {
  const address = libc.mmap(null, bytes, readWrite, flags, fd, offset);
  if (address === mapFailed) throw new SystemCallError("mmap", libc.errno());
  return address;
}

/** The whole file, shared; undefined where the address space is limited (`ulimit -v`). */
function mapIfPossible(libc: Libc, fd: number, bytes: number): bigint | undefined {
  const address = libc.mmap(null, bytes, readWrite, mapShared | mapNoReserve, fd, 0);
  return address === mapFailed ? undefined : address;
}

function sharedPage(libc: Libc, fd: number, bytes: number): SharedPage {
  const address = map(libc, fd, 0, bytes, mapShared);
  return { memory: libc.view(address, bytes), close: () => void libc.munmap(address, bytes) };
}

/** Tries one backing after the other. Each must know how to allocate pages and how to make holes. */
function createSegment(
  libc: Libc,
  backings: readonly Segment["backing"][],
  sizeBytes: number,
  directory: string,
): Segment {
  const failures: string[] = [];
  for (const backing of backings) {
    let fd = -1;
    try {
      fd = openBacking(libc, backing, directory);
      checked(libc, "ftruncate", libc.ftruncate(fd, sizeBytes));
      checked(libc, "fallocate", libc.fallocate(fd, keepSize, 0, 4096));
      checked(libc, "fallocate", libc.fallocate(fd, keepSize | punchHole, 0, 4096));
      const place = { memfd: "memory", shm: "/dev/shm", file: directory }[backing];
      const warning = `the object store lies in ${place}: ${failures.join("; ")}`;
      return new LinuxSegment(libc, backing, fd, sizeBytes, failures.length > 0 ? warning : undefined);
    } catch (error) {
      if (fd >= 0) fs.closeSync(fd);
      failures.push(`${backing}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new SystemCallError("object store", failures.join("; "));
}

function openBacking(libc: Libc, backing: Segment["backing"], directory: string): number {
  if (backing === "memfd") return checked(libc, "memfd_create", libc.memfd_create("iono-store", closeOnExec));
  if (backing === "shm") return openUnlinked("/dev/shm");
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  return openUnlinked(directory);
}

/** A file that no directory lists: it is gone when the last process that has it open is. */
function openUnlinked(directory: string): number {
  const file = path.join(directory, `iono-${process.pid}-${process.hrtime.bigint()}`);
  const fd = fs.openSync(file, "wx+", 0o600);
  fs.unlinkSync(file);
  return fd;
}

class LinuxSegment implements Segment {
  readonly #libc: Libc;
  readonly backing: "memfd" | "shm" | "file";
  readonly fd: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly warning: string | undefined;
  /** Only for prefaulting; undefined where the address space is limited. */
  readonly #base: bigint | undefined;

  constructor(
    libc: Libc,
    backing: "memfd" | "shm" | "file",
    fd: number,
    sizeBytes: number,
    warning: string | undefined,
  ) {
    this.#libc = libc;
    this.backing = backing;
    this.fd = fd;
    this.path = `/proc/${process.pid}/fd/${fd}`;
    this.sizeBytes = sizeBytes;
    this.warning = warning;
    this.#base = mapIfPossible(libc, fd, sizeBytes);
  }

  commit(offset: number, bytes: number): Promise<void> {
    return this.#asynchronously("fallocate", (done) =>
      this.#libc.fallocate.async(this.fd, keepSize, offset, bytes, done),
    );
  }

  async prefault(offset: number, bytes: number): Promise<void> {
    const base = this.#base;
    if (base === undefined) return;
    // In pieces: the call holds a lock that the main thread needs to map memory.
    for (let at = offset; at < offset + bytes; at += prefaultStepBytes) {
      const step = Math.min(prefaultStepBytes, offset + bytes - at);
      // Older kernels do not know the advice: then the first writer zeroes the pages.
      await this.#asynchronously("madvise", (done) =>
        this.#libc.madvise.async(base + BigInt(at), step, populateWrite, done),
      ).catch(ignoreInvalid);
    }
  }

  release(offset: number, bytes: number): Promise<void> {
    return this.#asynchronously("fallocate", (done) =>
      this.#libc.fallocate.async(this.fd, keepSize | punchHole, offset, bytes, done),
    );
  }

  close(): void {
    if (this.#base !== undefined) this.#libc.munmap(this.#base, this.sizeBytes);
    fs.closeSync(this.fd);
  }

  #asynchronously(
    call: string,
    start: (done: (error: unknown, result: number) => void) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      start((error, result) => {
        if (error) reject(error);
        else if (result < 0) reject(new SystemCallError(call, this.#libc.errno()));
        else resolve();
      });
    });
  }
}

function ignoreInvalid(error: unknown): void {
  if (!(error instanceof SystemCallError && error.code === "EINVAL")) throw error;
}

class LinuxSegmentView implements SegmentView {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #sizeBytes: number;
  /** The whole file, shared, for writing: pages stay mapped, so that warm ones are written at the speed of memory. */
  #base: bigint | undefined;
  #baseTried = false;
  /** Chunks of the file whose pages this process has in its page table, to its knowledge: errors only cost time. */
  readonly #mapped = new Set<number>();

  constructor(libc: Libc, fd: number, sizeBytes: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  write(offset: number, source: Uint8Array, fresh: boolean): void {
    if (!this.#baseTried) this.#base = mapIfPossible(this.#libc, this.#fd, this.#sizeBytes);
    this.#baseTried = true;
    if (this.#base === undefined) return writeAt(this.#fd, offset, source);
    const to = this.#base + BigInt(offset);
    if (source.byteLength >= populateFromBytes && (this.#isUnmapped(offset, source.byteLength) || fresh)) {
      const start = to & ~4095n;
      this.#libc.madvise(start, Number(to - start) + source.byteLength, populateWrite);
    }
    this.#libc.memcpy(to, source, source.byteLength);
  }

  /** True, and marked as mapped, when this process has not written there before. */
  #isUnmapped(offset: number, bytes: number): boolean {
    const before = this.#mapped.size;
    for (let chunk = Math.floor(offset / chunkBytes); chunk * chunkBytes < offset + bytes; chunk++)
      this.#mapped.add(chunk);
    return this.#mapped.size > before;
  }

  read(offset: number, target: Uint8Array): void {
    readAt(this.#fd, offset, target);
  }

  mapPrivate(offset: number, bytes: number): Mapping | undefined {
    const address = this.#libc.mmap(null, bytes, readWrite, mapPrivate | mapNoReserve, this.#fd, offset);
    if (address === mapFailed) return undefined; // too many mappings, or too little address space
    return {
      memory: this.#libc.view(address, bytes),
      unmap: () => void this.#libc.munmap(address, bytes),
    };
  }

  close(): void {
    if (this.#base !== undefined) this.#libc.munmap(this.#base, this.#sizeBytes);
    fs.closeSync(this.#fd);
  }
}
