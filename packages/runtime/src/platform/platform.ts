/** What is specific to an operating system, behind one interface. `linux.ts` has all of it; `plain.ts` does without. */

export interface Platform {
  readonly name: "linux" | "plain";
  /** What this platform lacks, each a sentence for the user. */
  readonly missing: readonly string[];

  /**
   * Creates the sparse file that holds a store. Nothing of it outlives the processes that have it open.
   * @param sizeBytes its length; takes no memory until committed.
   * @param directory where a plain file may lie, when nothing better exists.
   */
  createSegment(sizeBytes: number, directory: string): Segment;

  /** Opens a segment of another process for reading and writing. */
  openSegment(path: string, sizeBytes: number): SegmentView;

  /** A stream to a Unix socket (or named pipe) whose calls block this thread. Throws if nobody listens. */
  connectBlocking(path: string): BlockingSocket;

  /** Memory shared between processes: `Atomics` on it work across them. Undefined where there is none. */
  readonly sharedPages: SharedPages | undefined;

  /** Blocks this thread. */
  sleepBlocking(milliseconds: number): void;

  /**
   * Asks the system to send `signal` to this process when the thread that started it ends. Kills this process at once
   * if its parent is not `parentPid` any more. False where the system cannot do it.
   */
  dieWithParent(signal: NodeJS.Signals, parentPid: number): boolean;

  /** Raises the soft limit of open files to the hard one; the new limit, 0 where there is none to raise. */
  raiseFileLimit(): number;
}

/** The sparse file of a store, in the process that owns it. */
export interface Segment {
  /** `memfd`: memory. `shm`: memory, within the limit of /dev/shm. `file`: a plain file, at the speed of the disk. */
  readonly backing: "memfd" | "shm" | "file";
  readonly fd: number;
  /** Under which other processes open it, while this process lives. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Why something better than `backing` could not be had. */
  readonly warning: string | undefined;
  /** Allocates pages, off this thread. Rejects with `code` ENOSPC or ENOMEM when the system has none. */
  commit(offset: number, bytes: number): Promise<void>;
  /** Zeroes committed pages in advance, off this thread; nobody may use them meanwhile. */
  prefault(offset: number, bytes: number): Promise<void>;
  /** Makes a hole, off this thread. */
  release(offset: number, bytes: number): Promise<void>;
  close(): void;
}

/** The sparse file of a store, in any process. Offsets and sizes are bytes. */
export interface SegmentView {
  /** Copies `source` into the file. `fresh`: its pages were committed just now. */
  write(offset: number, source: Uint8Array, fresh: boolean): void;
  /** Copies from the file into `target`. */
  read(offset: number, target: Uint8Array): void;
  /** Maps a page-aligned range; writes stay with this mapping. Undefined where that cannot be had. */
  mapPrivate(offset: number, bytes: number): Mapping | undefined;
  close(): void;
}

/** Memory that is not the garbage collector's: after `unmap` a touch of `memory` kills the process. */
export interface Mapping {
  readonly memory: ArrayBuffer;
  unmap(): void;
}

export interface BlockingSocket {
  readonly fd: number;
  /** Sends all of it. Throws when the peer is gone. */
  send(bytes: Uint8Array): void;
  /** Fills `target`. False after `timeoutMs` without a byte of it; throws when the peer is gone. */
  receive(target: Uint8Array, timeoutMs: number): boolean;
  close(): void;
}

export interface SharedPages {
  create(bytes: number): SharedPage & { readonly fd: number };
  open(path: string, bytes: number): SharedPage;
}

/** A piece of memory shared between processes. */
export interface SharedPage {
  readonly memory: ArrayBuffer;
  /** Unmaps it; nothing may look at `memory` afterwards. */
  close(): void;
}

/** The peer of a blocking socket is gone. */
export class PeerGoneError extends Error {
  override name = "PeerGoneError";
}

/** A system call failed. `code` is the errno's name. */
export class SystemCallError extends Error {
  override name = "SystemCallError";
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}
