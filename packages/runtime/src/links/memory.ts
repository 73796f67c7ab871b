/** A link inside one process: the reference implementation, and the loopback by which a process sends work to itself. */
import { frameHeaderBytes, type FrameKind } from "@iono/core";
import type { Lane, Link, LinkEvents } from "./link.ts";

export class MemoryLink implements Link {
  readonly isLoopback = true;
  #events: LinkEvents;
  #peer: MemoryLink | null = null;
  #closed = false;

  private constructor(events: LinkEvents) {
    this.#events = events;
  }

  /** Two ends of one link. */
  static pair(first: LinkEvents, second: LinkEvents): [MemoryLink, MemoryLink] {
    const a = new MemoryLink(first);
    const b = new MemoryLink(second);
    a.#peer = b;
    b.#peer = a;
    return [a, b];
  }

  get queuedBytes(): number {
    return 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  send(_lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    const chunk = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#deliver(kind, chunk, 0, chunk.length);
    return true;
  }

  sendFrame(frame: Uint8Array): void {
    const chunk = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#deliver(chunk[4] as FrameKind, chunk, frameHeaderBytes, chunk.length);
  }

  close(): void {
    this.destroy();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    const peer = this.#peer;
    queueMicrotask(() => this.#events.closed(error));
    peer?.destroy();
  }

  ref(): void {}

  unref(): void {}

  #deliver(kind: FrameKind, chunk: Buffer, start: number, end: number): void {
    const peer = this.#peer;
    if (peer === null || this.#closed) return;
    queueMicrotask(() => {
      if (!peer.#closed) peer.#events.frame(kind, chunk, start, end);
    });
  }
}
