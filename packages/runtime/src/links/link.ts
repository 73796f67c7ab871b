/**
 * A link: an ordered, framed, two-way connection between two processes, with two lanes and byte credit.
 * `control` frames overtake `data` frames that wait for credit; within a lane order is kept. A link ends once:
 * by `close()`, by the peer's end, or by a frame that breaks the rules.
 */
import type { FrameKind } from "@iono/core";

export type Lane = "control" | "data";

/** Called with each frame; the payload lies in `chunk` from `start` to `end` and may be kept. */
export type FrameHandler = (kind: FrameKind, chunk: Buffer, start: number, end: number) => void;

export interface LinkEvents {
  frame: FrameHandler;
  /** The link has ended; called once. `error` is set when it did not end by itself. */
  closed(error: Error | undefined): void;
  /** The peer has granted credit again after `send` answered false. */
  drained?(): void;
}

export interface Link {
  /** Sends a frame of `kind`. The payload must not be changed afterwards. Answers false when the lane should pause. */
  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean;
  /** Sends one whole frame, header included (see `writeFrameHeader`): the hot path's way to avoid a copy. */
  sendFrame(frame: Uint8Array): void;
  /** Bytes accepted by `send` and not yet granted by the peer. */
  readonly queuedBytes: number;
  readonly closed: boolean;
  /** Both ends are in this process. */
  readonly isLoopback: boolean;
  /** Sends what is queued, then ends the link. */
  close(): void;
  /** Ends the link at once. */
  destroy(error?: Error): void;
  /** Whether this link keeps the process alive. */
  ref(): void;
  unref(): void;
  /** Replaces who hears of frames: a link is opened by one room and used by another. */
  listen(events: LinkEvents): void;
}

/** Data-lane bytes that may be under way without the peer having read them. */
export const linkWindowBytes = 8 * 1024 * 1024;
/** The receiver grants credit in steps of this many bytes. */
export const creditStepBytes = 1024 * 1024;
