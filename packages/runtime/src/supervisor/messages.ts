/** Between a supervisor and the head or agent it has started, over descriptor 3: frames of kind `control`. */
import { frameKinds } from "@iono/core";
import * as net from "node:net";
import type { Link } from "../links/link.ts";
import { UnixLink } from "../links/unix.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";

export type ToChild =
  /** The head has ended, and the other nodes are to know. */
  | { readonly t: "head lost"; readonly reason: string }
  /** The gateway was started anew, and is elsewhere. */
  | { readonly t: "gateway"; readonly path: string }
  | { readonly t: "stop"; readonly reason: string }
  /** The supervisor holds the store's memory too: others open it there. */
  | { readonly t: "segment at"; readonly path: string }
  | { readonly t: "worker started"; readonly number: number; readonly pid: number }
  /** What it wrote to its own standard output or error, past the console. */
  | {
      readonly t: "worker output";
      readonly number: number;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  | {
      readonly t: "worker ended";
      readonly number: number;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      /** It could not be started, for that reason; else "". */
      readonly error: string;
    };

export type FromChild =
  /** A head is there; the token is for the agent beside it. */
  | { readonly t: "head ready"; readonly token: string }
  | { readonly t: "token"; readonly id: number; readonly token: string }
  /** `token` is for joining again, with the same keys. */
  | { readonly t: "joined"; readonly node: number; readonly name: string; readonly token: string }
  /** The memory of the store, as a path of this process. */
  | { readonly t: "segment"; readonly path: string }
  /** Start a worker: the supervisor is its parent. */
  | {
      readonly t: "start worker";
      readonly number: number;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly t: "kill worker"; readonly number: number }
  /** The cluster has ended: starting the agent anew is of no use. */
  | { readonly t: "over"; readonly reason: string }
  | { readonly t: "failed"; readonly code: string; readonly message: string };

export function sendOn(link: Link, message: ToChild | FromChild): void {
  if (!link.closed) link.send("control", frameKinds.control, packMessage(message));
}

export interface SupervisorLink {
  tell(message: FromChild): void;
  close(): void;
}

/** The child's end. */
export function supervisorLink(heard: (message: ToChild) => void, ended: () => void): SupervisorLink {
  const link = new UnixLink(new net.Socket({ fd: 3 }), {
    frame: (_kind, chunk, start, end) => heard(unpackMessage(chunk, start, end) as ToChild),
    closed: ended,
  });
  return { tell: (message) => sendOn(link, message), close: () => link.destroy() };
}
