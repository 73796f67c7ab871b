/** What a member says first on a link it opens. */
import { frameKinds } from "@iono/core";
import { timingSafeEqual } from "node:crypto";
import { unpackMessage } from "../owner/payload.ts";

export interface Hello {
  readonly secret: string;
  readonly process: number;
  /** Shared page of this link, when the connecting side sends work. */
  readonly page: string | null;
  /** To the own agent, which is to pass the link on: the process of another node that is meant. */
  readonly to?: number;
  /** With `to`: the connecting side sends work. */
  readonly work?: boolean;
}

/** Null when it is no hello of a process that knows the secret. */
export function readHello(
  kind: number,
  chunk: Buffer,
  start: number,
  end: number,
  secret: string,
): Hello | null {
  if (kind !== frameKinds.hello) return null;
  let hello: Hello;
  try {
    hello = unpackMessage(chunk, start, end) as Hello;
  } catch {
    return null;
  }
  if (hello === null || typeof hello !== "object" || !sameSecret(hello.secret, secret)) return null;
  return Number.isSafeInteger(hello.process) ? hello : null;
}

function sameSecret(given: unknown, secret: string): boolean {
  if (typeof given !== "string" || secret === "") return false;
  const a = Buffer.from(given);
  const b = Buffer.from(secret);
  return a.length === b.length && timingSafeEqual(a, b);
}
