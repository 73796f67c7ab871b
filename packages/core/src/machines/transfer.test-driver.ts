import type { ObjectMessage, ObjectName } from "../protocol/objects.ts";
import type { RefusalReason } from "./store-events.ts";
import type { FetchFailure, TransferEvent, TransferInstruction, TransferOptions } from "./transfer-events.ts";
import { TransferMachine } from "./transfer.ts";

export const mebibyte = 1024 * 1024;

const options: Omit<TransferOptions, "node"> = {
  receivingBytes: 16 * mebibyte,
  receivingCount: 4,
  stallMs: 5_000,
  fullMs: 10_000,
};

/** A block of a pretended store: only counts. */
interface FakeBlock {
  readonly sizeBytes: number;
  readonly copy: number | undefined;
  writtenBytes: number;
  isSealed: boolean;
  isWatched: boolean;
  freed: boolean;
  readonly holds: Set<number>;
  readonly opens: Set<number>;
}

export type Outcome = "held" | FetchFailure;

/** The machine of one node, with a pretended store. What it asks for waits in lists until the cluster does it. */
export class FakeNode {
  readonly node: number;
  readonly machine: TransferMachine;
  readonly #cluster: FakeCluster;
  readonly blocks = new Map<number, FakeBlock>();
  readonly #copyBlocks = new Map<number, number>();
  readonly #opens = new Map<number, number>();
  readonly allocations: { readonly copy: number; readonly sizeBytes: number }[] = [];
  readonly opening: { readonly send: number; readonly block: number }[] = [];
  /** Nodes whose link may take something. */
  readonly ready = new Set<number>();
  readonly outcomes = new Map<number, Outcome>();
  readonly requests = new Map<number, number>();
  /** Bytes of pieces that went out. */
  sentBytes = 0;
  #nextBlock = 1;
  #nextRequest = 1;
  #arrived: { readonly bytes: number } | undefined;

  constructor(cluster: FakeCluster, node: number, changes: Partial<TransferOptions>) {
    this.#cluster = cluster;
    this.node = node;
    this.machine = new TransferMachine({ ...options, ...changes, node });
  }

  put(sizeBytes: number): ObjectName & { readonly sizeBytes: number } {
    const block = this.#addBlock(sizeBytes, undefined);
    const added = this.blocks.get(block);
    if (added !== undefined) Object.assign(added, { isSealed: true, writtenBytes: sizeBytes });
    return { home: this.node, block, generation: 1, sizeBytes };
  }

  fetch(process: number, object: ObjectName & { readonly sizeBytes: number }, isUrgent = true): number {
    const request = this.#nextRequest++;
    this.requests.set(request, process);
    const { home, block, generation, sizeBytes } = object;
    this.handle({
      kind: "fetch",
      request,
      process,
      object: { home, block, generation },
      sizeBytes,
      isUrgent,
    });
    return request;
  }

  handle(event: TransferEvent): void {
    const instructions = this.machine.handle(event);
    this.machine.check();
    for (const instruction of instructions) this.#perform(instruction);
  }

  /** A piece arrives. */
  arrive(from: number, pull: number, offset: number, bytes: number, isIntact: boolean): void {
    this.#arrived = { bytes };
    this.handle({ kind: "arrived", node: from, pull, offset, bytes, isIntact });
    this.#arrived = undefined;
  }

  finishAllocation(index: number, reason?: RefusalReason): void {
    const [request] = this.allocations.splice(index, 1);
    if (request === undefined) return;
    const { copy, sizeBytes } = request;
    if (reason !== undefined) return this.handle({ kind: "allocateFailed", copy, reason });
    const block = this.#addBlock(sizeBytes, copy);
    this.#copyBlocks.set(copy, block);
    this.handle({ kind: "allocated", copy, block, generation: 1 });
  }

  finishOpening(index: number, reason?: RefusalReason): void {
    const [request] = this.opening.splice(index, 1);
    if (request === undefined) return;
    const { send, block } = request;
    const found = this.blocks.get(block);
    const refusal = reason ?? (found === undefined ? "stale" : found.freed ? "freed" : undefined);
    if (refusal === undefined && found !== undefined)
      this.handle({ kind: "opened", send, sizeBytes: found.sizeBytes });
    else this.handle({ kind: "openFailed", send, reason: refusal ?? "stale" });
  }

  /** The object is taken from everyone. */
  free(block: number): void {
    const found = this.blocks.get(block);
    if (found === undefined) return;
    found.freed = true;
    this.#settle(block);
  }

