/** Between a supervisor and the head or agent it has started, over descriptor 3: frames of kind `control`. */
import { frameKinds } from "@iono/core";
import * as net from "node:net";
import type { Link } from "../links/link.ts";
import { UnixLink } from "../links/unix.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";

export type ToChild =
  /** The gateway was started anew, and is elsewhere. */
  { readonly t: "gateway"; readonly path: string } | { readonly t: "stop"; readonly reason: string };

export type FromChild =
  /** A head is there; the token is for the agent beside it. */
  | { readonly t: "head ready"; readonly token: string }
  | { readonly t: "token"; readonly id: number; readonly token: string }
  /** `token` is for joining again, with the same keys. */
  | { readonly t: "joined"; readonly node: number; readonly name: string; readonly token: string }
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
