import type { Socket } from "node:net";
import type { CodeReply } from "@iono/core";
import { unpackMessage } from "../owner/payload.ts";
import { framed, lengthBytes, maxReplyBytes, maxRequestBytes } from "./code-wire.ts";

/** Cuts messages out of a worker's stream and answers each, one after the other. */
export class RelayConnection {
  readonly #socket: Socket;
  /** null ends the connection; undefined is no reply. */
  readonly #serve: (message: unknown) => Promise<CodeReply | null | undefined>;
  readonly #onClose: () => void;
  #buffered: Buffer = Buffer.alloc(0);
  #isServing = false;
  #closed = false;

  constructor(
    socket: Socket,
    serve: (message: unknown) => Promise<CodeReply | null | undefined>,
    onClose: () => void,
  ) {
    this.#socket = socket;
    this.#serve = serve;
    this.#onClose = onClose;
    socket.on("data", (chunk: Buffer) => {
      this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
      // One question at a time: a worker that sends more is none of ours.
      if (this.#buffered.length > 2 * (maxRequestBytes + lengthBytes)) this.close();
      else void this.#next();
    });
    socket.on("error", () => this.close());
    socket.on("close", () => this.close());
    socket.on("end", () => this.close());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#onClose();
  }

  async #next(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    for (;;) {
      const message = this.#take();
      if (message === undefined || this.#closed) break;
      const reply = await this.#serve(message);
      if (this.#closed) break;
      if (reply === null) this.close();
      else if (reply !== undefined) this.#socket.write(framed(reply));
      // A worker reads each answer before it asks again.
      if (this.#socket.writableLength > maxReplyBytes) this.close();
    }
    this.#isServing = false;
  }

  #take(): unknown {
    const bytes = this.#buffered;
    if (bytes.length < lengthBytes) return undefined;
    const end = lengthBytes + bytes.readUInt32LE(0);
    if (end > maxRequestBytes + lengthBytes) {
      this.close();
      return undefined;
    }
    if (bytes.length < end) return undefined;
    this.#buffered = Buffer.from(bytes.subarray(end));
    try {
      return unpackMessage(bytes, lengthBytes, end) ?? null;
    } catch {
      this.close();
      return undefined;
    }
  }
}
