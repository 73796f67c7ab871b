/** A link to a process that will connect later. What is sent before goes nowhere: the other end has not asked for it. */
import type { FrameKind } from "@iono/core";
import type { Lane, Link, LinkEvents } from "./link.ts";

export class LateLink implements Link {
  readonly isLoopback = false;
  #link: Link | null = null;
  #isDestroyed = false;

  /** The other end has connected. */
  attach(link: Link): void {
    if (this.#isDestroyed) link.destroy();
    else this.#link = link;
  }

  get queuedBytes(): number {
    return this.#link?.queuedBytes ?? 0;
  }

  get closed(): boolean {
    return this.#isDestroyed || this.#link?.closed === true;
  }

  listen(events: LinkEvents): void {
    this.#link?.listen(events);
  }

  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean {
    return this.#link?.send(lane, kind, payload) ?? true;
  }

  sendFrame(frame: Uint8Array): void {
    this.#link?.sendFrame(frame);
  }

  close(): void {
    if (this.#link === null) this.#isDestroyed = true;
    else this.#link.close();
  }

  destroy(error?: Error): void {
    this.#isDestroyed = true;
    this.#link?.destroy(error);
  }

  ref(): void {
    this.#link?.ref();
  }

  unref(): void {
    this.#link?.unref();
  }
}
