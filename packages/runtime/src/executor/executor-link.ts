/**
 * The executor's end of a link to an owner: entries in, results out. Results are written into the shared page, so that
 * the owner can read them while this thread is busy, and then to the socket in batches.
 */
import {
  CancelInbox,
  claim,
  frameHeaderBytes,
  frameKinds,
  linkPage,
  noClaimSlot,
  resultEntryHeaderBytes,
  writeFrameHeader,
  type ResourceVector,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import type { Codec } from "../owner/codec.ts";
import { Deque } from "../owner/deque.ts";
import { packPayload, type Payload } from "../owner/payload.ts";
import type { Received } from "../owner/references.ts";
import { allocate, asFastBuffer, type FastBuffer } from "../values/fast-buffer.ts";
import { ValueWriter, writeValue } from "../values/index.ts";
import type { RunningTask } from "./task-context.ts";

/** A function or method as this executor knows it. */
export interface ExecutorDefinition {
  readonly number: number;
  readonly key: string;
  readonly name: string;
  readonly method: string | null;
  readonly group: string;
  readonly generator: boolean;
  readonly numReturns: number;
  readonly backpressure: number;
  readonly maxCalls: number;
  /** What a run of it has, for `runtimeContext`. */
  readonly resources: ResourceVector;
  /** Threads that a run of it may use: its CPUs, 1 at least. */
  readonly threads: number;
  received: Received | null;
  /** The function, once decoded; an Error when it could not be. */
  fn: Function | Error | null;
  /** Set while it is being decoded. */
  loading: Promise<void> | null;
  /** Running mean, µs; -1 until measured. */
  meanUs: number;
  calls: number;
}

/** Entries of one frame not begun yet. */
export interface EntryRange {
  readonly chunk: Buffer;
  at: number;
  readonly end: number;
}

export class ExecutorLink {
  readonly owner: number;
  readonly link: Link;
  readonly definitions = new Map<number, ExecutorDefinition>();
  readonly entries = new Deque<EntryRange>();
  /** Tasks that run and may be cancelled or told something, by wire. */
  readonly running = new Map<number, RunningTask>();
  /** Cancels that came before their entry has begun. */
  readonly cancels = new CancelInbox();
  readonly #codec: Codec;
  readonly #words: Int32Array | null;
  readonly claims: Int32Array | null;
  readonly #pageBuffer: FastBuffer;
  readonly #writer: ValueWriter;
  /** What results sent to the owner hold, until it has said that it holds it. */
  readonly #unacknowledged = new Map<string, readonly object[]>();
  closed = false;
  /** Calls of an actor that read their arguments and have not begun: those behind them wait. */
  starting = 0;

  constructor(owner: number, link: Link, codec: Codec, page: ArrayBuffer | null) {
    this.owner = owner;
    this.link = link;
    this.#codec = codec;
    this.#words = page === null ? null : new Int32Array(page, 0, linkPage.claimsAt / 4);
    this.claims = page === null ? null : new Int32Array(page, linkPage.claimsAt, linkPage.claims);
    this.#pageBuffer =
      page === null
        ? allocate(linkPage.resultsBytes)
        : asFastBuffer(new Uint8Array(page, linkPage.resultsAt, linkPage.resultsBytes));
    this.#writer = new ValueWriter(64);
    this.#writer.useBuffer(this.#pageBuffer);
  }

  /** Takes an entry to run it; false when the owner has taken it back. */
  claim(slot: number): boolean {
    const { claims } = this;
    if (claims === null || slot === noClaimSlot) return true;
    if (Atomics.compareExchange(claims, slot, claim.queued, claim.running) === claim.queued) return true;
    Atomics.store(claims, slot, claim.free);
    return false;
  }

  mark(slot: number, state: number): void {
    if (this.claims !== null && slot !== noClaimSlot) Atomics.store(this.claims, slot, state);
  }

  get pendingResults(): boolean {
    return this.#writer.position > 0;
  }

  /** Writes the result of a task: plain values straight into the page, others as payloads. Throws CannotTravelError. */
  result(
    wire: number,
    status: number,
    attempt: number,
    durationUs: number,
    value: unknown,
    path: string[],
  ): void {
    const writer = this.#writer;
    const { host } = this.#codec;
    const at = this.#begin();
    let payload: Payload | null = null;
    try {
      writeValue(writer, value, host, path);
      if (writer.parts.length > 0 || writer.modules.length > 0 || host.objects.length > 0)
        payload = this.#rewrite(at, value, path);
      else if (writer.position - at > 100 * 1024) payload = this.#rewrite(at, value, path);
    } catch (error) {
      this.#reset(at);
      throw error;
    }
    if (payload !== null) {
      this.#writePayload(wire, "", payload);
      this.#finish(at, wire, status, payload.form, attempt, durationUs);
    } else this.#finish(at, wire, status, 0, attempt, durationUs);
  }

  /** Writes a result that is bytes already (several values, packed). */
  resultBytes(
    wire: number,
    status: number,
    form: number,
    attempt: number,
    durationUs: number,
    bytes: Uint8Array,
  ): void {
    const at = this.#begin();
    this.#append(bytes);
    this.#finish(at, wire, status, form, attempt, durationUs);
  }

  /** Writes one item of a stream. */
  item(wire: number, index: number, attempt: number, value: unknown): void {
    const { payload, holds } = this.#codec.encode(value, [`item ${index}`], this.owner);
    const at = this.#begin();
    const header = Buffer.allocUnsafe(4);
    header.writeUInt32LE(index, 0);
    this.#append(header);
    this.#append(packPayload(payload));
    if (payload.form !== 0) this.#unacknowledged.set(`${wire}:${index}`, holds);
    this.#finish(at, wire, 2, payload.form, attempt, 0);
  }

  hold(key: string, holds: readonly object[]): void {
    this.#unacknowledged.set(key, holds);
  }

  acknowledged(key: string): void {
    this.#unacknowledged.delete(key);
  }

  /** Writes what results there are to the socket. */
  flush(): void {
    const writer = this.#writer;
    const bytes = writer.position;
    if (bytes === 0) return;
    const words = this.#words;
    if (words !== null) Atomics.add(words, linkPage.wordResultEpoch, 1);
    const frame = Buffer.allocUnsafe(frameHeaderBytes + bytes);
    writeFrameHeader(
      new DataView(frame.buffer, frame.byteOffset, frame.length),
      0,
      frameKinds.results,
      bytes,
    );
    frame.set(writer.buffer.subarray(0, bytes), frameHeaderBytes);
    writer.useBuffer(this.#pageBuffer);
    if (words !== null) {
      Atomics.store(words, linkPage.wordResultBytes, 0);
      Atomics.add(words, linkPage.wordResultEpoch, 1);
    }
    if (!this.closed) this.link.sendFrame(frame);
  }

  #begin(): number {
    const writer = this.#writer;
    if (writer.position > flushBytes) this.flush();
    const at = writer.position;
    writer.reserve(resultEntryHeaderBytes);
    writer.position = at + resultEntryHeaderBytes;
    return at;
  }

  #reset(at: number): void {
    this.#writer.position = at;
    this.#writer.parts.length = 0;
    this.#writer.modules.length = 0;
    this.#codec.host.objects.length = 0;
    if (at === 0 && this.#writer.buffer !== this.#pageBuffer) this.#writer.useBuffer(this.#pageBuffer);
  }

  #rewrite(at: number, value: unknown, path: string[]): Payload {
    this.#reset(at);
    const { payload, holds } = this.#codec.encode(value, path, this.owner);
    this.#writer.position = at + resultEntryHeaderBytes;
    this.#holds = holds;
    return payload;
  }

  #holds: readonly object[] = [];

  #writePayload(wire: number, suffix: string, payload: Payload): void {
    this.#append(packPayload(payload));
    if (payload.form !== 0) this.#unacknowledged.set(`${wire}${suffix}`, this.#holds);
    this.#holds = [];
  }

  #append(bytes: Uint8Array): void {
    const writer = this.#writer;
    writer.reserve(bytes.length);
    writer.buffer.set(bytes, writer.position);
    writer.position += bytes.length;
  }

  #finish(at: number, wire: number, status: number, form: number, attempt: number, durationUs: number): void {
    const writer = this.#writer;
    const { buffer, position } = writer;
    buffer.writeUInt32LE(wire, at);
    buffer[at + 4] = status;
    buffer[at + 5] = form;
    buffer[at + 6] = attempt & 0xff;
    buffer[at + 7] = 0;
    buffer.writeFloatLE(durationUs, at + 8);
    buffer.writeUInt32LE(position - at - resultEntryHeaderBytes, at + 12);
    if (buffer !== this.#pageBuffer) this.flush();
    else if (this.#words !== null) Atomics.store(this.#words, linkPage.wordResultBytes, position);
  }
}

const flushBytes = linkPage.resultsBytes - 8 * 1024;
