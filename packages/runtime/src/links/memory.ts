/** A link inside one process: the reference implementation, and the loopback by which a process sends work to itself. */
import { frameHeaderBytes, LinkMachine, type FrameKind, type LinkEvent } from "@iono/core";
import { linkSettings, type Lane, type Link, type LinkEvents } from "./link.ts";

interface Delivery {
  readonly kind: FrameKind;
  readonly chunk: Buffer;
  readonly start: number;
  readonly end: number;
  readonly isData: boolean;
}

export class MemoryLink implements Link {
  readonly isLoopback = true;
  readonly #machine = new LinkMachine<Delivery>(linkSettings);
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
    return this.#machine.queuedBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    if (this.#closed) return true;
    const chunk = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const frame: Delivery = { kind, chunk, start: 0, end: chunk.length, isData: lane === "data" };
    this.#handle({ type: "send", lane, frame, bytes: chunk.length + frameHeaderBytes });
    return lane === "control" || !this.#machine.isPaused;
  }

  sendFrame(frame: Uint8Array): void {
    const chunk = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    if (!this.#machine.isClosing) {
      this.#deliver({
        kind: chunk[4] as FrameKind,
        chunk,
        start: frameHeaderBytes,
        end: chunk.length,
        isData: false,
      });
    }
  }

  close(): void {
    this.#handle({ type: "close" });
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => this.#events.closed(error));
    const peer = this.#peer;
    // After what was delivered before.
    if (peer !== null) queueMicrotask(() => peer.destroy());
  }

  ref(): void {}

  unref(): void {}

  #handle(event: LinkEvent<Delivery>): void {
    for (const each of this.#machine.handle(event)) {
      switch (each.type) {
        case "write":
          this.#deliver(each.frame);
          break;
        case "grant": {
          const { bytes } = each;
          queueMicrotask(() => {
            if (this.#peer?.closed === false) this.#peer.#handle({ type: "credit", bytes });
          });
          break;
        }
        case "drained":
          this.#events.drained?.();
          break;
        case "end":
          this.destroy();
          break;
      }
    }
  }

  #deliver(frame: Delivery): void {
    if (this.#closed || this.#peer === null) return;
    const peer = this.#peer;
    queueMicrotask(() => peer.#arrived(frame));
  }

  #arrived({ kind, chunk, start, end, isData }: Delivery): void {
    if (this.#closed) return;
    try {
      this.#events.frame(kind, chunk, start, end);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (isData) this.#handle({ type: "received", bytes: end - start + frameHeaderBytes });
  }
}
