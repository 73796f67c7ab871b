import { IonoError, type StoreLocation } from "@iono/core";
import { type BlockingSocket, PeerGoneError, type Platform, type SegmentView } from "../platform/platform.ts";
import {
  maxSecretBytes,
  readReply,
  replyBytes,
  requestBytes,
  writeRequest,
  type StoreOp,
  type StoreReply,
  type StoreRequest,
  type StoreWelcome,
} from "./store-protocol.ts";

export interface StoreLinkOptions {
  readonly platform: Platform;
  readonly socketPath: string;
  /** This process's number and the secret the agent gave it. */
  readonly process: number;
  readonly secret: string;
}

/** The agent answers within microseconds; silence for so long means that it is stopped or gone. */
const replyTimeoutMs = 30_000;
/** One-way messages are collected up to so many bytes. */
const outgoingBytes = 128 * requestBytes;

/** A blocking connection to the store of this node: each call is a round trip of some 50 µs. */
export class StoreLink {
  readonly #socket: BlockingSocket;
  readonly #outgoing = new Uint8Array(outgoingBytes);
  readonly #outgoingView = new DataView(this.#outgoing.buffer);
  #outgoingUsed = 0;
  readonly #reply = new Uint8Array(replyBytes);
  readonly #replyView = new DataView(this.#reply.buffer);
  #text = "";
  #nextTicket = 1;
  #flushing: NodeJS.Immediate | undefined;
  /** Why nothing can be asked any more. After a failure the stream may be in the middle of a reply. */
  #ended: IonoError | undefined;
  readonly segment: SegmentView;
  readonly welcome: StoreWelcome;

  /** Connects, says hello and opens the store's file. Throws ClusterLost when the agent is not there. */
  constructor({ platform, socketPath, process, secret }: StoreLinkOptions) {
    const secretBytes = Buffer.from(secret);
    if (secretBytes.length > maxSecretBytes)
      throw new IonoError(
        "BadOption",
        `the store's secret has ${secretBytes.length} bytes; at most ${maxSecretBytes} will do`,
      );
    try {
      this.#socket = platform.connectBlocking(socketPath);
    } catch (error) {
      throw new IonoError("ClusterLost", `the object store of this node does not answer at ${socketPath}`, {
        cause: error,
      });
    }
    const hello = new Uint8Array(requestBytes + secretBytes.length);
    writeRequest(new DataView(hello.buffer), 0, { op: "hello", process, size: secretBytes.length });
    hello.set(secretBytes, requestBytes);
    this.#guard(() => this.#socket.send(hello));
    this.#receive(0);
    this.welcome = JSON.parse(this.#text) as StoreWelcome;
    const { path, segmentBytes } = this.welcome;
    this.segment = this.#guard(() => platform.openSegment(path, segmentBytes));
  }

  /** A number for a request that may be waited for. */
  newTicket(): number {
    const ticket = this.#nextTicket;
    this.#nextTicket = ticket === 0xffff_ffff ? 1 : ticket + 1;
    return ticket;
  }

  /** Sends a request and blocks until its reply is here. */
  ask(request: Partial<StoreRequest> & { readonly op: StoreOp }): StoreReply {
    this.#append(request);
    this.flush();
    return this.#receive(request.op === "await" ? (request.size ?? 0) : 0);
  }

  askText(request: Partial<StoreRequest> & { readonly op: "stats" | "locate" }): string {
    this.ask(request);
    return this.#text;
  }

  /** Sends a message that has no reply; it leaves with the next request, or before this thread is idle. */
  tell(op: "unpin" | "seal" | "abandon" | "free", { block, generation }: StoreLocation, flags = 0): void {
    if (this.#ended !== undefined) return;
    this.#quietly(() => this.#append({ op, block, generation, flags }));
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      this.#quietly(() => this.flush());
    }).unref();
  }

  flush(): void {
    if (this.#outgoingUsed === 0) return;
    const bytes = this.#outgoing.subarray(0, this.#outgoingUsed);
    this.#outgoingUsed = 0;
    this.#guard(() => this.#socket.send(bytes));
  }

  close(): void {
    clearImmediate(this.#flushing);
    if (this.#ended?.code === "ShutDown") return;
    this.#quietly(() => this.flush());
    if (this.#ended === undefined) this.#socket.close();
    this.#ended = new IonoError("ShutDown", "the object store's link is closed");
    this.segment.close();
  }

  /** For what may be lost when the agent is gone. Finalizers and idle turns must not throw; the next request will. */
  #quietly(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (!(error instanceof IonoError)) throw error;
    }
  }

  #append(request: Partial<StoreRequest> & { readonly op: StoreOp }): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#outgoingUsed + requestBytes > outgoingBytes) this.flush();
    writeRequest(this.#outgoingView, this.#outgoingUsed, request);
    this.#outgoingUsed += requestBytes;
  }

  #receive(parkMs: number): StoreReply {
    return this.#guard(() => {
      if (!this.#socket.receive(this.#reply, replyTimeoutMs + parkMs))
        throw new PeerGoneError(`no reply within ${replyTimeoutMs} ms`);
      const reply = readReply(this.#replyView);
      const text = Buffer.alloc(reply.textBytes);
      if (reply.textBytes > 0 && !this.#socket.receive(text, replyTimeoutMs))
        throw new PeerGoneError("half a reply");
      this.#text = text.toString();
      return reply;
    });
  }

  #guard<T>(call: () => T): T {
    if (this.#ended !== undefined) throw this.#ended;
    try {
      return call();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#ended = new IonoError("ClusterLost", `the object store of this node is gone: ${reason}`, {
        cause: error,
      });
      this.#socket.close();
      throw this.#ended;
    }
  }
}
