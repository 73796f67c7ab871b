import { Worker } from "node:worker_threads";
import type { DiskPlace, StoreEvent, StoreInstruction } from "@iono/core";
import type { SpillJob, SpillReply, SpillRequest } from "./spill-worker.ts";

type Spill = StoreInstruction & { kind: "spill" };
type Restore = StoreInstruction & { kind: "restore" };

interface SpillFile {
  readonly number: number;
  readonly directory: string;
  /** Where the next block goes. */
  position: number;
  /** Blocks in it that are still wanted. */
  live: number;
}

interface SpillerOptions {
  readonly directories: readonly string[];
  /** The store's file. */
  readonly memoryFd: number;
  readonly onEvent: (event: StoreEvent) => void;
  readonly onWarning: (message: string) => void;
}

/** A file that long takes no more blocks. */
const fileBytes = 64 * 1024 * 1024;
/** A piece of work that takes longer is not waited for. */
const hangingMs = 60_000;

/**
 * Spilled objects on disk: which file, which place. The reading and writing happens in a thread, started when needed.
 * Files have no name from the moment they are created, so that nothing is left behind however this process ends.
 */
export class Spiller {
  readonly #options: SpillerOptions;
  readonly #files = new Map<number, SpillFile>();
  readonly #pending = new Map<
    number,
    { readonly settle: (reply: SpillReply) => void; readonly since: number }
  >();
  #worker: Worker | undefined;
  #current: SpillFile | undefined;
  #nextFile = 1;
  #nextRequest = 1;
  /** Failures in a row. */
  #failures = 0;
  #closed = false;

  constructor(options: SpillerOptions) {
    this.#options = options;
  }

  get fileCount(): number {
    return this.#files.size;
  }

  /** True while the thread reads or writes; not when a disk hangs. */
  get isWorking(): boolean {
    for (const { since } of this.#pending.values()) return performance.now() - since < hangingMs; // the oldest
    return false;
  }

  /** Writes blocks one after the other into one file, trying each directory before giving up. */
  spill(blocks: readonly Spill[]): void {
    this.#trySpill(blocks, this.#options.directories.length);
  }

  #trySpill(blocks: readonly Spill[], attemptsLeft: number): void {
    const file = this.#openFile();
    const jobs: SpillJob[] = [];
    for (const { offset, bytes } of blocks) {
      jobs.push({ offset, bytes, position: file.position });
      file.position += bytes;
    }
    file.live += blocks.length;
    this.#ask({ kind: "spill", file: file.number, directory: file.directory, jobs }, (reply) => {
      if (reply.kind === "spilled") {
        this.#failures = 0;
        blocks.forEach(({ block, generation }, i) => {
          const disk = { file: file.number, position: jobs[i].position, checksum: reply.checksums[i] };
          this.#options.onEvent({ kind: "spilled", block, generation, disk });
        });
        return;
      }
      if (this.#current === file) this.#current = undefined;
      this.#letGo(file, blocks.length);
      this.#warn(file.directory, reply.kind === "failed" ? reply.code : "no reply");
      if (attemptsLeft > 1) this.#trySpill(blocks, attemptsLeft - 1);
      else this.#options.onEvent({ kind: "spillFailed", blocks });
    });
  }

  /** A disk that is full or gone fails with every object: it is said less and less often. */
  #warn(directory: string, reason: string): void {
    const count = ++this.#failures;
    if ((count & (count - 1)) !== 0) return;
    this.#options.onWarning(
      `spilling to ${directory} failed${count > 1 ? ` (${count} times in a row)` : ""}: ${reason}`,
    );
  }

  restore({ block, generation, offset, bytes, disk }: Restore): void {
    const { file, position, checksum } = disk;
    this.#ask({ kind: "restore", file, offset, bytes, position, checksum }, (reply) => {
      if (reply.kind === "failed")
        this.#options.onWarning(`a spilled object of ${bytes} bytes cannot be restored: ${reply.code}`);
      this.#options.onEvent({
        kind: reply.kind === "restored" ? "restored" : "restoreFailed",
        block,
        generation,
      });
    });
  }

  /** A block on disk is not wanted any more. */
  forget(disk: DiskPlace): void {
    const file = this.#files.get(disk.file);
    if (file !== undefined) this.#letGo(file, 1);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pending.clear();
    await this.#worker?.terminate();
  }

  #openFile(): SpillFile {
    const current = this.#current;
    if (current !== undefined && current.position < fileBytes) return current;
    const number = this.#nextFile++;
    const directory = this.#options.directories[number % this.#options.directories.length];
    const file = { number, directory, position: 0, live: 0 };
    this.#files.set(number, file);
    this.#current = file;
    if (current?.live === 0) this.#drop(current);
    return file;
  }

  #letGo(file: SpillFile, blocks: number): void {
    file.live -= blocks;
    if (file.live > 0) return;
    if (file === this.#current) this.#current = undefined;
    this.#drop(file);
  }

  #drop(file: SpillFile): void {
    if (this.#files.delete(file.number)) this.#ask({ kind: "close", file: file.number }, () => {});
  }

  #ask(request: SpillRequest, settle: (reply: SpillReply) => void): void {
    if (this.#closed) return;
    const id = this.#nextRequest++;
    this.#pending.set(id, { settle, since: performance.now() });
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage({ id, request });
  }

  #startWorker(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "./spill-worker.ts" : "./spill-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { memoryFd: this.#options.memoryFd },
    });
    worker.unref();
    worker.on("message", ({ id, reply }: { id: number; reply: SpillReply }) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      pending?.settle(reply);
    });
    worker.on("error", (error) => this.#lost(error));
    return worker;
  }

  /** The thread died, and with it every file it had open. */
  #lost(error: unknown): void {
    this.#options.onWarning(`the spill thread failed: ${String(error)}`);
    this.#worker = undefined;
    this.#current = undefined;
    this.#files.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { settle } of pending) settle({ kind: "failed", code: "the spill thread failed" });
  }
}
