import type { StoreLocation } from "../protocol/payload.ts";
import { PageRanges } from "./page-ranges.ts";
import type { DiskPlace, RefusalReason, StoreEvent, StoreInstruction, StoreOptions, StoreStats } from "./store-events.ts";

/**
 * The object store of a node: which pages hold which object, who pins them, what is on disk.
 *
 * The store is one sparse file. Its pages are *cold* (a hole), *warm* (committed and free) or part of a block.
 * Any free range can be given back and any hole committed, so that only bytes count, never their place.
 *
 * (S1) A page belongs to at most one block, or is free.
 * (S2) A block's pages are freed only when no process maps it and no disk copy is being read or written (I2).
 * (S3) A block exists while some process holds or maps it, or its writer writes; pins are sets of processes (I4).
 * (S4) Committed pages never exceed the limit, unless the limit shrank under them because the system refused pages.
 * (S5) A slot's generation changes when it is used anew, so that a stale location is refused.
 * (S6) Every ticket gets exactly one answer, unless its process dies.
 */

export const storePageBytes = 4096;

type BlockState =
  /** Pages are being committed, for a writer or for a restore. */
  | "committing"
  | "writing"
  | "memory"
  /** In memory, and being copied to disk. */
  | "spilling"
  /** On disk only; maybe queued for restoring. */
  | "disk"
  | "restoring"
  /** Its bytes are gone; the slot remains while someone holds it. */
  | "lost";

interface Ticket {
  readonly process: number;
  readonly ticket: number;
}

interface Block {
  readonly slot: number;
  readonly generation: number;
  readonly sizeBytes: number;
  readonly pages: number;
  /** The process that writes it, until sealed; 0 afterwards. */
  writer: number;
  /** The ticket that asked for it, until granted. */
  ticket: Ticket | undefined;
  state: BlockState;
  startPage: number;
  readonly holds: Set<number>;
  readonly maps: Set<number>;
  /** Pins that wait for the bytes. Their processes are in `maps` already. */
  waiting: Ticket[];
  lastUse: number;
  disk: DiskPlace | undefined;
  /** Freed explicitly; pins are refused. */
  freed: boolean;
}

type Wait =
  | { readonly kind: "allocate"; readonly ticket: Ticket; readonly sizeBytes: number; readonly pages: number; readonly pinnedFor: number; passed: number }
  | { readonly kind: "restore"; readonly block: Block; readonly pages: number; passed: number };

/** A waiting request is passed by others at most so often, then they wait behind it. */
const passLimit = 64;
/** Requests that wait, at most; more are answered "full". */
const queueLimit = 65_536;

