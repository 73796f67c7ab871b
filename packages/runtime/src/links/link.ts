/**
 * A link: an ordered, framed, two-way connection between two processes, with two lanes and byte credit.
 * `control` frames overtake `data` frames that wait for credit; within a lane order is kept. A link ends once:
 * by `close()`, by the peer's end, or by a frame that breaks the rules.
 */
import type { FrameKind, LinkSettings } from "@iono/core";

export type Lane = "control" | "data";

/** Called with each frame; the payload lies in `chunk` from `start` to `end` and may be kept. */
export type FrameHandler = (
  kind: FrameKind,
  chunk: Buffer,
  start: number,
  end: number,
  isData?: boolean,
) => void;

export interface LinkEvents {
  /** An error thrown here ends the link: what the peer sent could not be understood. */
  frame: FrameHandler;
  /** The link has ended; called once, always in a later turn. `error` is set when it did not end by itself. */
  closed(error: Error | undefined): void;
  /** The peer has granted credit again after `send` answered false. */
  drained?(): void;
}

export interface Link {
  /**
   * Sends a frame of `kind`. The payload must not be changed afterwards. Answers false when the data lane should pause
   * until `drained`; what is sent nevertheless waits here.
   */
  send(lane: Lane, kind: FrameKind, payload: Uint8Array): boolean;
  /** Sends one whole control frame, header included (see `writeFrameHeader`): the hot path's way to avoid a copy. */
  sendFrame(frame: Uint8Array): void;
  /** Bytes accepted and not yet taken by the peer, as far as is known here. */
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

/** Whether a link ended with its peer (ECONNRESET, EPIPE …): nothing that the peer sent was wrong. */
export function isConnectionLoss(error: Error): boolean {
  return "syscall" in error;
}

const MiB = 1024 * 1024;

/** Data bytes that may be under way without the peer having handled them, and the steps in which credit is granted. */
export const linkSettings: LinkSettings = { windowBytes: 8 * MiB, grantStepBytes: 1 * MiB };
