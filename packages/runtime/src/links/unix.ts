/** Links over Unix stream sockets: between processes of one node. A peer's EOF is an honest death notice (I1). */
import {
  dataLaneBit,
  FrameError,
  FrameParser,
  frameHeaderBytes,
  frameKinds,
  LinkMachine,
  writeFrameHeader,
  type FrameKind,
  type LinkEvent,
} from "@iono/core";
import * as net from "node:net";
import { linkSettings, type Lane, type Link, type LinkEvents } from "./link.ts";

interface OutgoingFrame {
  readonly kind: FrameKind;
  readonly payload: Uint8Array;
  readonly laneBit: number;
}

/** Payloads up to this size are copied behind their header: one write is cheaper than two. */
const copiedBytes = 16 * 1024;

/** A frame that came in pieces was put together by the parser, in plain bytes. */
function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

export class UnixLink implements Link {
  readonly isLoopback = false;
  readonly #socket: net.Socket;
  readonly #parser: FrameParser;
  readonly #machine = new LinkMachine<OutgoingFrame>(linkSettings);
  #events: LinkEvents;
  #closed = false;
  #failure: Error | undefined;

  constructor(socket: net.Socket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#parser = new FrameParser((kind, chunk, start, end, dataLane) =>
      this.#receive(kind, asBuffer(chunk), start, end, dataLane),
    );
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#parser.feed(chunk);
      } catch (error) {
        this.destroy(error instanceof Error ? error : new FrameError(String(error)));
      }
    });
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#events.closed(this.#failure);
    });
  }

  static connect(path: string, events: LinkEvents): UnixLink {
    return new UnixLink(net.connect({ path }), events);
  }

  /** Largest payload accepted from now on. */
  set maxFrameBytes(bytes: number) {
    this.#parser.maxBytes = bytes;
  }

  get queuedBytes(): number {
    return this.#machine.queuedBytes + this.#socket.writableLength;
  }

  get closed(): boolean {
    return this.#closed || this.#socket.destroyed;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    if (this.closed) return true;
    // Control frames do not concern the machine: they never wait (K2).
    if (lane === "control") {
      if (!this.#machine.isClosing) this.#write({ kind, payload, laneBit: 0 });
      return true;
    }
    this.#handle({
      type: "send",
      lane,
      frame: { kind, payload, laneBit: dataLaneBit },
      bytes: payload.length + frameHeaderBytes,
    });
    return !this.#machine.isPaused;
  }

  sendFrame(frame: Uint8Array): void {
    if (!this.#socket.destroyed && !this.#machine.isClosing) this.#socket.write(frame);
  }

  close(): void {
    this.#handle({ type: "close" });
  }

  destroy(error?: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  /** While paused nothing further is read: the peer's socket fills. */
  setPaused(isPaused: boolean): void {
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  #handle(event: LinkEvent<OutgoingFrame>): void {
    for (const each of this.#machine.handle(event)) {
      switch (each.type) {
        case "write":
          this.#write(each.frame);
          break;
        case "grant": {
          const payload = Buffer.allocUnsafe(4);
          payload.writeUInt32LE(each.bytes);
          this.#write({ kind: frameKinds.credit, payload, laneBit: 0 });
          break;
        }
        case "drained":
          this.#events.drained?.();
          break;
        case "end":
          this.#socket.end();
          break;
      }
    }
  }

  #write({ kind, payload, laneBit }: OutgoingFrame): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    const isCopied = payload.length <= copiedBytes;
    const frame = Buffer.allocUnsafe(frameHeaderBytes + (isCopied ? payload.length : 0));
    writeFrameHeader(
      new DataView(frame.buffer, frame.byteOffset, frame.length),
      0,
      kind,
      payload.length,
      laneBit,
    );
    if (isCopied) {
      frame.set(payload, frameHeaderBytes);
      socket.write(frame);
      return;
    }
    socket.cork();
    socket.write(frame);
    socket.write(payload);
    socket.uncork();
  }

  #receive(kind: FrameKind, chunk: Buffer, start: number, end: number, dataLane: boolean): void {
    if (this.#socket.destroyed) return;
    if (kind === frameKinds.credit) {
      if (end - start !== 4) throw new FrameError("a credit frame has 4 bytes");
      this.#handle({ type: "credit", bytes: chunk.readUInt32LE(start) });
      return;
    }
    this.#events.frame(kind, chunk, start, end, dataLane);
    if (dataLane) this.#handle({ type: "received", bytes: end - start + frameHeaderBytes });
  }
}