export class StoreMachine {
  readonly #options: StoreOptions;
  readonly #warm = new PageRanges();
  readonly #cold = new PageRanges();
  readonly #blocks: (Block | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  readonly #processes = new Set<number>();
  readonly #queue: Wait[] = [];
  /** Commits under way: for a block, or to have warm pages in advance. */
  readonly #commits = new Map<number, { readonly start: number; readonly pages: number; readonly block: Block | undefined }>();
  #nextCommit = 1;
  #limitPages: number;
  #committedPages = 0;
  #diskBytes = 0;
  #tick = 0;
  #progress = 0;
  #spilledBytes = 0;
  #restoredBytes = 0;
  #pressed = false;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#limitPages = Math.floor(options.capacityBytes / storePageBytes);
    this.#cold.add(0, Math.floor(options.segmentBytes / storePageBytes));
  }

  handle(event: StoreEvent): StoreInstruction[] {
    const out: StoreInstruction[] = [];
    this.#tick++;
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
        this.#seal(event.process, this.#find(event.block, event.generation), out);
        break;
      case "abandon": {
        const block = this.#find(event.block, event.generation);
        if (block?.state === "writing" && block.writer === event.process) this.#lose(block, out);
        break;
      }
      case "pin":
        this.#pin(event, out);
        break;
      case "unpin": {
        const block = this.#find(event.block, event.generation);
        if (block === undefined) break;
        (event.mapped ? block.maps : block.holds).delete(event.process);
        this.#settle(block, out);
        break;
      }
      case "free":
        this.#free(this.#find(event.block, event.generation), out);
        break;
      case "committed":
        this.#committed(event.commit, out);
        break;
      case "commitFailed":
        this.#commitFailed(event.commit, out);
        break;
      case "spilled":
        this.#spilled(event.block, event.generation, event.disk, out);
        break;
      case "spillFailed":
        this.#spillFailed(event.blocks, out);
        break;
      case "restored":
      case "restoreFailed":
        this.#restored(this.#find(event.block, event.generation), event.kind === "restored", out);
        break;
    }
    this.#drain(out);
    return out;
  }

  stats(): StoreStats {
    let usedPages = 0;
    let blocks = 0;
    for (const block of this.#blocks) {
      if (block === undefined) continue;
      blocks++;
      if (block.startPage >= 0) usedPages += block.pages;
    }
    return {
      capacityBytes: this.#options.capacityBytes,
      limitBytes: this.#limitPages * storePageBytes,
      committedBytes: this.#committedPages * storePageBytes,
      usedBytes: usedPages * storePageBytes,
      warmBytes: this.#warm.total * storePageBytes,
      diskBytes: this.#diskBytes,
      spilledBytes: this.#spilledBytes,
      restoredBytes: this.#restoredBytes,
      blocks,
      waiting: this.#queue.length,
      progress: this.#progress,
    };
  }

  /** Throws when an invariant is broken. */
  check(): void {
    const seen = new PageRanges();
    let committed = 0;
    let disk = 0;
    for (const [start, pages] of this.#cold) seen.add(start, pages);
    for (const [start, pages] of this.#warm) {
      seen.add(start, pages);
      committed += pages;
    }
    for (const { start, pages, block } of this.#commits.values()) {
      if (block !== undefined) continue;
      seen.add(start, pages);
      committed += pages;
    }
    for (const block of this.#blocks) {
      if (block === undefined) continue;
      const inMemory = block.state !== "disk" && block.state !== "lost";
      assert(inMemory === block.startPage >= 0, `block ${block.slot} is ${block.state} at page ${block.startPage}`);
      if (inMemory) {
        seen.add(block.startPage, block.pages); // (S1)
        committed += block.pages;
      }
      if (block.disk !== undefined || block.state === "spilling") disk += block.sizeBytes;
      assert(block.state !== "disk" || block.disk !== undefined, `block ${block.slot} is on no disk`);
      const needed = block.holds.size + block.maps.size > 0;
      const busy = block.state === "writing" || block.state === "committing" || block.state === "spilling" || block.state === "restoring";
      assert(needed || busy, `block ${block.slot} (${block.state}) is kept for nobody`); // (S3)
      for (const { process } of block.waiting) assert(block.maps.has(process), `a waiting pin of ${process} is not in maps`);
      for (const process of [...block.holds, ...block.maps]) assert(this.#processes.has(process), `${process} pins but is dead`);
    }
    assert(seen.total === Math.floor(this.#options.segmentBytes / storePageBytes), "pages are missing"); // (S1)
    assert(committed === this.#committedPages, `committed pages: counted ${committed}, kept ${this.#committedPages}`);
    assert(this.#committedPages <= this.#limitPages, `committed ${this.#committedPages} of ${this.#limitPages}`); // (S4)
    assert(disk === this.#diskBytes, `bytes on disk: counted ${disk}, kept ${this.#diskBytes}`);
  }

  // Requests

  #allocate(event: StoreEvent & { kind: "allocate" }, out: StoreInstruction[]): void {
    const ticket = { process: event.process, ticket: event.ticket };
    const pages = Math.max(1, Math.ceil(event.sizeBytes / storePageBytes));
    if (!this.#processes.has(event.process)) return this.#refuse(ticket, "stale", out);
    if (pages * storePageBytes > this.#options.capacityBytes) return this.#refuse(ticket, "neverFits", out);
    if (this.#liveBlocks() >= this.#options.maxBlocks || this.#queue.length >= queueLimit) return this.#refuse(ticket, "full", out);
    const wait: Wait = { kind: "allocate", ticket, sizeBytes: event.sizeBytes, pages, pinnedFor: event.pinnedFor, passed: 0 };
    if (event.patient) {
      this.#queue.push(wait); // handle() drains
      return;
    }
    const place = this.#queue.length === 0 ? this.#place(pages, out) : undefined;
    if (place === undefined) this.#refuse(ticket, "full", out);
    else this.#start(wait, place, out);
  }

  #cancel(event: Ticket, out: StoreInstruction[]): void {
    const same = (ticket: Ticket | undefined): boolean => ticket?.process === event.process && ticket.ticket === event.ticket;
    const queued = this.#queue.findIndex((wait) => wait.kind === "allocate" && same(wait.ticket));
    if (queued >= 0) {
      this.#queue.splice(queued, 1);
      return this.#refuse(event, "full", out);
    }
    for (const block of this.#blocks) {
      if (block === undefined) continue;
      if (same(block.ticket)) {
        block.ticket = undefined; // its pages go to the warm ones once committed
        return this.#refuse(event, "full", out);
      }
      const pin = block.waiting.findIndex(same);
      if (pin >= 0) {
        block.waiting.splice(pin, 1);
        return this.#refuse(event, "full", out);
      }
    }
  }

  #pin(event: StoreEvent & { kind: "pin" }, out: StoreInstruction[]): void {
    const ticket = { process: event.process, ticket: event.ticket };
    const block = this.#find(event.block, event.generation);
    if (block === undefined || !this.#processes.has(event.process)) return this.#refuse(ticket, "stale", out);
    if (block.freed) return this.#refuse(ticket, "freed", out);
    if (block.state === "lost") return this.#refuse(ticket, "lost", out);
    if (!event.mapped) {
      block.holds.add(event.process);
      return this.#grant(ticket, block, false, out);
    }
    block.maps.add(event.process);
    block.lastUse = this.#tick;
    if (block.state === "memory" || block.state === "spilling") return this.#grant(ticket, block, false, out);
    block.waiting.push(ticket);
    if (block.state === "disk") this.#queueRestore(block);
  }

  #seal(process: number, block: Block | undefined, out: StoreInstruction[]): void {
    if (block?.state !== "writing" || block.writer !== process) return;
    block.state = "memory";
    block.writer = 0;
    block.lastUse = this.#tick;
    this.#answerWaiting(block, out);
    this.#settle(block, out);
  }

  #free(block: Block | undefined, out: StoreInstruction[]): void {
    if (block === undefined) return;
    block.freed = true;
    block.holds.clear();
    this.#refuseWaiting(block, "freed", out);
    this.#settle(block, out);
  }

  #died(process: number, out: StoreInstruction[]): void {
    if (!this.#processes.delete(process)) return;
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const wait = this.#queue[i];
      if (wait.kind === "allocate" && wait.ticket.process === process) this.#queue.splice(i, 1);
    }
    for (const block of this.#blocks) {
      if (block === undefined) continue;
      block.holds.delete(process);
      block.maps.delete(process);
      block.waiting = block.waiting.filter((ticket) => ticket.process !== process);
      if (block.ticket?.process === process) block.ticket = undefined;
      if (block.state === "writing" && block.writer === process) this.#lose(block, out);
      else this.#settle(block, out);
    }
  }

  // Memory

  /** Finds room, committing and giving back pages as needed; undefined when pages must be freed first. */
  #place(pages: number, out: StoreInstruction[]): { readonly start: number; readonly commit: boolean } | undefined {
    const warm = this.#warm.takeBestFit(pages);
    if (warm >= 0) return { start: warm, commit: false };
    const grown = this.#grow(pages, out);
    if (grown >= 0) return { start: grown, commit: true };
    const shortage = pages - (this.#limitPages - this.#committedPages);
    if (shortage > this.#warm.total) return undefined;
    const start = this.#cold.takeFirstFit(pages);
    if (start < 0) return undefined;
    this.#giveBack(shortage, out);
    this.#committedPages += pages;
    return { start, commit: true };
  }

  /** Lengthens the longest warm range that has cold pages behind it, so that less must be committed afresh. */
  #grow(pages: number, out: StoreInstruction[]): number {
    let start = -1;
    let longest = 0;
    for (const [from, count] of this.#warm) {
      if (count <= longest || !this.#cold.contains(from + count, pages - count)) continue;
      const shortage = pages - count - (this.#limitPages - this.#committedPages);
      if (shortage > this.#warm.total - count) continue;
      start = from;
      longest = count;
    }
    if (start < 0) return -1;
    this.#warm.remove(start, longest);
    this.#cold.remove(start + longest, pages - longest);
    this.#giveBack(pages - longest - (this.#limitPages - this.#committedPages), out);
    this.#committedPages += pages - longest;
    return start;
  }

  #giveBack(pages: number, out: StoreInstruction[]): void {
    let left = pages;
    while (left > 0) {
      const range = this.#warm.takeSmallest(left);
      if (range === undefined) throw new Error(`no ${left} warm pages to give back`);
      this.#cold.add(range.start, range.count);
      this.#committedPages -= range.count;
      left -= range.count;
      out.push({ kind: "release", offset: range.start * storePageBytes, bytes: range.count * storePageBytes });
    }
  }

  #start(wait: Wait, place: { readonly start: number; readonly commit: boolean }, out: StoreInstruction[]): void {
    const block = wait.kind === "restore" ? wait.block : this.#newBlock(wait);
    block.startPage = place.start;
    block.state = "committing";
    if (!place.commit) return this.#ready(block, false, out);
    this.#commit(place.start, block.pages, block, out);
    this.#prefault(out);
  }

  #commit(start: number, pages: number, block: Block | undefined, out: StoreInstruction[]): void {
    const commit = this.#nextCommit++;
    this.#commits.set(commit, { start, pages, block });
    out.push({ kind: "commit", commit, offset: start * storePageBytes, bytes: pages * storePageBytes, prefault: block === undefined });
  }

  /** Commits some pages in advance, when the store is growing and has room. */
  #prefault(out: StoreInstruction[]): void {
    const pages = Math.floor(this.#options.prefaultBytes / storePageBytes);
    if (pages === 0 || this.#queue.length > 0 || this.#warm.total >= pages) return;
    if (this.#limitPages - this.#committedPages < pages) return;
    for (const { block } of this.#commits.values()) if (block === undefined) return;
    const start = this.#cold.takeFirstFit(pages);
    if (start < 0) return;
    this.#committedPages += pages;
    this.#commit(start, pages, undefined, out);
  }

  #committed(commit: number, out: StoreInstruction[]): void {
    const pending = this.#commits.get(commit);
    if (pending === undefined) return;
    this.#commits.delete(commit);
    if (pending.block === undefined) this.#warm.add(pending.start, pending.pages);
    else this.#ready(pending.block, true, out);
  }

  /** The system refused pages: behave as a smaller store from now on. */
  #commitFailed(commit: number, out: StoreInstruction[]): void {
    const pending = this.#commits.get(commit);
    if (pending === undefined) return;
    this.#commits.delete(commit);
    const { start, pages, block } = pending;
    out.push({ kind: "release", offset: start * storePageBytes, bytes: pages * storePageBytes });
    this.#cold.add(start, pages);
    this.#committedPages -= pages;
    this.#limitPages = Math.max(this.#committedPages, Math.min(this.#limitPages, this.#committedPages + Math.floor(pages / 2)));
    if (block === undefined) return;
    block.startPage = -1;
    if (block.disk !== undefined) {
      block.state = "disk";
      if (block.waiting.length > 0) this.#queueRestore(block);
      else this.#settle(block, out);
      return;
    }
    if (block.ticket !== undefined) this.#refuse(block.ticket, "full", out);
    this.#recycle(block);
  }

  /** A block's pages are there: hand them to the writer, or fill them from disk. */
  #ready(block: Block, fresh: boolean, out: StoreInstruction[]): void {
    if (block.disk !== undefined) {
      block.state = "restoring";
      out.push({ kind: "restore", block: block.slot, generation: block.generation, offset: block.startPage * storePageBytes, bytes: block.sizeBytes, disk: block.disk });
      return;
    }
    if (block.ticket === undefined) return this.#discard(block, out); // cancelled, or its process died
    block.state = "writing";
    this.#grant(block.ticket, block, fresh, out);
    block.ticket = undefined;
  }

  // Waiting and spilling

  #drain(out: StoreInstruction[]): void {
    let at = 0;
    while (at < this.#queue.length) {
      const wait = this.#queue[at];
      const place = this.#place(wait.pages, out);
      if (place !== undefined) {
        this.#queue.splice(at, 1);
        if (at > 0) this.#queue[0].passed++;
        this.#start(wait, place, out);
        continue;
      }
      const freed = this.#spillFor(wait, out);
      if (freed === "now") continue;
      if (freed === "outOfDisk") {
        this.#queue.splice(at, 1);
        this.#refuseWait(wait, "outOfDisk", out);
        continue;
      }
      if (freed === "soon" || (at === 0 && wait.passed >= passLimit)) break; // what comes is for this one
      if (!this.#pressed) out.push({ kind: "pressure" });
      this.#pressed = true;
      at++;
    }
    if (this.#queue.length === 0) this.#pressed = false;
  }

  /** Spills enough for `wait`: done "now", under way ("soon"), impossible at present ("never") or for want of disk. */
  #spillFor(wait: Wait, out: StoreInstruction[]): "now" | "soon" | "never" | "outOfDisk" {
    let shortage = wait.pages - (this.#limitPages - this.#committedPages) - this.#warm.total;
    if (shortage <= 0) return "never"; // enough pages, but no range of the file is long enough
    const candidates: Block[] = [];
    let soon = false;
    for (const block of this.#blocks) {
      if (block === undefined || block.maps.size > 0) continue;
      if (block.state === "spilling") {
        shortage -= block.pages;
        soon = true;
      } else if (block.state === "memory") candidates.push(block);
    }
    for (const { block, pages } of this.#commits.values()) {
      if (block !== undefined && (block.ticket !== undefined || block.disk !== undefined)) continue;
      shortage -= pages; // committed in advance, or cancelled since: these come back as warm pages
      soon = true;
    }
    if (shortage <= 0) return "soon";
    if (candidates.reduce((pages, block) => pages + block.pages, 0) < shortage) return "never";
    candidates.sort((a, b) => a.lastUse - b.lastUse);
    const batch = Math.max(shortage, Math.floor(this.#options.spillBatchBytes / storePageBytes));
    let pages = 0;
    let written = false;
    for (const block of candidates) {
      if (pages >= shortage && (!written || pages >= batch)) break;
      if (block.disk === undefined) {
        if (this.#diskBytes + block.sizeBytes > this.#options.diskLimitBytes) {
          if (pages >= shortage) break;
          continue;
        }
        block.state = "spilling";
        this.#diskBytes += block.sizeBytes;
        written = true;
        out.push({ kind: "spill", block: block.slot, generation: block.generation, offset: block.startPage * storePageBytes, bytes: block.sizeBytes });
      } else {
        this.#leaveMemory(block); // its copy on disk is still good
      }
      pages += block.pages;
    }
    if (written || soon) return pages >= shortage || written ? "soon" : "never";
    return pages >= shortage ? "now" : "outOfDisk";
  }

  #spilled(slot: number, generation: number, disk: DiskPlace, out: StoreInstruction[]): void {
    const block = this.#find(slot, generation);
    if (block?.state !== "spilling") return;
    block.disk = disk;
    block.state = "memory";
    this.#spilledBytes += block.sizeBytes;
    if (block.holds.size > 0 && block.maps.size === 0) this.#leaveMemory(block);
    else this.#settle(block, out); // mapped since: both copies are kept
  }

  #spillFailed(blocks: readonly { readonly block: number; readonly generation: number }[], out: StoreInstruction[]): void {
    let failed = false;
    for (const { block: slot, generation } of blocks) {
      const block = this.#find(slot, generation);
      if (block?.state !== "spilling") continue;
      block.state = "memory";
      this.#diskBytes -= block.sizeBytes;
      failed = true;
      this.#settle(block, out);
    }
    const wait = failed ? this.#queue.shift() : undefined;
    if (wait !== undefined) this.#refuseWait(wait, "outOfDisk", out);
  }

  #queueRestore(block: Block): void {
    if (this.#queue.some((wait) => wait.kind === "restore" && wait.block === block)) return;
    this.#queue.push({ kind: "restore", block, pages: block.pages, passed: 0 });
  }

  #restored(block: Block | undefined, intact: boolean, out: StoreInstruction[]): void {
    if (block?.state !== "restoring") return;
    if (!intact) return this.#lose(block, out);
    block.state = "memory";
    block.lastUse = this.#tick;
    this.#restoredBytes += block.sizeBytes;
    this.#progress++;
    this.#answerWaiting(block, out);
    this.#settle(block, out);
  }

  // The life of a block

  #find(slot: number, generation: number): Block | undefined {
    const block = this.#blocks[slot];
    return block !== undefined && block.generation === generation ? block : undefined; // (S5)
  }

  #liveBlocks(): number {
    return this.#blocks.length - this.#freeSlots.length;
  }

  #newBlock(wait: Wait & { kind: "allocate" }): Block {
    const slot = this.#freeSlots.pop() ?? this.#blocks.length;
    const generation = (this.#generations[slot] ?? 0) + 1;
    this.#generations[slot] = generation;
    const holds = new Set<number>();
    if (this.#processes.has(wait.pinnedFor)) holds.add(wait.pinnedFor);
    const block: Block = {
      slot, generation, sizeBytes: wait.sizeBytes, pages: wait.pages, writer: wait.ticket.process, ticket: wait.ticket,
      state: "committing", startPage: -1, holds, maps: new Set(), waiting: [], lastUse: this.#tick, disk: undefined, freed: false,
    };
    this.#blocks[slot] = block;
    return block;
  }

  /** Lets go of a block that nobody needs and nothing works on. (S2) (S3) */
  #settle(block: Block, out: StoreInstruction[]): void {
    if (block.holds.size > 0 || block.maps.size > 0) return;
    if (block.state === "memory" || block.state === "disk" || block.state === "lost") this.#discard(block, out);
  }

  #discard(block: Block, out: StoreInstruction[]): void {
    this.#leaveMemory(block);
    this.#leaveDisk(block, out);
    this.#recycle(block);
  }

  /** A block's bytes are gone for good. */
  #lose(block: Block, out: StoreInstruction[]): void {
    this.#leaveMemory(block);
    this.#leaveDisk(block, out);
    block.state = "lost";
    this.#refuseWaiting(block, "lost", out);
    this.#settle(block, out);
  }

  #leaveMemory(block: Block): void {
    if (block.startPage < 0) return;
    this.#warm.add(block.startPage, block.pages);
    block.startPage = -1;
    block.state = "disk";
    this.#progress++;
  }

  #leaveDisk(block: Block, out: StoreInstruction[]): void {
    if (block.disk === undefined) return;
    out.push({ kind: "forget", disk: block.disk, bytes: block.sizeBytes });
    this.#diskBytes -= block.sizeBytes;
    block.disk = undefined;
  }

  #recycle(block: Block): void {
    const queued = this.#queue.findIndex((wait) => wait.kind === "restore" && wait.block === block);
    if (queued >= 0) this.#queue.splice(queued, 1);
    this.#blocks[block.slot] = undefined;
    this.#freeSlots.push(block.slot);
  }

  // Answers

  #grant(ticket: Ticket, block: Block, fresh: boolean, out: StoreInstruction[]): void {
    const location: StoreLocation = {
      segment: 0,
      offset: Math.max(0, block.startPage) * storePageBytes,
      size: block.sizeBytes,
      block: block.slot,
      generation: block.generation,
    };
    out.push({ kind: "granted", process: ticket.process, ticket: ticket.ticket, location, fresh });
  }

  #refuse(ticket: Ticket, reason: RefusalReason, out: StoreInstruction[]): void {
    out.push({ kind: "refused", process: ticket.process, ticket: ticket.ticket, reason });
  }

  #refuseWait(wait: Wait, reason: RefusalReason, out: StoreInstruction[]): void {
    if (wait.kind === "allocate") return this.#refuse(wait.ticket, reason, out);
    this.#refuseWaiting(wait.block, reason, out);
    this.#settle(wait.block, out);
  }

  #answerWaiting(block: Block, out: StoreInstruction[]): void {
    for (const ticket of block.waiting) this.#grant(ticket, block, false, out);
    block.waiting = [];
  }

  /** Refused pins leave nothing behind. */
  #refuseWaiting(block: Block, reason: RefusalReason, out: StoreInstruction[]): void {
    for (const ticket of block.waiting) {
      block.maps.delete(ticket.process);
      this.#refuse(ticket, reason, out);
    }
    block.waiting = [];
  }
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`store: ${message}`);
}
