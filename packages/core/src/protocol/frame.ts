/**
 * Framing of every stream link: `u32 length, u8 kind, u8 lane, u16 zero, payload`, little endian.
 * `length` counts the payload only. A frame that breaks the rules ends the link: after it nothing can be trusted.
 */

export const frameHeaderBytes = 8;

/** Largest payload a link accepts. Values above the inline limit travel through the object store instead. */
export const maxFrameBytes = 16 * 1024 * 1024;

/** Every kind of frame between processes of one node. A number is never reused. */
export const frameKinds = {
  hello: 1,
  welcome: 2,
  credit: 3,
  // owner → executor
  tasks: 10,
  defineFunction: 11,
  dropFunction: 12,
  cancel: 13,
  streamConsumed: 14,
  resultReceived: 15,
  createActor: 16,
  dropActorCaller: 17,
  // owner → the agent of an executor on another node (circuit.ts)
  takeBack: 18,
  sweep: 19,
  // executor → owner
  results: 20,
  blocked: 21,
  unblocked: 22,
  // the agent of an executor on another node → owner
  takenBack: 23,
  claims: 24,
  slotsFree: 25,
  // between any two processes of a node, about refs
  watch: 30,
  watchReply: 31,
  watchDone: 32,
  cancelRef: 33,
  // with the agent: msgpack messages of owner-agent.ts
  control: 40,
  // between agents and head: msgpack messages of agent-agent.ts and agent-head.ts
  mesh: 50,
  // links of members relayed between agents: `u32 circuit`, then a whole frame
  circuit: 51,
  // between a gateway and its agent or head: datagrams, and msgpack messages of gateway.ts
  datagram: 60,
  gateway: 61,
  // pieces of objects between agents
  piece: 62,
} as const;

export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

const knownKinds = new Set<number>(Object.values(frameKinds));

/** A peer broke the framing rules. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** Bit of the header's second word that marks a frame of the data lane, which takes part in byte credit. */
export const dataLaneBit = 0x100;

/** Writes a header for a payload of `payloadBytes` at `at`; `laneBit` is 0 or `dataLaneBit`. */
export function writeFrameHeader(
  view: DataView,
  at: number,
  kind: FrameKind,
  payloadBytes: number,
  laneBit = 0,
): void {
  view.setUint32(at, payloadBytes, true);
  view.setUint32(at + 4, kind | laneBit, true);
}

/** Called with each whole frame; the payload lies in `chunk` from `start` to `end` and may be kept. */
export type FrameSink = (
  kind: FrameKind,
  chunk: Uint8Array,
  start: number,
  end: number,
  dataLane: boolean,
) => void;

/**
 * Cuts a byte stream into frames. Whole frames inside one chunk are handed on without copying;
 * a frame that spans chunks is assembled once.
 */
export class FrameParser {
  readonly #sink: FrameSink;
  /** Largest payload that is accepted: small until a peer has said who it is. */
  maxBytes: number;
  /** The frame being assembled (header included), or null between frames. */
  #partial: Uint8Array | null = null;
  #filled = 0;
  /** Header bytes seen so far when fewer than a whole header arrived. */
  readonly #header = new Uint8Array(frameHeaderBytes);
  #headerFilled = 0;

  constructor(sink: FrameSink, maxBytes: number = maxFrameBytes) {
    this.#sink = sink;
    this.maxBytes = maxBytes;
  }

  /** @throws FrameError when the stream is not ours; the link must be closed. */
  feed(chunk: Uint8Array): void {
    let at = 0;
    if (this.#partial !== null || this.#headerFilled > 0) at = this.#continue(chunk);
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (chunk.length - at >= frameHeaderBytes) {
      const length = this.#check(view.getUint32(at, true), view.getUint32(at + 4, true));
      const end = at + frameHeaderBytes + length;
      if (end > chunk.length) {
        this.#partial = new Uint8Array(frameHeaderBytes + length);
        this.#partial.set(chunk.subarray(at));
        this.#filled = chunk.length - at;
        return;
      }
      this.#sink(chunk[at + 4] as FrameKind, chunk, at + frameHeaderBytes, end, chunk[at + 5] === 1);
      at = end;
    }
    if (at < chunk.length) {
      this.#header.set(chunk.subarray(at));
      this.#headerFilled = chunk.length - at;
    }
  }

  /** Completes a header or frame begun in an earlier chunk; returns how much of `chunk` that took. */
  #continue(chunk: Uint8Array): number {
    let at = 0;
    if (this.#partial === null) {
      at = Math.min(frameHeaderBytes - this.#headerFilled, chunk.length);
      this.#header.set(chunk.subarray(0, at), this.#headerFilled);
      this.#headerFilled += at;
      if (this.#headerFilled < frameHeaderBytes) return at;
      const view = new DataView(this.#header.buffer);
      const length = this.#check(view.getUint32(0, true), view.getUint32(4, true));
      this.#partial = new Uint8Array(frameHeaderBytes + length);
      this.#partial.set(this.#header);
      this.#filled = frameHeaderBytes;
      this.#headerFilled = 0;
    }
    const partial = this.#partial;
    const take = Math.min(partial.length - this.#filled, chunk.length - at);
    partial.set(chunk.subarray(at, at + take), this.#filled);
    this.#filled += take;
    if (this.#filled === partial.length) {
      this.#partial = null;
      this.#filled = 0;
      this.#sink(partial[4] as FrameKind, partial, frameHeaderBytes, partial.length, partial[5] === 1);
    }
    return at + take;
  }

  #check(length: number, kind: number): number {
    if (length > this.maxBytes)
      throw new FrameError(`frame of ${length} bytes; at most ${this.maxBytes} are allowed`);
    if (!knownKinds.has(kind & ~dataLaneBit)) throw new FrameError(`unknown frame kind ${kind}`);
    return length;
  }
}
