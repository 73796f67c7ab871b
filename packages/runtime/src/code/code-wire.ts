/**
 * The blocking connection between a worker and its agent, about modules: `u32 length` (little endian) and a msgpack
 * message. The worker says hello, then asks one question at a time and waits for its answer.
 */
import { limits } from "@iono/core";
import { packMessage } from "../owner/payload.ts";

export interface CodeHello {
  readonly process: number;
  readonly secret: string;
}

export const lengthBytes = 4;
/** What is around a module's text: URLs and names. */
const aroundBytes = 64 * 1024;
export const maxRequestBytes = aroundBytes;
export const maxReplyBytes = limits.moduleSource.value + aroundBytes;
/** The agent answers in time whatever happens elsewhere; after so much more it is gone or stopped. */
export const blockedMs = limits.moduleAnswer.value + 10_000;

export function framed(message: unknown): Buffer {
  const body = packMessage(message);
  const bytes = Buffer.allocUnsafe(lengthBytes + body.length);
  bytes.writeUInt32LE(body.length, 0);
  bytes.set(body, lengthBytes);
  return bytes;
}
