/**
 * Frames that wait to be sent in a session, in two lanes, and the segments made of them. Small frames are written one
 * behind the other into packs at once; large ones are cut, or gathered, when their turn comes. Every segment has room in
 * front for the headers of a datagram.
 */
import {
  dataLaneBit,
  datagramHeaderBytes,
  frameHeaderBytes,
  sessionHeaderBytes,
  writeFrameHeader,
  type FrameKind,
} from "@iono/core";
import type { Lane } from "../links/link.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** Room in front of a segment. */
export const segmentHeadBytes = datagramHeaderBytes + sessionHeaderBytes;

export interface Segment {
  /** Headers to be written, then frames or pieces of frames. */
  readonly datagram: Buffer;
  /** Without the headers. */
  readonly bytes: number;
  readonly isData: boolean;
}

/** Payloads up to this size are copied into a pack. */
const packedBytes = 16 * 1024;
const firstPackBytes = 1024;
const mostPackBytes = 64 * 1024;

/** A pack that is full, or a whole frame whose bytes before `at` are cut off. */
type Item =
  | { readonly type: "pack"; readonly datagram: Buffer; readonly bytes: number }
  | { readonly type: "frame"; readonly head: Buffer; readonly payload: Uint8Array; at: number };

class LaneQueue {
  readonly #laneBit: number;
  readonly #pool: SegmentPool;
  #items: Item[] = [];
  #first = 0;
  /** The pack that is being filled, up to `#end`; null: none. */
  #pack: Buffer | null = null;
  #view!: DataView;
  #end = 0;
  #packBytes = firstPackBytes;
  /** Bytes that wait, with the headers of frames. */
  bytes = 0;

  constructor(laneBit: number, pool: SegmentPool) {
    this.#laneBit = laneBit;
    this.#pool = pool;
  }

  add(kind: FrameKind, payload: Uint8Array): void {
    const bytes = frameHeaderBytes + payload.length;
    this.bytes += bytes;
    if (payload.length > packedBytes) {
      const head = Buffer.allocUnsafe(frameHeaderBytes);
      const view = new DataView(head.buffer, head.byteOffset, head.length);
      writeFrameHeader(view, 0, kind, payload.length, this.#laneBit);
      this.#seal();
      this.#items.push({ type: "frame", head, payload, at: 0 });
      return;
    }
    const pack = this.#packFor(bytes);
    writeFrameHeader(this.#view, this.#end, kind, payload.length, this.#laneBit);
    pack.set(payload, this.#end + frameHeaderBytes);
    this.#end += bytes;
  }

  /** A whole frame, of this lane. */
  addFrame(frame: Uint8Array): void {
    this.bytes += frame.length;
    if (frame.length > packedBytes) {
      this.#seal();
      this.#items.push({ type: "frame", head: noBytes, payload: frame, at: 0 });
      return;
    }
    this.#packFor(frame.length).set(frame, this.#end);
    this.#end += frame.length;
  }

  /** The next segment, of about `mostBytes` at most. */
  take(mostBytes: number): Segment | undefined {
    if (this.bytes === 0) return undefined;
    if (this.#first === this.#items.length) this.#seal();
    const item = this.#items[this.#first];
    const isData = this.#laneBit !== 0;
    if (item.type === "frame") return { ...this.#gather(mostBytes), isData };
    this.#drop();
    this.bytes -= item.bytes;
    return { datagram: item.datagram, bytes: item.bytes, isData };
  }

  clear(): void {
    this.#items = [];
    this.#first = 0;
    this.#pack = null;
    this.bytes = 0;
  }

  #packFor(bytes: number): Buffer {
    if (this.#pack !== null && this.#end + bytes <= this.#pack.length) return this.#pack;
    if (this.#pack !== null) {
      this.#seal();
      this.#packBytes = Math.min(mostPackBytes, this.#packBytes * 4);
    }
    const pack = Buffer.allocUnsafe(segmentHeadBytes + Math.max(this.#packBytes, bytes));
    this.#pack = pack;
    this.#view = new DataView(pack.buffer, pack.byteOffset, pack.length);
    this.#end = segmentHeadBytes;
    return pack;
  }

  #seal(): void {
    if (this.#pack === null) return;
    const bytes = this.#end - segmentHeadBytes;
    if (bytes * 8 < this.#packBytes) this.#packBytes = Math.max(firstPackBytes, this.#packBytes / 2);
    this.#items.push({ type: "pack", datagram: this.#pack.subarray(0, this.#end), bytes });
    this.#pack = null;
  }

  /** Pieces of the large frames at the front. */
  #gather(mostBytes: number): { readonly datagram: Buffer; readonly bytes: number } {
    const bytes = this.#gatheredBytes(mostBytes);
    const datagram = this.#pool.take(segmentHeadBytes + bytes);
    const end = segmentHeadBytes + bytes;
    let to = segmentHeadBytes;
    while (to < end) {
      const item = this.#items[this.#first];
      if (item.type !== "frame") break;
      const { head, payload } = item;
      if (item.at < head.length) {
        const count = Math.min(head.length - item.at, end - to);
        datagram.set(head.subarray(item.at, item.at + count), to);
        item.at += count;
        to += count;
      }
      const from = item.at - head.length;
      if (from >= 0) {
        const count = Math.min(payload.length - from, end - to);
        datagram.set(payload.subarray(from, from + count), to);
        item.at += count;
        to += count;
      }
      if (item.at === head.length + payload.length) this.#drop();
    }
    this.bytes -= bytes;
    return { datagram, bytes };
  }

  #gatheredBytes(mostBytes: number): number {
    let bytes = 0;
    for (let i = this.#first; i < this.#items.length && bytes < mostBytes; i++) {
      const item = this.#items[i];
      if (item.type !== "frame") break;
      const rest = item.head.length + item.payload.length - item.at;
      // A frame that fits into a segment of its own is not cut: the other side need not put it together.
      if (bytes > 0 && bytes + rest > mostBytes && rest <= mostBytes) break;
      bytes += rest;
    }
    return Math.min(bytes, mostBytes);
  }

  #drop(): void {
    this.#first++;
    if (this.#first === this.#items.length) {
      this.#items = [];
      this.#first = 0;
    } else if (this.#first > 256 && this.#first * 2 > this.#items.length) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

const noBytes = Buffer.alloc(0);

export class FrameQueue {
  readonly #control: LaneQueue;
  readonly #data: LaneQueue;

  constructor(pool: SegmentPool) {
    this.#control = new LaneQueue(0, pool);
    this.#data = new LaneQueue(dataLaneBit, pool);
  }

  get bytes(): number {
    return this.#control.bytes + this.#data.bytes;
  }

  get dataBytes(): number {
    return this.#data.bytes;
  }

  add(lane: Lane, kind: FrameKind, payload: Uint8Array): void {
    (lane === "data" ? this.#data : this.#control).add(kind, payload);
  }

  addFrame(frame: Uint8Array): void {
    this.#control.addFrame(frame);
  }

  /** The next segment: control goes before data. Undefined when nothing waits. */
  take(mostBytes: number): Segment | undefined {
    return this.#control.take(mostBytes) ?? this.#data.take(mostBytes);
  }

  clear(): void {
    this.#control.clear();
    this.#data.clear();
  }
}
