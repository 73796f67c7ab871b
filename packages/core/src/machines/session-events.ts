/** What a session (session.ts) is told, and what it asks for. `P` is a payload as the shell knows it. */
import { sessionTypes, type SessionHeader } from "./session-header.ts";

export type SessionEvent<P> =
  /** This side wants the session. */
  | { readonly type: "open"; readonly now: number }
  /** A segment; only while there is room. */
  | {
      readonly type: "send";
      readonly payload: P;
      readonly bytes: number;
      readonly isData: boolean;
      readonly now: number;
    }
  /** A datagram of the peer has come. */
  | {
      readonly type: "datagram";
      readonly header: SessionHeader;
      readonly payload: P;
      readonly bytes: number;
      readonly now: number;
    }
  | { readonly type: "tick"; readonly now: number }
  /** The datagram of the instruction `transmit` could not be sent: no way now. */
  | { readonly type: "refused"; readonly sequence: number | undefined; readonly now: number }
  /** There is a new way to the peer. */
  | { readonly type: "way"; readonly now: number }
  /** This side will close when it has sent what it has: from now on it does not wait for a silent peer for ever. */
  | { readonly type: "closing"; readonly now: number }
  /** All was sent that there is: end it when it has arrived. */
  | { readonly type: "close"; readonly now: number }
  /** End it at once. */
  | { readonly type: "abort" };

export type SessionEnd =
  /** Both sides have said all. */
  | "closed"
  /** The peer has lost its state, or has given up. */
  | "reset"
  /** The peer stayed silent while this side was closing. */
  | "silent"
  /** The peer breaks the rules. */
  | "broken"
  | "aborted";

/** Send a datagram. `sequence` names the segment of the payload; it is `again` when it was sent before. */
export interface Transmit<P> {
  readonly type: "transmit";
  readonly header: SessionHeader;
  readonly payload: P | undefined;
  readonly sequence: number | undefined;
  readonly again: boolean;
}

export type SessionInstruction<P> =
  | Transmit<P>
  | { readonly type: "deliver"; readonly payload: P; readonly isData: boolean }
  /** The payload was sent once, and has arrived: nothing reads it any more. */
  | { readonly type: "released"; readonly payload: P }
  /** The peer is there, and knows this session. */
  | { readonly type: "established" }
  /** The peer has sent all that it had. */
  | { readonly type: "peerClosed" }
  | { readonly type: "health"; readonly health: "up" | "suspect" }
  /** The peer has been silent for long: make the way anew. */
  | { readonly type: "renewWay" }
  | { readonly type: "ended"; readonly end: SessionEnd };

export interface SessionSettings {
  readonly pingMs: number;
  readonly suspectMs: number;
  readonly renewMs: number;
  /** How long a side that closes waits for a silent peer, and a side that was asked for a session for the asker. */
  readonly giveUpMs: number;
}

export const sessionSettings: SessionSettings = {
  pingMs: 1000,
  suspectMs: 3000,
  renewMs: 5000,
  giveUpMs: 10_000,
};

/** The answer to a datagram of a session that is not there. */
export function resetFor({ source, target }: SessionHeader): Transmit<never> {
  return {
    type: "transmit",
    header: {
      type: sessionTypes.reset,
      flags: 0,
      source: target,
      target: source,
      sequence: 0,
      acknowledged: 0,
      selective: 0,
      sentAt: 0,
      echo: 0,
    },
    payload: undefined,
    sequence: undefined,
    again: false,
  };
}
