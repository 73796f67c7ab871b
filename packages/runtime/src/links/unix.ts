/** Links over Unix stream sockets: between processes of one node. A peer's EOF is an honest death notice (I1). */
import { dataLaneBit, FrameError, FrameParser, frameHeaderBytes, frameKinds, writeFrameHeader, type FrameKind } from "@iono/core";
import * as net from "node:net";
import { creditStepBytes, linkWindowBytes, type Lane, type Link, type LinkEvents } from "./link.ts";

export class UnixLink implements Link {
  readonly isLoopback = false;
  readonly #socket: net.Socket;
  readonly #parser: FrameParser;
  #events: LinkEvents;
  #closed = false;
  #failure: Error | undefined;
  /** Data-lane bytes sent and not yet granted by the peer. */
  #outstanding = 0;
  /** Data frames that wait for credit. */
  readonly #waiting: Array<{ kind: FrameKind; payload: Uint8Array }> = [];
  #waitingBytes = 0;
  /** Bytes of data frames received since credit was last granted. */
  #consumed = 0;

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
        if (!(error instanceof FrameError)) throw error;
        this.destroy(error);
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

  get queuedBytes(): number {
    return this.#outstanding + this.#waitingBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    if (lane === "control") {
      this.#write(kind, payload, 0);
      return true;
    }
    if (this.#waiting.length > 0 || this.#outstanding + payload.length > linkWindowBytes) {
      if (this.#outstanding > 0) {
        this.#waiting.push({ kind, payload });
        this.#waitingBytes += payload.length;
        return false;
      }
    }
    this.#outstanding += payload.length + frameHeaderBytes;
    this.#write(kind, payload, dataLaneBit);
    return this.#outstanding < linkWindowBytes;
  }

  sendFrame(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  #write(kind: FrameKind, payload: Uint8Array, laneBit: number): void {
    if (payload.length <= 16 * 1024) {
      const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
      writeFrameHeader(new DataView(frame.buffer, frame.byteOffset, frame.length), 0, kind, payload.length, laneBit);
      frame.set(payload, frameHeaderBytes);
      this.#socket.write(frame);
      return;
    }
    const header = Buffer.allocUnsafe(frameHeaderBytes);
    writeFrameHeader(new DataView(header.buffer, header.byteOffset, header.length), 0, kind, payload.length, laneBit);
    this.#socket.cork();
    this.#socket.write(header);
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  #receive(kind: FrameKind, chunk: Buffer, start: number, end: number, dataLane: boolean): void {
    if (kind === frameKinds.credit) {
      if (end - start !== 4) throw new FrameError("a credit frame has 4 bytes");
      this.#outstanding = Math.max(0, this.#outstanding - chunk.readUInt32LE(start));
      this.#release();
      return;
    }
    this.#events.frame(kind, chunk, start, end);
    if (dataLane) {
      this.#consumed += end - start + frameHeaderBytes;
      if (this.#consumed >= creditStepBytes) this.#grant();
    }
  }

  #grant(): void {
    const granted = Buffer.allocUnsafe(4);
    granted.writeUInt32LE(this.#consumed);
    this.#consumed = 0;
    if (!this.#closed) this.#write(frameKinds.credit, granted, 0);
  }

  #release(): void {
    let released = false;
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0];
      if (this.#outstanding > 0 && this.#outstanding + next.payload.length > linkWindowBytes) break;
      this.#waiting.shift();
      this.#waitingBytes -= next.payload.length;
      this.#outstanding += next.payload.length + frameHeaderBytes;
      this.#write(next.kind, next.payload, dataLaneBit);
      released = true;
    }
    if (released && this.#waiting.length === 0) this.#events.drained?.();
  }
}

/** Frames put together from several chunks come as plain bytes. */
function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
