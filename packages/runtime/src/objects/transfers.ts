import {
  IonoError,
  limits,
  objectMessagesPerList,
  pieceBytes,
  readObjectMessage,
  TransferMachine,
  type ObjectMessage,
  type StoreLocation,
  type TransferEvent,
  type TransferInstruction,
  type TransferStats,
} from "@iono/core";
import { PieceWriter, readPieces } from "./pieces.ts";
import { describeObject, refusalError } from "./refusal.ts";
import type { FetchPurpose } from "./remote-objects.ts";
import { RemotePins } from "./remote-pins.ts";
import type { StoreServer } from "./store-server.ts";
import { TransferBlocks } from "./transfer-blocks.ts";

export interface TransfersOptions {
  /** The number of this node. */
  readonly node: number;
  /** Its `onGone` is set here. */
  readonly store: StoreServer;
  /** Sends messages over the control link to a node, in order. A node that is gone: does nothing. */
  send(node: number, messages: readonly ObjectMessage[]): void;
  /** Sends a payload over the bulk link to a node. False: pause until `drained(node)`. The buffer is not used again here. */
  sendPieces(node: number, payload: Buffer): boolean;
  /** A node that sends nothing for so long is asked no more. Default: 5 s. */
  readonly stallMs?: number;
  /** How long a full store may make no progress before ObjectStoreFull. Default: 10 s. */
  readonly fullMs?: number;
}

/** Of the store, at most so much is being received at once; processes of this node write beside it. */
const receivingShare = 2;
const defaultStallMs = 5_000;
const defaultFullMs = 10_000;
const tickMs = 1_000;
/** Payloads in one turn of the event loop: the agent has other things to do. */
const payloadsPerTurn = 4;
const mostAttempts = 3;

interface Fetching {
  readonly process: number;
  readonly location: StoreLocation;
  readonly isUrgent: boolean;
  /** A copy may make room for others in the moment in which it is wanted again. */
  attempts: number;
  resolve(location: StoreLocation): void;
  reject(error: IonoError): void;
}

