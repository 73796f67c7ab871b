/**
 * Objects between nodes, as the agent of one of them decides: what is received, from whom, in which order; what is sent,
 * and where it can be had instead.
 *
 * A copy is received front to back, from one node at a time, and can be passed on as far as it is here. The home of an
 * object says from whom to take it (transfer-tree.ts); small ones it always sends itself. A node that does not deliver is
 * not asked again for that object: the home names another, and what is here already is not sent twice.
 *
 * (T1) A request gets exactly one answer, unless its process ends.
 * (T2) A copy is received into a block that was allocated for it before, and at most `receivingBytes` at once (I6).
 * (T3) What is read for sending lies in memory, and was written before.
 * (T4) Each `open` is closed once, each block of a copy that never gets whole abandoned once.
 * (T5) Nothing is received that nobody waits for.
 */
import { mostFailedSources, pieceBytes, type ObjectMessage } from "../protocol/objects.ts";
import { checkTransfers } from "./transfer-check.ts";
import { Copies, type Copy } from "./transfer-copies.ts";
import type {
  FetchFailure,
  TransferEvent,
  TransferInstruction,
  TransferOptions,
  TransferStats,
} from "./transfer-events.ts";
import { TransferHome } from "./transfer-home.ts";
import { Sending } from "./transfer-sending.ts";

type Wanted = Extract<ObjectMessage, { t: "want" }>;
type Pulled = Extract<ObjectMessage, { t: "pull" }>;

