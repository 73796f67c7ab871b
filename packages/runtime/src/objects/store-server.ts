import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { IonoError, StoreMachine, type StoreEvent, type StoreInstruction, type StoreStats } from "@iono/core";
import type { Platform, Segment } from "../platform/platform.ts";
import { LocalStore } from "./local-store.ts";
import { Spiller } from "./spiller.ts";
import { StoreConnection } from "./store-connection.ts";
import { storeHostProcess } from "./store-protocol.ts";

export interface StoreServerOptions {
  /** The node it is the store of; 0 in a local cluster. */
  readonly node?: number;
  readonly platform: Platform;
  /** Most bytes in memory; see `storeCapacityBytes`. */
  readonly capacityBytes: number;
  /** Directories for spilled objects, used in turn. */
  readonly spillDirs: readonly string[];
  /** Most bytes on disk; without limit when absent. */
  readonly diskLimitBytes?: number;
  /** Memory made ready in advance while the store grows. Default: 64 MiB, at most an eighth of the capacity. */
  readonly prefaultBytes?: number;
  /** The store is full of objects that are in use: processes should collect their garbage. */
  readonly onPressure?: () => void;
  readonly onWarning?: (message: string) => void;
}

const mebibyte = 1024 * 1024;
/** The file is so many times longer than the capacity, so that holes of any length are always found. */
const sparseness = 32;
/** No file system wants longer files. */
const maxSegmentBytes = 8 * 1024 ** 4;
const maxBlocks = 1_048_576;
/** Connections that have not said hello yet. */
const maxUnknown = 1_024;

/**
 * The object store of a node, in the agent: owns the memory, grants blocks, spills and restores.
 * It decides nothing itself: `StoreMachine` does. It never waits on a process, and the end of a connection is no death.
 */
export class StoreServer {
  readonly #options: StoreServerOptions;
  readonly #capacityBytes: number;
  readonly #segment: Segment;
  readonly #machine: StoreMachine;
  readonly #spiller: Spiller;
  readonly #secrets = new Map<number, Buffer>();
  readonly #connections = new Map<number, StoreConnection>();
  readonly #unknown = new Set<StoreConnection>();
  /** Events under way, the first one being handled. */
  readonly #events: StoreEvent[] = [];
  /** Commits and releases, one after the other. */
  #lane: Promise<void> = Promise.resolve();
  #closed = false;
  readonly local: LocalStore;
  /** Under which the processes of the node open the memory. */
  #segmentPath: string;
  /** A watched object is gone. Set by whoever watches. */
  onGone: (name: { readonly block: number; readonly generation: number }) => void = () => {};