  /** A whole copy that nobody pins makes room. */
  evict(pick: number): void {
    const idle = [...this.blocks].filter(
      ([, each]) =>
        each.copy !== undefined && each.isSealed && each.holds.size === 0 && each.opens.size === 0,
    );
    if (idle.length === 0) return;
    const [block] = idle[pick % idle.length];
    this.blocks.delete(block);
    this.handle({ kind: "gone", block, generation: 1 });
  }

  release(process: number): void {
    for (const block of this.blocks.values()) block.holds.delete(process);
  }

  /** What must be left of a node that has nothing to do. */
  get leftovers(): object {
    const { receiving, queued, sending, receivingBytes } = this.machine.stats();
    const unsealed = [...this.blocks.values()].filter((block) => !block.isSealed).length;
    const opens = [...this.blocks.values()].reduce((sum, block) => sum + block.opens.size, 0);
    return { receiving, queued, sending, receivingBytes, unsealed, opens };
  }

  #perform(instruction: TransferInstruction): void {
    switch (instruction.kind) {
      case "message":
        this.#cluster.post(this.node, instruction.node, instruction.message);
        break;
      case "allocate":
        this.allocations.push(instruction);
        break;
      case "cancelAllocate": {
        const at = this.allocations.findIndex(({ copy }) => copy === instruction.copy);
        if (at >= 0) this.#cluster.later(() => this.#cancelAllocation(instruction.copy));
        break;
      }
      case "write": {
        const block = this.#blockOf(instruction.copy);
        assert(block.writtenBytes === instruction.offset && !block.isSealed, "pieces are written in order");
        block.writtenBytes += this.#arrived?.bytes ?? Number.NaN;
        assert(block.writtenBytes <= block.sizeBytes, "pieces fit");
        break;
      }
      case "grant": {
        assert(!this.outcomes.has(instruction.request), "a request is answered once"); // (T1)
        const block = this.#blockOf(instruction.copy);
        assert(block.writtenBytes === block.sizeBytes, "what is granted is whole");
        block.holds.add(instruction.process);
        this.outcomes.set(instruction.request, "held");
        break;
      }
      case "fail":
        assert(!this.outcomes.has(instruction.request), "a request is answered once"); // (T1)
        this.outcomes.set(instruction.request, instruction.reason);
        break;
      case "seal": {
        const block = this.#blockOf(instruction.copy);
        assert(block.writtenBytes === block.sizeBytes && !block.isSealed, "what is sealed is whole");
        block.isSealed = true;
        break;
      }
      case "abandon": {
        const number = this.#copyBlocks.get(instruction.copy);
        assert(number !== undefined && !this.#blockOf(instruction.copy).isSealed, "abandoned once"); // (T4)
        this.blocks.delete(number);
        break;
      }
      case "disown": {
        const number = this.#copyBlocks.get(instruction.copy);
        const block = this.#blockOf(instruction.copy);
        if (number !== undefined && block.holds.size === 0 && block.opens.size === 0)
          this.blocks.delete(number);
        break;
      }
      case "forget":
        this.#copyBlocks.delete(instruction.copy);
        break;
      case "open": {
        const { send, block, copy } = instruction;
        this.#opens.set(send, block);
        this.blocks.get(block)?.opens.add(send);
        if (copy === undefined) this.opening.push({ send, block });
        break;
      }
      case "cancelOpen": {
        const at = this.opening.findIndex(({ send }) => send === instruction.send);
        if (at >= 0) this.finishOpening(at, "full");
        break;
      }
      case "close": {
        const block = this.#opens.get(instruction.send);
        assert(block !== undefined, "closed once"); // (T4)
        this.#opens.delete(instruction.send);
        this.blocks.get(block)?.opens.delete(instruction.send);
        break;
      }
      case "watch": {
        const block = this.blocks.get(instruction.block);
        if (block !== undefined && !block.freed) block.isWatched = true;
        else this.#cluster.later(() => this.handle({ ...instruction, kind: "gone" }));
        break;
      }
      case "ready":
        this.ready.add(instruction.node);
        break;
      case "piece": {
        const { node, send, pull, offset, bytes } = instruction;
        const block = this.blocks.get(this.#opens.get(send) ?? -1);
        assert(block !== undefined && offset + bytes <= block.writtenBytes, "what is sent is there"); // (T3)
        this.sentBytes += bytes;
        this.#cluster.postPiece(this.node, node, pull, offset, bytes);
        break;
      }
    }
  }

  #cancelAllocation(copy: number): void {
    const at = this.allocations.findIndex((each) => each.copy === copy);
    if (at >= 0) this.finishAllocation(at, "full");
  }