export class TransferMachine {
  readonly #options: TransferOptions;
  readonly #copies: Copies;
  readonly #sending = new Sending();
  readonly #home: TransferHome;
  readonly #byPull = new Map<number, Copy>();
  readonly #lost = new Set<number>();
  #nextPull = 1;
  #nowMs = 0;
  #progress = -1;
  #progressedMs = 0;
  #receivedBytes = 0;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#copies = new Copies(options);
    this.#home = new TransferHome(options.node);
  }

  /** Something is under way: ticks are wanted. */
  get isActive(): boolean {
    return this.#copies.receiving.size > 0 || this.#sending.sends.size > 0;
  }

  handle(event: TransferEvent): TransferInstruction[] {
    const out: TransferInstruction[] = [];
    switch (event.kind) {
      case "fetch":
        this.#fetch(event, out);
        break;
      case "allocated":
        this.#allocated(event, out);
        break;
      case "allocateFailed": {
        const copy = this.#copies.get(event.copy);
        if (copy?.state === "allocating") this.#fail(copy, event.reason, this.#options.node, out);
        else out.push({ kind: "forget", copy: event.copy });
        break;
      }
      case "message":
        this.#message(event.node, event.message, out);
        break;
      case "arrived":
        this.#arrived(event, out);
        break;
      case "opened":
        this.#sending.opened(event.send, event.sizeBytes, event.sizeBytes, out);
        break;
      case "openFailed":
        this.#sending.openFailed(event.send, event.reason, out);
        break;
      case "room":
        this.#sending.room(event.node, event.bytes, out);
        break;
      case "gone":
        this.#gone(event.block, event.generation, out);
        break;
      case "processEnded":
        this.#processEnded(event.process, out);
        break;
      case "nodeLost":
        this.#nodeLost(event.node, event.isOver === true, out);
        break;
      case "nodeForgot":
        this.#forgotten(event.node, out);
        break;
      case "tick":
        this.#tick(event.nowMs, event.progress, out);
        break;
    }
    this.#admit(out);
    return out;
  }

  stats(): TransferStats {
    const { size, receiving, receivingBytes, queued } = this.#copies;
    return {
      copies: size - receiving.size - queued,
      receiving: receiving.size,
      receivingBytes,
      queued,
      sending: this.#sending.sends.size,
      receivedBytes: this.#receivedBytes,
      sentBytes: this.#sending.sentBytes,
    };
  }

  /** Throws when an invariant is broken. */
  check(): void {
    checkTransfers({
      options: this.#options,
      copies: this.#copies,
      sends: this.#sending.sends,
      byPull: this.#byPull,
      home: this.#home,
    });
  }

  // Receiving

  #fetch(event: TransferEvent & { kind: "fetch" }, out: TransferInstruction[]): void {
    const { request, process, object, sizeBytes, isUrgent } = event;
    const known = this.#copies.of(object);
    if (known?.state === "whole") {
      out.push({ kind: "grant", copy: known.copy, request, process });
      return;
    }
    if (known === undefined && this.#lost.has(object.home)) {
      out.push({ kind: "fail", request, reason: "nodeLost", node: object.home });
      return;
    }
    const copy = known ?? this.#copies.queue(object, sizeBytes, isUrgent);
    if (isUrgent) this.#copies.prefer(copy);
    copy.waiting.set(request, process);
  }

  #admit(out: TransferInstruction[]): void {
    for (let copy = this.#copies.admit(); copy !== undefined; copy = this.#copies.admit()) {
      copy.hasProgressed = true;
      out.push({ kind: "allocate", copy: copy.copy, sizeBytes: copy.sizeBytes }); // (T2)
    }
  }

  #allocated(event: TransferEvent & { kind: "allocated" }, out: TransferInstruction[]): void {
    const copy = this.#copies.get(event.copy);
    if (copy?.state !== "allocating") {
      out.push({ kind: "abandon", copy: event.copy }, { kind: "forget", copy: event.copy }); // (T4)
      return;
    }
    this.#copies.allocated(copy, event.block, event.generation);
    this.#ask(copy, out);
  }

  /** Asks the home for what is missing. */
  #ask(copy: Copy, out: TransferInstruction[]): void {
    const { object, failed } = copy;
    this.#byPull.delete(copy.pull);
    if (this.#lost.has(object.home)) return this.#fail(copy, "nodeLost", object.home, out);
    if (failed.length >= mostFailedSources) return this.#fail(copy, "lost", copy.source, out);
    copy.pull = this.#nextPull;
    this.#nextPull = (this.#nextPull % 0xffff_ffff) + 1;
    copy.source = object.home;
    copy.depth = 0;
    this.#byPull.set(copy.pull, copy);
    this.#want(copy, out);
  }

  #want(copy: Copy, out: TransferInstruction[]): void {
    const { object, pull, sizeBytes: size, receivedBytes: from, failed } = copy;
    copy.hasProgressed = true;
    const { home, block, generation } = object;
    this.#tell(home, { t: "want", pull, block, generation, size, from, failed: [...failed] }, out);
  }

  /** The node does not deliver: another one is to. */
  #askElsewhere(copy: Copy, out: TransferInstruction[]): void {
    copy.failed.push(copy.source);
    this.#ask(copy, out);
  }

  #arrived(event: TransferEvent & { kind: "arrived" }, out: TransferInstruction[]): void {
    const copy = this.#byPull.get(event.pull);
    if (copy === undefined || copy.source !== event.node || copy.state !== "receiving") return;
    const isExpected =
      event.offset === copy.receivedBytes && event.bytes <= copy.sizeBytes - copy.receivedBytes;
    if (!event.isIntact || !isExpected) {
      this.#tell(event.node, { t: "stop", pull: copy.pull }, out);
      this.#askElsewhere(copy, out);
      return;
    }
    out.push({ kind: "write", copy: copy.copy, offset: event.offset });
    copy.receivedBytes += event.bytes;
    copy.hasProgressed = true;
    this.#receivedBytes += event.bytes;
    if (copy.receivedBytes === copy.sizeBytes) this.#whole(copy, out);
    this.#sending.received(copy, out);
  }

  #whole(copy: Copy, out: TransferInstruction[]): void {
    this.#byPull.delete(copy.pull);
    this.#copies.whole(copy);
    for (const [request, process] of copy.waiting)
      out.push({ kind: "grant", copy: copy.copy, request, process }); // (T1)
    copy.waiting.clear();
    out.push({ kind: "seal", copy: copy.copy });
    if (copy.isDisowned) this.#disown(copy, out);
    else this.#tellHome(copy, "have", out);
  }

  /** Nobody is going to have this copy: who waits for it is told why. */
  #fail(copy: Copy, reason: FetchFailure, node: number, out: TransferInstruction[]): void {
    for (const request of copy.waiting.keys()) out.push({ kind: "fail", request, reason, node }); // (T1)
    copy.waiting.clear();
    this.#giveUp(copy, out);
  }

  /** A copy that is not whole is wanted no more. (T5) */
  #giveUp(copy: Copy, out: TransferInstruction[]): void {
    this.#byPull.delete(copy.pull);
    this.#copies.remove(copy);
    const wasAllocating = copy.state === "allocating";
    if (wasAllocating) out.push({ kind: "cancelAllocate", copy: copy.copy });
    if (copy.state === "queued" || wasAllocating) return; // what is allocated nevertheless is abandoned
    this.#sending.refuseCopy(copy, "stale", out);
    this.#tell(copy.source, { t: "stop", pull: copy.pull }, out);
    this.#tellHome(copy, "dropped", out);
    out.push({ kind: "abandon", copy: copy.copy }, { kind: "forget", copy: copy.copy });
  }

  #processEnded(process: number, out: TransferInstruction[]): void {
    for (const copy of [...this.#copies]) {
      if (copy.state === "whole") continue;
      for (const [request, whose] of copy.waiting) if (whose === process) copy.waiting.delete(request);
      if (copy.waiting.size === 0) this.#giveUp(copy, out);
    }
  }

  // Sending

  #wanted(node: number, message: Wanted, out: TransferInstruction[]): void {
    const { pull, block, generation, size, from } = message;
    if (this.#sending.sends.find(node, pull) !== undefined) return; // repeated
    const { sender, depth } = this.#home.senderFor(node, message, out);
    const home = this.#options.node;
    if (sender !== home) return this.#tell(node, { t: "take", pull, node: sender, depth }, out);
    const object = { home, block, generation };
    this.#sending.begin({ node, pull, object, copy: undefined, sizeBytes: size, from }, out);
  }

  #pulled(node: number, message: Pulled, out: TransferInstruction[]): void {
    const { pull, size, from } = message;
    const copy = this.#copies.of(message);
    const isThere = copy !== undefined && (copy.state === "receiving" || copy.state === "whole");
    if (!isThere || copy.sizeBytes !== size) {
      return this.#tell(node, { t: "refuse", pull, reason: "stale" }, out);
    }
    this.#sending.begin({ node, pull, object: copy.object, copy, sizeBytes: size, from }, out);
  }

  // What others say, and what ends

  #message(node: number, message: ObjectMessage, out: TransferInstruction[]): void {
    switch (message.t) {
      case "want":
        return this.#wanted(node, message, out);
      case "pull":
        return this.#pulled(node, message, out);
      case "take": {
        const copy = this.#byPull.get(message.pull);
        if (copy === undefined || copy.source !== node || node !== copy.object.home) return;
        copy.source = message.node;
        copy.depth = message.depth;
        if (this.#lost.has(message.node)) return this.#askElsewhere(copy, out);
        const { object, sizeBytes: size, receivedBytes: from, pull } = copy;
        return this.#tell(message.node, { t: "pull", pull, size, from, ...object }, out);
      }
      case "refuse": {
        const copy = this.#byPull.get(message.pull);
        if (copy === undefined || copy.source !== node) return;
        if (node === copy.object.home) return this.#fail(copy, message.reason, node, out);
        return this.#askElsewhere(copy, out);
      }
      case "stop":
        return this.#sending.stop(node, message.pull, out);
      case "have":
        return this.#home.completed(node, message);
      case "dropped":
        return this.#home.removed(node, message);
      case "gone": {
        const { block, generation } = message;
        const copy = this.#copies.of({ home: node, block, generation });
        if (copy === undefined) return;
        copy.isDisowned = true; // one that is received is refused by whoever sends it, or gets whole
        if (copy.state === "whole") this.#disown(copy, out);
        return;
      }
    }
  }

  #disown(copy: Copy, out: TransferInstruction[]): void {
    this.#copies.remove(copy);
    this.#sending.refuseCopy(copy, "freed", out);
    out.push({ kind: "disown", copy: copy.copy }, { kind: "forget", copy: copy.copy });
  }

  #gone(block: number, generation: number, out: TransferInstruction[]): void {
    const copy = this.#copies.inBlock(block, generation);
    if (copy !== undefined) {
      if (copy.state !== "whole") return this.#fail(copy, "lost", this.#options.node, out);
      this.#copies.remove(copy);
      this.#sending.refuseCopy(copy, "stale", out);
      this.#tellHome(copy, "dropped", out);
      out.push({ kind: "forget", copy: copy.copy });
      return;
    }
    for (const node of this.#home.gone(block, generation) ?? [])
      this.#tell(node, { t: "gone", block, generation }, out);
    this.#sending.refuseFreed(block, generation, out);
  }

  /** What was under way to and from a node is not any more. */
  #forgotten(node: number, out: TransferInstruction[]): void {
    this.#sending.nodeLost(node, out);
    this.#home.nodeLost(node);
    for (const copy of [...this.#copies.receiving]) {
      if (copy.state !== "receiving" || copy.source !== node) continue;
      if (node === copy.object.home) this.#ask(copy, out);
      else this.#askElsewhere(copy, out);
    }
  }

  #nodeLost(node: number, isOver: boolean, out: TransferInstruction[]): void {
    this.#lost.add(node);
    this.#forgotten(node, out);
    for (const copy of [...this.#copies]) {
      if (copy.object.home !== node) continue;
      if (copy.state === "queued" || copy.state === "allocating") this.#fail(copy, "nodeLost", node, out);
      else if (isOver && copy.state === "whole") this.#disown(copy, out);
      else copy.isDisowned ||= isOver;
    }
  }

  #tick(nowMs: number, progress: number, out: TransferInstruction[]): void {
    this.#nowMs = nowMs;
    if (progress !== this.#progress) this.#progressedMs = nowMs;
    this.#progress = progress;
    for (const copy of [...this.#copies.receiving]) {
      if (copy.hasProgressed) {
        copy.hasProgressed = false;
        copy.quietSinceMs = nowMs;
      } else if (copy.state === "allocating") {
        if (this.#waitsInVain(copy.quietSinceMs)) out.push({ kind: "cancelAllocate", copy: copy.copy });
      } else if (this.#isStalled(copy)) {
        // The home may be busy with its disk: it is reminded, which does no harm.
        if (copy.source === copy.object.home) this.#want(copy, out);
        else {
          this.#tell(copy.source, { t: "stop", pull: copy.pull }, out);
          this.#askElsewhere(copy, out);
        }
      }
    }
    this.#sending.tick(nowMs, (sinceMs) => this.#waitsInVain(sinceMs), out);
  }

  /** When a sender stalls, so do all behind it: those next to it ask elsewhere first. */
  #isStalled({ quietSinceMs, depth }: Copy): boolean {
    return this.#nowMs - quietSinceMs > this.#options.stallMs * (1 + Math.min(depth, 16) / 4);
  }

  #waitsInVain(sinceMs: number): boolean {
    return this.#nowMs - Math.max(sinceMs, this.#progressedMs) > this.#options.fullMs;
  }

  #tellHome(copy: Copy, t: "have" | "dropped", out: TransferInstruction[]): void {
    const { home, block, generation } = copy.object;
    if (copy.sizeBytes > pieceBytes) this.#tell(home, { t, block, generation }, out);
  }

  #tell(node: number, message: ObjectMessage, out: TransferInstruction[]): void {
    if (!this.#lost.has(node)) out.push({ kind: "message", node, message });
  }
}
