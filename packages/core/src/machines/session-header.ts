/**
 * What a session (session.ts) writes behind the header of a datagram, little endian; the payload of a segment follows:
 *
 *   u8 type, u8 flags, u16 zero, u32 source, u32 target, u64 sequence, u64 acknowledged, u32 selective,
 *   u32 sentAt, u32 echo
 *
 * `source` is the epoch of the sender's session, `target` that of the receiver's as far as it is known, else 0.
 * `sequence` is that of the segment; in other datagrams, of the segment that comes next. All segments up to
 * `acknowledged` have been handled; bit `i` of `selective` says that `acknowledged + 2 + i` has arrived. `sentAt` is in
 * µs of the sender's clock; `echo` is a `sentAt` of the receiver's, plus the time it was held.
 */

export const sessionHeaderBytes = 40;

export const sessionTypes = {
  /** I have a session: have one with me. Again until answered. */
  open: 1,
  /** A piece of the stream. */
  segment: 2,
  /** Says only what the header says. */
  acknowledge: 3,
  /** Acknowledge at once. */
  ping: 4,
  /** The session `target` with me, `source`, is no more here. */
  reset: 5,
  /** `target` wants a session, though I have one with an older you: are you there? */
  challenge: 6,
  response: 7,
} as const;

export type SessionType = (typeof sessionTypes)[keyof typeof sessionTypes];

export const sessionFlags = {
  /** The segment belongs to the data lane. */
  data: 1,
  /** Nothing comes after this segment. It is empty. */
  last: 2,
  /** The sender waits for the acknowledgement. */
  urgent: 4,
  /** `echo` means something. */
  echo: 8,
} as const;

export interface SessionHeader {
  readonly type: SessionType;
  readonly flags: number;
  readonly source: number;
  readonly target: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly selective: number;
  readonly sentAt: number;
  readonly echo: number;
}

const wordValues = 2 ** 32;

export function writeSessionHeader(view: DataView, at: number, header: SessionHeader): void {
  view.setUint32(at, header.type | (header.flags << 8), true);
  view.setUint32(at + 4, header.source, true);
  view.setUint32(at + 8, header.target, true);
  view.setUint32(at + 12, header.sequence % wordValues, true);
  view.setUint32(at + 16, Math.floor(header.sequence / wordValues), true);
  view.setUint32(at + 20, header.acknowledged % wordValues, true);
  view.setUint32(at + 24, Math.floor(header.acknowledged / wordValues), true);
  view.setUint32(at + 28, header.selective, true);
  view.setUint32(at + 32, header.sentAt, true);
  view.setUint32(at + 36, header.echo, true);
}

/** Undefined when it is none. */
export function readSessionHeader(bytes: Uint8Array, at: number): SessionHeader | undefined {
  if (bytes.length - at < sessionHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, sessionHeaderBytes);
  const first = view.getUint32(0, true);
  const type = first & 0xff;
  const flags = first >>> 8;
  const sequence = view.getUint32(12, true) + view.getUint32(16, true) * wordValues;
  const acknowledged = view.getUint32(20, true) + view.getUint32(24, true) * wordValues;
  if (type < sessionTypes.open || type > sessionTypes.response || flags > 15) return undefined;
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(acknowledged)) return undefined;
  return {
    type: type as SessionType,
    flags,
    source: view.getUint32(4, true),
    target: view.getUint32(8, true),
    sequence,
    acknowledged,
    selective: view.getUint32(28, true),
    sentAt: view.getUint32(32, true),
    echo: view.getUint32(36, true),
  };
}
