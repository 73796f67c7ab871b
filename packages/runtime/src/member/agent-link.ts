/** A member's link to its agent: requests with replies, and notices. */
import { frameKinds, IonoError, type ErrorCode, type FromAgent, type ToAgent } from "@iono/core";
import type { Link } from "../links/link.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";

/** `Omit` that keeps the union apart. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Request = Without<Extract<ToAgent, { readonly id: number }>, "id">;

export class AgentLink {
  #link: Link | null = null;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextId = 1;
  readonly #early: ToAgent[] = [];
  #lost: IonoError | null = null;
  /** Messages that are not replies. */
  onMessage: (message: FromAgent) => void = () => {};
  /** Requests are under way, or none any more: keeps the event loop alive. */
  onOwed: (isOwed: boolean) => void = () => {};

  attach(link: Link): void {
    this.#link = link;
    for (const message of this.#early.splice(0)) this.notify(message);
  }

  receive(chunk: Buffer, start: number, end: number): void {
    const message = unpackMessage(chunk, start, end) as FromAgent;
    if (message.t !== "reply") {
      this.onMessage(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.onOwed(false);
    if (message.error === undefined) waiting.resolve(message.value);
    else waiting.reject(new IonoError(message.error.code as ErrorCode, message.error.message));
  }

  notify(message: ToAgent): void {
    if (this.#link === null) this.#early.push(message);
    else if (!this.#link.closed) this.#link.send("control", frameKinds.control, packMessage(message));
  }

  /** The caller knows what the reply to its message is. */
  request<T>(message: Request): Promise<T> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const id = this.#nextId++;
    if (this.#waiting.size === 0) this.onOwed(true);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.notify({ ...message, id });
    });
  }

  /** The agent is gone: every request fails, now and later. */
  lose(error: IonoError): void {
    this.#lost = error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    if (waiting.length > 0) this.onOwed(false);
    for (const each of waiting) each.reject(error);
  }

  /** Bytes of notices that the agent has not taken yet. */
  get queuedBytes(): number {
    return this.#link?.queuedBytes ?? 0;
  }

  ref(): void {
    this.#link?.ref();
  }

  unref(): void {
    this.#link?.unref();
  }
}
