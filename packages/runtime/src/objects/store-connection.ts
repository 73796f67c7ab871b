import type { Socket } from "node:net";
import type { StoreEvent, StoreInstruction } from "@iono/core";
import {
  mappedFlag,
  maxSecretBytes,
  noLocation,
  patientFlag,
  warmFlag,
  readRequest,
  replyBytes,
  requestBytes,
  writeReply,
  type StoreReply,
  type StoreRequest,
  type StoreWelcome,
} from "./store-protocol.ts";

interface ConnectionHost {
  readonly welcome: StoreWelcome;
  hello(process: number, secret: Uint8Array): boolean;
  handle(event: StoreEvent): void;
  stats(): Record<string, number | string>;
  whereIs(block: number, generation: number): "memory" | "disk" | undefined;
  progress(): number;
  /** @param tickets those without an answer. */
  closed(process: number | undefined, tickets: Iterable<number>): void;
}

type Answer = StoreInstruction & { kind: "granted" | "refused" };

const helloTimeoutMs = 5_000;
const maxParkMs = 60_000;
/** A process has one blocking request under way, and some that it waits for without blocking. */
const maxTickets = 4_096;
/** A process that does not read its replies is cut off. */
const maxUnsentBytes = 1024 * 1024;

/** One process's connection to the store: bytes to events, answers to bytes. */
export class StoreConnection {
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #helloTimer: NodeJS.Timeout;
  #process: number | undefined;
  #buffered: Buffer = Buffer.alloc(0);
  /** Asked for and not told yet; with the answer, once there is one. */
  readonly #tickets = new Map<number, Answer | undefined>();
  /** The ticket whose answer the process waits for right now. */
  #parked: { readonly ticket: number; readonly timer: NodeJS.Timeout } | undefined;
  #closed = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#helloTimer = setTimeout(() => this.close(), helloTimeoutMs);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => this.close());
    socket.on("close", () => this.close());
    socket.on("end", () => this.close());
  }

  /** An answer of the machine to one of this process's tickets. */
  answer(answer: Answer): void {
    if (!this.#tickets.has(answer.ticket)) return;
    if (this.#parked?.ticket === answer.ticket) {
      this.#unpark();
      this.#tell(answer);
    } else this.#tickets.set(answer.ticket, answer);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#helloTimer);
    this.#unpark();
    this.#socket.destroy();
    const open = [...this.#tickets].filter(([, answer]) => answer === undefined).map(([ticket]) => ticket);
    this.#host.closed(this.#process, open);
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (!this.#closed && bytes.length - at >= requestBytes) {
      const request = readRequest(view, at);
      if (request === undefined) return this.close();
      if (this.#process === undefined) {
        if (request.op !== "hello" || request.size > maxSecretBytes) return this.close();
        const end = at + requestBytes + request.size;
        if (bytes.length < end) break;
        if (!this.#host.hello(request.process, bytes.subarray(at + requestBytes, end))) return this.close();
        this.#process = request.process;
        clearTimeout(this.#helloTimer);
        this.#reply({ text: JSON.stringify(this.#host.welcome) });
        at = end;
        continue;
      }
      if (request.op === "hello") return this.close();
      this.#serve(request, this.#process);
      at += requestBytes;
    }
    this.#buffered = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }

  #serve(request: StoreRequest, process: number): void {
    const { block, generation, ticket } = request;
    switch (request.op) {
      case "allocate":
        return this.#ask({
          kind: "allocate",
          process,
          ticket,
          sizeBytes: request.size,
          pinnedFor: request.process,
          patient: (request.flags & patientFlag) !== 0,
          warm: (request.flags & warmFlag) !== 0,
        });
      case "pin":
        return this.#ask({
          kind: "pin",
          process,
          ticket,
          block,
          generation,
          mapped: (request.flags & mappedFlag) !== 0,
        });
      case "unpin":
        return this.#host.handle({
          kind: "unpin",
          process,
          block,
          generation,
          mapped: (request.flags & mappedFlag) !== 0,
        });
      case "seal":
      case "abandon":
        return this.#host.handle({ kind: request.op, process, block, generation });
      case "free":
        return this.#host.handle({ kind: "free", block, generation });
      case "await":
        return this.#await(ticket, Math.min(request.size, maxParkMs));
      case "cancel":
        if (this.#tickets.get(ticket) === undefined) this.#host.handle({ kind: "cancel", process, ticket });
        this.#await(ticket, 0);
        this.#tickets.delete(ticket);
        return;
      case "stats":
        return this.#reply({ text: JSON.stringify(this.#host.stats()) });
      case "locate":
        return this.#reply({ text: JSON.stringify(this.#host.whereIs(block, generation) ?? "nowhere") });
      case "hello":
        return this.close();
    }
  }

  /** Gives a request to the machine; replies its answer, or "waiting" when there is none yet. */
  #ask(event: StoreEvent & { kind: "allocate" | "pin" }): void {
    if (this.#tickets.has(event.ticket)) return this.close();
    if (this.#tickets.size >= maxTickets) return this.#reply({ status: "full" });
    this.#tickets.set(event.ticket, undefined);
    this.#host.handle(event);
    this.#await(event.ticket, 0);
  }

  #await(ticket: number, parkMs: number): void {
    if (!this.#tickets.has(ticket) || this.#parked !== undefined) return this.close();
    const answer = this.#tickets.get(ticket);
    if (answer !== undefined) return this.#tell(answer);
    if (parkMs === 0) return this.#reply({ status: "waiting" });
    const timer = setTimeout(() => {
      this.#parked = undefined;
      this.#reply({ status: "waiting" });
    }, parkMs);
    this.#parked = { ticket, timer };
  }

  #unpark(): void {
    clearTimeout(this.#parked?.timer);
    this.#parked = undefined;
  }

  #tell(answer: Answer): void {
    this.#tickets.delete(answer.ticket);
    if (answer.kind === "granted")
      this.#reply({ status: "granted", location: answer.location, fresh: answer.fresh });
    else this.#reply({ status: answer.reason });
  }

  #reply(reply: Partial<StoreReply> & { readonly text?: string }): void {
    if (this.#closed) return;
    const { status = "granted" } = reply;
    const text = Buffer.from(reply.text ?? "");
    const bytes = Buffer.alloc(replyBytes + text.length);
    text.copy(bytes, replyBytes);
    writeReply(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), {
      status,
      location: reply.location ?? noLocation,
      fresh: reply.fresh ?? false,
      progress: status === "granted" ? 0 : this.#host.progress(),
      textBytes: text.length,
    });
    this.#socket.write(bytes);
    if (this.#socket.writableLength > maxUnsentBytes) this.close();
  }
}