  #settle(number: number): void {
    const block = this.blocks.get(number);
    if (block === undefined) return;
    if (block.isWatched) this.handle({ kind: "gone", block: number, generation: 1 });
    block.isWatched = false;
  }

  #blockOf(copy: number): FakeBlock {
    const block = this.blocks.get(this.#copyBlocks.get(copy) ?? -1);
    assert(block !== undefined, `copy ${copy} has a block`);
    return block;
  }

  #addBlock(sizeBytes: number, copy: number | undefined): number {
    const block = this.#nextBlock++;
    this.blocks.set(block, {
      sizeBytes,
      copy,
      writtenBytes: 0,
      isSealed: false,
      isWatched: copy !== undefined,
      freed: false,
      holds: new Set(),
      opens: new Set(),
    });
    return block;
  }
}

type Delivery = (isIntact: boolean) => void;

/** Nodes whose links deliver in order, each when told to. */
export class FakeCluster {
  readonly nodes = new Map<number, FakeNode>();
  readonly #links = new Map<string, Delivery[]>();
  readonly #later: (() => void)[] = [];
  nowMs = 0;

  constructor(count: number, changes: Partial<TransferOptions> = {}) {
    for (let node = 1; node <= count; node++) this.nodes.set(node, new FakeNode(this, node, changes));
  }

  node(number: number): FakeNode {
    const node = this.nodes.get(number);
    if (node === undefined) throw new Error(`no node ${number}`);
    return node;
  }

  later(work: () => void): void {
    this.#later.push(work);
  }

  post(from: number, to: number, message: ObjectMessage): void {
    this.#link("control", from, to)?.push(() =>
      this.nodes.get(to)?.handle({ kind: "message", node: from, message }),
    );
  }

  postPiece(from: number, to: number, pull: number, offset: number, bytes: number): void {
    this.#link("bulk", from, to)?.push((isIntact) =>
      this.nodes.get(to)?.arrive(from, pull, offset, bytes, isIntact),
    );
  }

  /** The node is gone; what it sent and what is on the way to it too. The others learn of it. */
  lose(number: number): void {
    this.nodes.delete(number);
    for (const name of [...this.#links.keys()]) {
      const [, from, to] = name.split(" ");
      if (Number(from) === number || Number(to) === number) this.#links.delete(name);
    }
    for (const node of this.nodes.values()) node.handle({ kind: "nodeLost", node: number });
  }

  /** Two nodes forget what is under way between them, and what is on the way. */
  part(one: number, other: number): void {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ]) {
      for (const channel of ["control", "bulk"]) this.#links.delete(`${channel} ${a} ${b}`);
    }
    this.nodes.get(one)?.handle({ kind: "nodeForgot", node: other });
    this.nodes.get(other)?.handle({ kind: "nodeForgot", node: one });
  }

  /** Does one thing that is due; false when nothing is. */
  step(pick: number, isIntact = true): boolean {
    const due = this.#due(isIntact);
    if (due.length === 0) return false;
    due[pick % due.length]();
    return true;
  }

  tick(ms: number): void {
    this.nowMs += ms;
    for (const node of this.nodes.values()) node.handle({ kind: "tick", nowMs: this.nowMs, progress: 0 });
  }

  /** Until nothing is due, taking turns. Ticks meanwhile, so that what stalls is given up. */
  settle(ticks = 60): void {
    for (let round = 0; round < ticks; round++) {
      for (let i = 0; this.step(i); i++) if (i > 500_000) throw new Error("it never ends");
      this.tick(1_000);
    }
  }

  #due(isIntact: boolean): (() => void)[] {
    const due: (() => void)[] = [];
    if (this.#later.length > 0) due.push(() => this.#later.shift()?.());
    for (const deliveries of this.#links.values())
      if (deliveries.length > 0) due.push(() => deliveries.shift()?.(isIntact));
    for (const node of this.nodes.values()) {
      if (node.allocations.length > 0) due.push(() => node.finishAllocation(0));
      if (node.opening.length > 0) due.push(() => node.finishOpening(0));
      for (const to of node.ready) {
        // A link that has not delivered much takes more.
        if ((this.#links.get(`bulk ${node.node} ${to}`)?.length ?? 0) >= 4) continue;
        due.push(() => {
          node.ready.delete(to);
          node.handle({ kind: "room", node: to, bytes: mebibyte });
        });
      }
    }
    return due;
  }

  #link(channel: string, from: number, to: number): Delivery[] | undefined {
    if (!this.nodes.has(from) || !this.nodes.has(to)) return undefined;
    const name = `${channel} ${from} ${to}`;
    let link = this.#links.get(name);
    if (link === undefined) this.#links.set(name, (link = []));
    return link;
  }
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`expected: ${message}`);
}
