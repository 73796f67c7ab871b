import { grant, grantWaiting, refuse, refuseWaiting, sayGone, watch } from "./store-answers.ts";
import { type Block, BlockTable, letGo, type Ticket, whereIs } from "./store-blocks.ts";
import { checkStore } from "./store-check.ts";
import { CopyCache, memoryStats } from "./store-copies.ts";
import { StoreDisk } from "./store-disk.ts";
import {
  storePageBytes,
  type BlockName,
  type DiskPlace,
  type RefusalReason,
  type StoreEvent,
  type StoreInstruction,
  type StoreOptions,
  type StoreStats,
} from "./store-events.ts";
import { type Room, StoreMemory } from "./store-memory.ts";
import { type Wait, WaitQueue } from "./store-queue.ts";
import { planSpill } from "./store-spill.ts";

/**
 * The object store of a node: which pages hold which object, who pins them, what is on disk.
 *
 * The store is one sparse file. Its pages are *cold* (a hole), *warm* (committed and free) or part of a block.
 * Any free range can be given back and any hole committed, so that only bytes count, never their place.
 *
 * (S1) A page belongs to at most one block, or is free.
 * (S2) A block's pages are freed only when no process maps it and no disk copy is being read or written (I2).
 * (S3) A block exists while some process holds or maps it, or its writer writes; pins are sets of processes (I4).
 *      A copy of another node's object stays beyond that while nobody else wants its room.
 * (S4) Committed pages never exceed the limit, unless the limit shrank under them because the system refused pages.
 * (S5) A slot's generation changes when it is used anew, so that a stale location is refused.
 * (S6) Every ticket gets exactly one answer, unless its process dies.
 */

/** Requests that wait, at most; more are answered "full". */
const queueLimit = 65_536;