  constructor(options: StoreServerOptions) {
    this.#options = options;
    if (options.spillDirs.length === 0)
      throw new IonoError("BadOption", "spillDirs must name a directory; got none");
    const capacityBytes = Math.floor(options.capacityBytes / 4096) * 4096;
    this.#capacityBytes = capacityBytes;
    const segmentBytes = Math.max(capacityBytes, Math.min(maxSegmentBytes, capacityBytes * sparseness));
    this.#segment = options.platform.createSegment(segmentBytes, options.spillDirs[0]);
    this.#segmentPath = this.#segment.path;
    if (this.#segment.warning !== undefined) options.onWarning?.(this.#segment.warning);
    this.#machine = new StoreMachine({
      node: options.node ?? 0,
      capacityBytes,
      segmentBytes,
      diskLimitBytes: options.diskLimitBytes ?? Number.MAX_SAFE_INTEGER,
      prefaultBytes: Math.min(options.prefaultBytes ?? 64 * mebibyte, Math.floor(capacityBytes / 8)),
      spillBatchBytes: Math.min(64 * mebibyte, Math.floor(capacityBytes / 16)),
      maxBlocks,
    });
    this.#spiller = new Spiller({
      directories: options.spillDirs,
      memoryFd: this.#segment.fd,
      onEvent: (event) => this.handle(event),
      onWarning: (message) => options.onWarning?.(message),
    });
    this.#machine.handle({ kind: "admitted", process: storeHostProcess });
    this.local = new LocalStore(
      (event) => this.handle(event),
      options.platform.openSegment(this.#segment.path, segmentBytes),
    );
  }

  get segmentPath(): string {
    return this.#segmentPath;
  }

  /** Another process holds the memory as well: those that connect from now on open it there. */
  set segmentPath(path: string) {
    this.#segmentPath = path;
  }

  /** Lets a process connect with this secret, and lets others write objects for it to hold. */
  admit(process: number, secret: string): void {
    this.#secrets.set(process, Buffer.from(secret));
    this.handle({ kind: "admitted", process });
  }

  /** A process has ended: everything it held or mapped is let go. Its number is not to be used again. */
  processDied(process: number): void {
    this.#secrets.delete(process);
    this.#connections.get(process)?.close();
    this.handle({ kind: "died", process });
  }

  /** Takes a connection of the store's socket. */
  accept(socket: Socket): void {
    if (this.#closed || this.#unknown.size >= maxUnknown) {
      socket.destroy();
      return;
    }
    const connection = new StoreConnection(socket, {
      welcome: {
        path: this.#segmentPath,
        segmentBytes: this.#segment.sizeBytes,
        capacityBytes: this.#capacityBytes,
      },
      hello: (process, secret) => this.#hello(connection, process, secret),
      handle: (event) => this.handle(event),
      stats: () => ({ ...this.stats() }),
      whereIs: (block, generation) => this.#machine.whereIs(block, generation),
      progress: () => this.progress,
      closed: (process, tickets) => {
        this.#unknown.delete(connection);
        if (process === undefined || this.#connections.get(process) !== connection) return;
        this.#connections.delete(process);
        for (const ticket of tickets) this.handle({ kind: "cancel", process, ticket });
      },
    });
    this.#unknown.add(connection);
  }

  /** Changes while the store gets somewhere: reading or writing the disk is that, too. */
  get progress(): number {
    return this.#machine.progress + (this.#spiller.isWorking ? performance.now() : 0);
  }

  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  stats(): StoreStats & { readonly spillFiles: number; readonly backing: Segment["backing"] } {
    return { ...this.#machine.stats(), spillFiles: this.#spiller.fileCount, backing: this.#segment.backing };
  }

  /** Gives an event to the machine and does what it asks for. */
  handle(event: StoreEvent): void {
    this.#events.push(event);
    if (this.#events.length > 1) return; // an instruction led to this event: first come the others of its kind
    for (let i = 0; i < this.#events.length && !this.#closed; i++) this.#handleOne(this.#events[i]);
    this.#events.length = 0;
  }

  #handleOne(event: StoreEvent): void {
    const spills = [];
    for (const instruction of this.#machine.handle(event)) {
      if (instruction.kind === "spill") spills.push(instruction);
      else this.#execute(instruction);
    }
    if (spills.length > 0) this.#spiller.spill(spills);
  }

  /** Ends every connection and lets the memory and the files go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of [...this.#connections.values(), ...this.#unknown]) connection.close();
    await this.#lane;
    await this.#spiller.close();
    this.local.close();
    this.#segment.close();
  }

  #hello(connection: StoreConnection, process: number, secret: Uint8Array): boolean {
    const expected = this.#secrets.get(process);
    if (expected === undefined || expected.length !== secret.length || !timingSafeEqual(expected, secret))
      return false;
    this.#connections.get(process)?.close();
    this.#unknown.delete(connection);
    this.#connections.set(process, connection);
    return true;
  }

  #execute(instruction: Exclude<StoreInstruction, { kind: "spill" }>): void {
    switch (instruction.kind) {
      case "granted":
      case "refused": {
        if (instruction.process === storeHostProcess) this.local.answer(instruction);
        else this.#connections.get(instruction.process)?.answer(instruction);
        break;
      }
      case "commit":
        this.#enqueue(() => this.#commit(instruction));
        break;
      case "release":
        this.#enqueue(() => this.#segment.release(instruction.offset, instruction.bytes));
        break;
      case "restore":
        this.#spiller.restore(instruction);
        break;
      case "forget":
        this.#spiller.forget(instruction.disk);
        break;
      case "gone":
        this.onGone(instruction);
        break;
      case "pressure":
        this.#options.onPressure?.();
        break;
    }
  }

  async #commit({ commit, offset, bytes, prefault }: StoreInstruction & { kind: "commit" }): Promise<void> {
    try {
      await this.#segment.commit(offset, bytes);
    } catch (error) {
      this.#options.onWarning?.(`the system refused ${bytes} bytes for the object store: ${String(error)}`);
      this.handle({ kind: "commitFailed", commit });
      return;
    }
    if (prefault) void this.#prefault(commit, offset, bytes); // takes long, and the lane need not wait for it
    else this.handle({ kind: "committed", commit });
  }

  async #prefault(commit: number, offset: number, bytes: number): Promise<void> {
    try {
      await this.#segment.prefault(offset, bytes);
    } catch (error) {
      this.#options.onWarning?.(`memory cannot be made ready in advance: ${String(error)}`);
    }
    this.handle({ kind: "committed", commit });
  }

  #enqueue(work: () => Promise<void>): void {
    this.#lane = this.#lane
      .then(work)
      .catch((error: unknown) => this.#options.onWarning?.(`object store: ${String(error)}`));
  }
}
