/**
 * The request to join and its answer. A request is 32 bytes of proof and a JSON text; the proof is HMAC-SHA256 over the
 * server's key and the text, keyed by the hash of the token's secret. An answer is a JSON text. JSON, as these are the
 * only messages that a head reads from strangers: it cannot be made to build anything that is larger than itself.
 */
import {
  isNodeNumber,
  isPublicKey,
  maxJoinAnswerBytes,
  maxJoinBytes,
  type ErrorCode,
  type JoinRole,
} from "@iono/core";
import { createHmac, timingSafeEqual } from "node:crypto";
import { rawKey } from "./keys.ts";

export interface JoinRequest {
  readonly tokenId: string;
  /** Tells a request that is sent again from a new one. */
  readonly nonce: string;
  /** Z85, of whoever joins: with it it connects from then on. */
  readonly publicKey: string;
  readonly role: JoinRole;
  readonly version: string;
  /** What the machine says of itself; the head reads it. */
  readonly info: object;
}

/** What a machine that joined is told. */
export interface Welcome {
  readonly clusterId: string;
  /** The number of the node. */
  readonly node: number;
  /** `tcp://host:port` of the head's gateway. */
  readonly endpoint: string;
  /** Z85, of the head's gateway. */
  readonly serverPublicKey: string;
  /** What else the head has to say. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface JoinRefusal {
  readonly code: Extract<ErrorCode, "JoinRefused" | "VersionMismatch">;
  readonly message: string;
}

export type JoinAnswer =
  | ({ readonly isWelcome: true } & Omit<Welcome, "serverPublicKey">)
  | ({ readonly isWelcome: false } & JoinRefusal);

const proofBytes = 32;

export function packJoin(request: JoinRequest, tokenHash: string, serverPublicKey: string): Buffer {
  const body = Buffer.from(JSON.stringify(request), "utf8");
  const bytes = Buffer.concat([proofOf(body, tokenHash, serverPublicKey), body]);
  if (bytes.length > maxJoinBytes) throw new RangeError(`a join request of ${bytes.length} bytes`);
  return bytes;
}

/** Bytes that `info` of a request may take. */
export const maxJoinInfoBytes = maxJoinBytes - 512;

/** Undefined when it is no request. Nothing in it is proved yet. */
export function readJoin(bytes: Buffer): JoinRequest | undefined {
  if (bytes.length <= proofBytes || bytes.length > maxJoinBytes) return undefined;
  const value = readJson(bytes.subarray(proofBytes));
  if (value === undefined) return undefined;
  const { tokenId, nonce, publicKey, role, version, info } = value;
  const isText = (text: unknown): text is string => typeof text === "string" && text.length <= 64;
  if (!isText(tokenId) || !isText(nonce) || !isText(version) || !isPublicKey(publicKey)) return undefined;
  if (role !== "node" && role !== "client") return undefined;
  if (typeof info !== "object" || info === null) return undefined;
  return { tokenId, nonce, publicKey, role, version, info };
}

/** Whether the request was made by one who knows the token's secret, for this server. */
export function provesJoin(bytes: Buffer, tokenHash: string, serverPublicKey: string): boolean {
  const proof = proofOf(bytes.subarray(proofBytes), tokenHash, serverPublicKey);
  return timingSafeEqual(proof, bytes.subarray(0, proofBytes));
}

export function packJoinAnswer(answer: JoinAnswer): Buffer {
  const bytes = Buffer.from(JSON.stringify(answer), "utf8");
  if (bytes.length > maxJoinAnswerBytes)
    throw new RangeError(`an answer to a join request of ${bytes.length} bytes`);
  return bytes;
}

/** Undefined when it is none. */
export function readJoinAnswer(bytes: Buffer): JoinAnswer | undefined {
  if (bytes.length > maxJoinAnswerBytes) return undefined;
  const value = readJson(bytes);
  if (value === undefined) return undefined;
  if (value["isWelcome"] === false) {
    const { code, message } = value;
    if ((code !== "JoinRefused" && code !== "VersionMismatch") || typeof message !== "string")
      return undefined;
    return { isWelcome: false, code, message };
  }
  const { isWelcome, clusterId, node, endpoint, details } = value;
  if (isWelcome !== true || typeof clusterId !== "string" || clusterId === "") return undefined;
  if (!isNodeNumber(node) || typeof endpoint !== "string") return undefined;
  if (typeof details !== "object" || details === null) return undefined;
  return { isWelcome, clusterId, node, endpoint, details: details as Record<string, unknown> };
}

function readJson(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function proofOf(body: Buffer, tokenHash: string, serverPublicKey: string): Buffer {
  return createHmac("sha256", Buffer.from(tokenHash, "hex"))
    .update("iono join\0")
    .update(rawKey(serverPublicKey))
    .update(body)
    .digest();
}