/** Objects that come from other nodes and go there, in the agent: the I/O around `TransferMachine`. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #machine: TransferMachine;
  readonly #pins: RemotePins;
  readonly #blocks: TransferBlocks;
  readonly #fetching = new Map<number, Fetching>();
  /** Why nodes were lost. */
  readonly #lost = new Map<number, string>();
  /** Events under way, the first one being handled; `piece` is what arrived with it. */
  readonly #events: { readonly event: TransferEvent; readonly piece: Uint8Array | undefined }[] = [];
  readonly #outbox = new Map<number, ObjectMessage[]>();
  /** Nodes for which there is something to send, and those whose link wants a pause. */
  readonly #ready = new Set<number>();
  readonly #paused = new Set<number>();
  #pumping: NodeJS.Immediate | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #nextRequest = 1;
  #isClosed = false;

  constructor(options: TransfersOptions) {
    this.#options = options;
    const { node, store } = options;
    this.#machine = new TransferMachine({
      node,
      receivingBytes: Math.floor(store.capacityBytes / receivingShare),
      receivingCount: limits.objectsReceived.value,
      stallMs: options.stallMs ?? defaultStallMs,
      fullMs: options.fullMs ?? defaultFullMs,
    });
    this.#pins = new RemotePins({
      local: store.local,
      tell: (to, message) => this.#tell(to, message),
      admit: (process) => store.handle({ kind: "admitted", process }),
      died: (process) => store.handle({ kind: "died", process }),
    });
    this.#blocks = new TransferBlocks(store.local, (event) => this.#handle(event));
    store.onGone = ({ block, generation }) => this.#handle({ kind: "gone", block, generation });
  }

  stats(): TransferStats & { readonly guests: number; readonly open: number } {
    return { ...this.#machine.stats(), guests: this.#pins.guests, open: this.#blocks.open };
  }

  // for the processes of this node

  /**
   * A process of this node gets to know another node: call it before its first circuit there opens, so that results can be
   * held for it.
   */
  meet(process: number, node: number): void {
    if (node !== this.#options.node) this.#pins.meet(process, node);
  }

  /** Holds an object of another node for a process of this one. Rejects with ObjectLost, ObjectFreed. */
  async hold(location: StoreLocation, process: number): Promise<void> {
    if (location.node === this.#options.node) await this.#holdHere(location, process);
    else if (this.#lost.has(location.node)) throw this.#lostError(location);
    else await this.#pins.hold(location, process);
  }

  release(location: StoreLocation, process: number): void {
    if (location.node === this.#options.node) this.#options.store.local.letGo(location, process);
    else this.#pins.release(location, process);
  }

  /** Takes the object from everyone. */
  free({ node, block, generation }: StoreLocation): void {
    if (node === this.#options.node) this.#options.store.handle({ kind: "free", block, generation });
    else this.#tell(node, { t: "free", block, generation });
  }

  /**
   * Brings a copy into this store. Resolves to its location here, held for the process.
   * Rejects with ObjectLost, ObjectFreed, ObjectStoreFull, OutOfDisk.
   */
  fetch(location: StoreLocation, process: number, purpose: FetchPurpose): Promise<StoreLocation> {
    if (location.node === this.#options.node) return this.#holdHere(location, process);
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      const isUrgent = purpose === "read";
      const fetching: Fetching = { process, location, isUrgent, attempts: 1, resolve, reject };
      this.#fetching.set(request, fetching);
      this.#ask(request, fetching);
    });
  }

  /** A process of this node has ended. Call it after `StoreServer.processDied`. */
  processEnded(process: number): void {
    this.#pins.processEnded(process);
    this.#handle({ kind: "processEnded", process });
    for (const [request, fetching] of this.#fetching)
      if (fetching.process === process) this.#settle(request)?.reject(endedError());
  }

  // from other nodes

  /** A list of messages that another node sent. Throws when it is none. */
  onMessages(node: number, messages: unknown): void {
    if (this.#lost.has(node)) return;
    if (!Array.isArray(messages) || messages.length > objectMessagesPerList)
      throw new IonoError("Internal", `node ${node} sent no list of messages about objects`);
    for (const each of messages) {
      const message = readObjectMessage(each);
      if (message === undefined)
        throw new IonoError("Internal", `node ${node} sent a malformed message about objects`);
      this.#message(node, message);
    }
  }

  /** A payload of the bulk link. Throws when it is none. */
  onPieces(node: number, payload: Uint8Array): void {
    for (const { pull, offset, bytes, isIntact } of readPieces(payload))
      this.#handle({ kind: "arrived", node, pull, offset, bytes: bytes.byteLength, isIntact }, bytes);
  }

  /** The bulk link to a node takes payloads again. */
  drained(node: number): void {
    if (this.#paused.delete(node) && this.#ready.has(node)) this.#pumpSoon();
  }

  /** A link to a node ended, and a new one is there: what was under way between them is done anew. */
  nodeForgot(node: number): void {
    if (this.#lost.has(node)) return;
    this.#paused.delete(node);
    this.#pins.nodeForgot(node);
    this.#handle({ kind: "nodeForgot", node });
  }

  /** A node is dead or has left. Its number does not come back. `isOver`: it was a program's, and nobody asks for its objects. */
  nodeLost(node: number, reason: string, isOver = false): void {
    if (this.#lost.has(node)) return;
    this.#lost.set(node, reason);
    this.#pins.nodeLost(node, (location) => this.#lostError(location));
    this.#handle({ kind: "nodeLost", node, isOver });
    this.#outbox.delete(node);
    this.#ready.delete(node);
    this.#paused.delete(node);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#ticking);
    clearImmediate(this.#pumping);
    this.#options.store.onGone = () => {};
    const error = new IonoError("ShutDown", "the node is being shut down");
    for (const request of [...this.#fetching.keys()]) this.#settle(request)?.reject(error);
  }

  #message(node: number, message: ObjectMessage): void {
    switch (message.t) {
      case "meet":
      case "ended":
      case "hold":
      case "held":
      case "release":
        return this.#pins.message(node, message);
      case "free": {
        const { block, generation } = message;
        return this.#options.store.handle({ kind: "free", block, generation });
      }
      default:
        return this.#handle({ kind: "message", node, message });
    }
  }

  #tell(node: number, message: ObjectMessage): void {
    if (this.#lost.has(node) || this.#isClosed) return;
    if (this.#outbox.size === 0) queueMicrotask(() => this.#flush());
    const messages = this.#outbox.get(node);
    if (messages === undefined) this.#outbox.set(node, [message]);
    else messages.push(message);
  }

  #flush(): void {
    const lists = [...this.#outbox];
    this.#outbox.clear();
    for (const [node, messages] of lists)
      for (let at = 0; at < messages.length; at += objectMessagesPerList)
        this.#options.send(node, messages.slice(at, at + objectMessagesPerList));
  }

  // the machine

  #handle(event: TransferEvent, piece?: Uint8Array): void {
    if (this.#isClosed) return;
    this.#events.push({ event, piece });
    if (this.#events.length > 1) return; // an instruction led to this event: first come the others of its kind
    try {
      for (let i = 0; i < this.#events.length; i++) {
        const { event: next, piece: bytes } = this.#events[i];
        this.#perform(this.#machine.handle(next), bytes);
      }
    } finally {
      this.#events.length = 0;
    }
    if (this.#machine.isActive) this.#ticking ??= setInterval(() => this.#tick(), tickMs).unref();
  }

  #tick(): void {
    this.#handle({ kind: "tick", nowMs: performance.now(), progress: this.#options.store.progress });
    if (this.#machine.isActive) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  #perform(instructions: readonly TransferInstruction[], piece: Uint8Array | undefined): void {
    const pieces = instructions.filter((each) => each.kind === "piece");
    const writer = pieces.length === 0 ? undefined : new PieceWriter(PieceWriter.bytesFor(pieces));
    for (const instruction of instructions) {
      switch (instruction.kind) {
        case "message":
          this.#tell(instruction.node, instruction.message);
          break;
        case "grant":
          void this.#grant(instruction);
          break;
        case "fail":
          this.#fail(instruction);
          break;
        case "ready":
          this.#ready.add(instruction.node);
          if (!this.#paused.has(instruction.node)) this.#pumpSoon();
          break;
        case "piece":
          if (writer !== undefined) this.#blocks.read(instruction, writer);
          break;
        default:
          this.#blocks.perform(instruction, piece);
      }
    }
    if (writer === undefined) return;
    const [{ node }] = pieces;
    if (!this.#options.sendPieces(node, writer.payload)) this.#paused.add(node);
  }

  async #grant({ copy, request, process }: TransferInstruction & { kind: "grant" }): Promise<void> {
    const answer = await this.#blocks.hold(copy, process);
    const fetching = this.#fetching.get(request);
    if (fetching === undefined) return;
    if (answer.kind === "refused" && fetching.attempts++ < mostAttempts) return this.#ask(request, fetching);
    this.#fetching.delete(request);
    if (answer.kind === "granted") fetching.resolve(answer.location);
    else fetching.reject(refusalError(answer.reason, { location: fetching.location }));
  }

  #ask(request: number, { process, location, isUrgent }: Fetching): void {
    const { node: home, block, generation, size: sizeBytes } = location;
    this.#handle({
      kind: "fetch",
      request,
      process,
      object: { home, block, generation },
      sizeBytes,
      isUrgent,
    });
  }

  #fail({ request, reason, node }: TransferInstruction & { kind: "fail" }): void {
    const fetching = this.#settle(request);
    if (fetching === undefined) return;
    const { location, reject } = fetching;
    if (reason === "nodeLost") reject(this.#lostError(location));
    else if (node === this.#options.node)
      reject(
        refusalError(reason, {
          location,
          sizeBytes: location.size,
          capacityBytes: this.#options.store.capacityBytes,
        }),
      );
    else reject(refusalError(reason, { location, node }));
  }

  #settle(request: number): Fetching | undefined {
    const fetching = this.#fetching.get(request);
    this.#fetching.delete(request);
    return fetching;
  }

  async #holdHere(location: StoreLocation, process: number): Promise<StoreLocation> {
    const answer = await this.#options.store.local.holdFor(location, process);
    if (answer.kind === "granted") return location;
    throw refusalError(answer.reason, { location });
  }

  #lostError(location: StoreLocation): IonoError {
    const reason = this.#lost.get(location.node) ?? "it left";
    return new IonoError("ObjectLost", `${describeObject(location)} is lost with its node: ${reason}`);
  }

  // sending

  #pumpSoon(): void {
    this.#pumping ??= setImmediate(() => {
      this.#pumping = undefined;
      this.#pump();
    });
  }

  #pump(): void {
    let payloads = 0;
    for (const node of [...this.#ready]) {
      while (!this.#paused.has(node) && payloads < payloadsPerTurn && this.#ready.delete(node)) {
        this.#handle({ kind: "room", node, bytes: pieceBytes });
        payloads++;
      }
    }
    for (const node of this.#ready) if (!this.#paused.has(node)) return this.#pumpSoon();
  }
}

function endedError(): IonoError {
  return new IonoError("ShutDown", "the process that asked has ended");
}