export class StoreMachine {
  readonly #options: StoreOptions;
  readonly #memory: StoreMemory<Block>;
  readonly #disk: StoreDisk;
  readonly #copies: CopyCache;
  readonly #blocks = new BlockTable();
  readonly #processes = new Set<number>();
  readonly #queue = new WaitQueue();
  #tick = 0;
  #progress = 0;
  #pressed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#memory = new StoreMemory(options);
    this.#disk = new StoreDisk(options);
    this.#copies = new CopyCache(Math.floor(options.capacityBytes / storePageBytes));
  }

  handle(event: StoreEvent): StoreInstruction[] {
    const out: StoreInstruction[] = [];
    this.#tick++;
    const block = "block" in event ? this.#blocks.find(event.block, event.generation) : undefined; // (S5)
    switch (event.kind) {
      case "admitted":
        this.#processes.add(event.process);
        break;
      case "died":
        this.#died(event.process, out);
        break;
      case "allocate":
        this.#allocate(event, out);
        break;
      case "cancel":
        this.#cancel(event, out);
        break;
      case "seal":
        this.#seal(event.process, block, out);
        break;
      case "abandon":
        if (block?.state === "writing" && block.writer === event.process) this.#lose(block, out);
        break;
      case "pin":
        this.#pin(event, block, out);
        break;
      case "unpin":
        if (block === undefined) break;
        if (event.mapped) refuseWaiting(block, "stale", out, event.process);
        (event.mapped ? block.maps : block.holds).delete(event.process);
        this.#settle(block, out);
        break;
      case "free":
        this.#free(block, out);
        break;
      case "watch":
        watch(event, block, out);
        break;
      case "disown":
        if (block !== undefined) this.#disown(block, out);
        break;
      case "committed":
        this.#ready(this.#memory.committed(event.commit)?.owner, true, out);
        break;
      case "commitFailed":
        this.#commitFailed(event.commit, out);
        break;
      case "spilled":
        this.#spilled(block, event.disk, out);
        break;
      case "spillFailed":
        this.#spillFailed(event.blocks, out);
        break;
      case "restored":
      case "restoreFailed":
        this.#restored(block, event.kind === "restored", out);
        break;
    }
    this.#drain(out);
    return out;
  }

  get progress(): number {
    return this.#progress;
  }

  stats(): StoreStats {
    const { capacityBytes } = this.#options;
    const waiting = this.#queue.length;
    const progress = this.#progress;
    return {
      ...{ capacityBytes, waiting, progress, blocks: this.#blocks.size },
      ...memoryStats(this.#memory, this.#blocks, this.#copies),
      ...this.#disk.stats(),
    };
  }

  /** Where the bytes of an object are; undefined when there is no such object any more. */
  whereIs(block: number, generation: number): "memory" | "disk" | undefined {
    return whereIs(this.#blocks.find(block, generation));
  }

  /** Throws when an invariant is broken. */
  check(): void {
    checkStore({
      options: this.#options,
      memory: this.#memory,
      blocks: this.#blocks,
      copies: this.#copies,
      processes: this.#processes,
      diskBytes: this.#disk.bytes,
    });
  }

  #allocate(event: StoreEvent & { kind: "allocate" }, out: StoreInstruction[]): void {
    const ticket = { process: event.process, ticket: event.ticket };
    const pages = Math.max(1, Math.ceil(event.sizeBytes / storePageBytes));
    if (!this.#processes.has(event.process)) return refuse(ticket, "stale", out);
    if (pages * storePageBytes > this.#options.capacityBytes) return refuse(ticket, "neverFits", out);
    if (this.#blocks.size >= this.#options.maxBlocks || this.#queue.length >= queueLimit)
      return refuse(ticket, "full", out);
    const { sizeBytes, pinnedFor, isCopy = false } = event;
    const wait: Wait = { kind: "allocate", ticket, sizeBytes, pages, pinnedFor, isCopy };
    if (event.patient) {
      this.#queue.push(wait); // handle() drains
      return;
    }
    const isAllowed = event.warm !== true || this.#memory.warm.fits(pages);
    const room = this.#queue.length === 0 && isAllowed ? this.#take(pages, out) : undefined;
    if (room === undefined) refuse(ticket, "full", out);
    else this.#start(wait, room, out);
  }

  #cancel(ticket: Ticket, out: StoreInstruction[]): void {
    if (this.#queue.removeTicket(ticket) || this.#blocks.cancel(ticket)) refuse(ticket, "full", out);
  }

  #pin(event: StoreEvent & { kind: "pin" }, block: Block | undefined, out: StoreInstruction[]): void {
    const ticket = { process: event.process, ticket: event.ticket };
    const holder = event.holder ?? event.process;
    if (block === undefined || !this.#processes.has(holder)) return refuse(ticket, "stale", out);
    if (block.freed) return refuse(ticket, "freed", out);
    if (block.state === "lost") return refuse(ticket, "lost", out);
    this.#copies.delete(block);
    if (!event.mapped) {
      block.holds.add(holder);
      return grant(ticket, block, false, out);
    }
    block.maps.add(holder);
    block.lastUse = this.#tick;
    if (block.state === "memory" || block.state === "spilling") return grant(ticket, block, false, out);
    block.waiting.push(ticket);
    if (block.state === "disk") this.#queue.pushRestore(block);
  }

  #seal(process: number, block: Block | undefined, out: StoreInstruction[]): void {
    if (block?.state !== "writing" || block.writer !== process) return;
    block.state = "memory";
    block.lastUse = this.#tick;
    grantWaiting(block, out);
    this.#settle(block, out);
  }

  #free(block: Block | undefined, out: StoreInstruction[]): void {
    if (block === undefined) return;
    block.freed = true;
    sayGone(block, out);
    block.holds.clear();
    refuseWaiting(block, "freed", out);
    this.#disown(block, out);
  }

  #disown(block: Block, out: StoreInstruction[]): void {
    block.isCopy = false;
    this.#copies.delete(block);
    this.#settle(block, out);
  }

  #died(process: number, out: StoreInstruction[]): void {
    if (!this.#processes.delete(process)) return;
    this.#queue.removeProcess(process);
    for (const block of this.#blocks) {
      letGo(block, process);
      if (block.state === "writing" && block.writer === process) this.#lose(block, out);
      else this.#settle(block, out);
    }
  }

  /** Takes room, for which unpinned copies go, the oldest first. */
  #take(pages: number, out: StoreInstruction[]): Room | undefined {
    for (;;) {
      const room = this.#memory.take(pages, out);
      if (room !== undefined || this.#memory.shortage(pages) <= 0) return room;
      const copy = this.#copies.first;
      if (copy === undefined) return undefined;
      this.#discard(copy, out);
    }
  }

  #start(wait: Wait, room: Room, out: StoreInstruction[]): void {
    const block =
      wait.kind === "restore"
        ? wait.block
        : this.#blocks.add(
            {
              ...wait,
              node: this.#options.node,
              holds: new Set([wait.pinnedFor].filter((process) => this.#processes.has(process))),
            },
            this.#tick,
          );
    block.startPage = room.start;
    block.state = "committing";
    if (!room.commit) return this.#ready(block, false, out);
    this.#memory.commit(room.start, block.pages, block, out);
    if (this.#queue.length === 0) this.#memory.prefault(out);
  }

  #commitFailed(commit: number, out: StoreInstruction[]): void {
    const block = this.#memory.commitFailed(commit, out)?.owner;
    if (block === undefined) return;
    block.startPage = -1;
    if (block.disk !== undefined) {
      block.state = "disk";
      if (block.waiting.length > 0) this.#queue.pushRestore(block);
      else this.#settle(block, out);
      return;
    }
    if (block.ticket !== undefined) refuse(block.ticket, "full", out);
    this.#recycle(block, out);
  }

  /** A block's pages are there: hand them to the writer, or fill them from disk. */
  #ready(block: Block | undefined, fresh: boolean, out: StoreInstruction[]): void {
    if (block === undefined) return;
    if (block.disk !== undefined) return this.#disk.restore(block, block.disk, out);
    if (block.ticket === undefined) return this.#discard(block, out); // cancelled, or its process died
    block.state = "writing";
    grant(block.ticket, block, fresh, out);
    block.ticket = undefined;
  }

  #drain(out: StoreInstruction[]): void {
    let at = 0;
    while (at < this.#queue.length) {
      const wait = this.#queue.at(at);
      if (wait.kind === "restore" && wait.block.maps.size === 0) {
        this.#queue.remove(at); // nobody waits for it any more
        continue;
      }
      const room = this.#take(wait.pages, out);
      if (room !== undefined) {
        this.#queue.serve(at);
        this.#start(wait, room, out);
        continue;
      }
      const freed = this.#spillFor(wait, out);
      if (freed === "now") continue;
      if (freed === "outOfDisk") {
        this.#queue.remove(at);
        this.#refuseWait(wait, "outOfDisk", out);
        continue;
      }
      if (freed === "soon" || (at === 0 && this.#queue.isStrict)) break; // what comes is for this one
      if (!this.#pressed) out.push({ kind: "pressure" });
      this.#pressed = true;
      at++;
    }
    if (this.#queue.length === 0) this.#pressed = false;
  }

  /** Spills enough for `wait`, if that can be done. */
  #spillFor(wait: Wait, out: StoreInstruction[]): ReturnType<typeof planSpill>["outcome"] {
    const { outcome, leave, write } = planSpill({
      blocks: this.#blocks,
      memory: this.#memory,
      disk: this.#disk,
      pages: wait.pages,
      batchBytes: this.#options.spillBatchBytes,
    });
    for (const block of leave) this.#leaveMemory(block);
    for (const block of write) this.#disk.spill(block, out);
    return outcome;
  }

  #spilled(block: Block | undefined, disk: DiskPlace, out: StoreInstruction[]): void {
    if (block?.state !== "spilling") return;
    this.#disk.spilled(block, disk);
    if (block.holds.size > 0 && block.maps.size === 0) this.#leaveMemory(block);
    else this.#settle(block, out); // mapped since: both copies are kept
  }

  #spillFailed(blocks: readonly BlockName[], out: StoreInstruction[]): void {
    let failed = false;
    for (const { block: slot, generation } of blocks) {
      const block = this.#blocks.find(slot, generation);
      if (block?.state !== "spilling") continue;
      this.#disk.spillFailed(block);
      failed = true;
      this.#settle(block, out);
    }
    const wait = failed ? this.#queue.shift() : undefined;
    if (wait !== undefined) this.#refuseWait(wait, "outOfDisk", out);
  }

  #restored(block: Block | undefined, intact: boolean, out: StoreInstruction[]): void {
    if (block?.state !== "restoring") return;
    if (!intact) return this.#lose(block, out);
    this.#disk.restored(block);
    block.lastUse = this.#tick;
    this.#progress++;
    grantWaiting(block, out);
    this.#settle(block, out);
  }

  /** Lets go of a block that nobody needs and nothing works on. (S2) (S3) */
  #settle(block: Block, out: StoreInstruction[]): void {
    if (block.holds.size > 0 || block.maps.size > 0) return;
    if (block.isCopy && block.state === "memory") {
      this.#disk.forget(block, out);
      this.#copies.add(block);
      for (let each = this.#copies.excess; each !== undefined; each = this.#copies.excess)
        this.#discard(each, out);
    } else if (["memory", "disk", "lost"].includes(block.state)) this.#discard(block, out);
  }

  #discard(block: Block, out: StoreInstruction[]): void {
    this.#leaveMemory(block);
    this.#disk.forget(block, out);
    this.#recycle(block, out);
  }

  /** A block's bytes are gone for good. One that was never sealed is known to nobody. */
  #lose(block: Block, out: StoreInstruction[]): void {
    if (block.state === "writing") block.holds.clear();
    this.#leaveMemory(block);
    this.#disk.forget(block, out);
    block.state = "lost";
    sayGone(block, out);
    refuseWaiting(block, "lost", out);
    this.#settle(block, out);
  }

  #leaveMemory(block: Block): void {
    if (block.startPage < 0) return;
    this.#memory.free(block.startPage, block.pages);
    block.startPage = -1;
    block.state = "disk";
    this.#progress++;
  }

  #recycle(block: Block, out: StoreInstruction[]): void {
    sayGone(block, out);
    this.#copies.delete(block);
    this.#queue.removeRestore(block);
    this.#blocks.remove(block);
  }

  #refuseWait(wait: Wait, reason: RefusalReason, out: StoreInstruction[]): void {
    if (wait.kind === "allocate") return refuse(wait.ticket, reason, out);
    refuseWaiting(wait.block, reason, out);
    this.#settle(wait.block, out);
  }
}
