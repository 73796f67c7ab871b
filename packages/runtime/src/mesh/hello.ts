/**
 * The first message on a dialled connection proves which node dials: CURVE admits known keys only, but does not tell the
 * receiver which of them a message came with. Layout, little endian:
 *
 *   u8 'H', u8 version, u8 channel, u8 length of the cluster id, u32 node, cluster id, 32 bytes of proof
 *
 * proof = HMAC-SHA256 over everything that both know (below), keyed by X25519(secret key of one, public key of the
 * other): only the holder of the node's secret key, or the gateway itself, can make it, and for this gateway only. The
 * head is node 0 (`headNode`). Nobody else sees a hello, as the connection is encrypted to the gateway's key.
 */
import { channels, hop, hopRefusals, type Channel, type HopRefusal } from "@iono/core";
import { createHmac, timingSafeEqual } from "node:crypto";
import { rawKey, sharedSecret, type CurveKeys } from "./keys.ts";

export const helloVersion = 1;

const fixedBytes = 8;
const proofBytes = 32;
const maxClusterIdBytes = 128;

export interface HelloIdentity {
  readonly clusterId: string;
  /** Number of the dialling node; `headNode` for the head. */
  readonly node: number;
  /** What the connection is for. */
  readonly channel: Channel;
}

export interface ReadHello extends HelloIdentity {
  readonly proof: Buffer;
}

/** What a dialling node sends first, whole: one frame. `serverPublicKey` is that of the gateway. */
export function makeHello(identity: HelloIdentity, keys: CurveKeys, serverPublicKey: string): Buffer {
  const clusterId = Buffer.from(identity.clusterId, "utf8");
  if (clusterId.length > maxClusterIdBytes) throw new RangeError(`a cluster id of ${clusterId.length} bytes`);
  const hello = Buffer.alloc(fixedBytes + clusterId.length + proofBytes);
  hello[0] = hop.hello;
  hello[1] = helloVersion;
  hello[2] = identity.channel;
  hello[3] = clusterId.length;
  hello.writeUInt32LE(identity.node, 4);
  clusterId.copy(hello, fixedBytes);
  const secret = sharedSecret(keys.secretKey, serverPublicKey);
  proofOf(identity, secret, serverPublicKey, keys.publicKey).copy(hello, fixedBytes + clusterId.length);
  return hello;
}

/** Reads a hello without believing it; undefined when it is none of this version. */
export function readHello(bytes: Buffer): ReadHello | undefined {
  if (bytes.length < fixedBytes + proofBytes || bytes[0] !== hop.hello || bytes[1] !== helloVersion)
    return undefined;
  const end = fixedBytes + bytes[3];
  if (bytes[2] > channels.bulk || bytes[3] > maxClusterIdBytes || bytes.length !== end + proofBytes)
    return undefined;
  return {
    channel: bytes[2] as Channel,
    node: bytes.readUInt32LE(4),
    clusterId: bytes.toString("utf8", fixedBytes, end),
    proof: bytes.subarray(end),
  };
}

export interface HelloCheck {
  readonly clusterId: string;
  /** The gateway's own. */
  readonly keys: CurveKeys;
  /** Key of an allowed node; undefined when it is not allowed. */
  publicKeyOf(node: number): string | undefined;
}

export type HelloVerdict =
  | { readonly isGenuine: true; readonly node: number; readonly channel: Channel }
  | { readonly isGenuine: false; readonly refusal: HopRefusal };

/** Whether a hello proves the node that it names. Never throws. */
export function verifyHello(bytes: Buffer, { clusterId, keys, publicKeyOf }: HelloCheck): HelloVerdict {
  const hello = readHello(bytes);
  if (hello === undefined) return refuse(hopRefusals.version);
  if (clusterId === "") return refuse(hopRefusals.later);
  const clientPublicKey = publicKeyOf(hello.node);
  if (clientPublicKey === undefined) return refuse(hopRefusals.notAllowed);
  if (hello.clusterId !== clusterId) return refuse(hopRefusals.wrongProof);
  try {
    const secret = sharedSecret(keys.secretKey, clientPublicKey);
    const proof = proofOf(hello, secret, keys.publicKey, clientPublicKey);
    if (!timingSafeEqual(proof, hello.proof)) return refuse(hopRefusals.wrongProof);
  } catch {
    // A key that is no point of the curve proves nothing.
    return refuse(hopRefusals.wrongProof);
  }
  return { isGenuine: true, node: hello.node, channel: hello.channel };
}

function refuse(refusal: HopRefusal): HelloVerdict {
  return { isGenuine: false, refusal };
}

function proofOf(
  { clusterId, node, channel }: HelloIdentity,
  secret: Buffer,
  serverPublicKey: string,
  clientPublicKey: string,
): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(node, 0);
  numbers[4] = channel;
  numbers[5] = helloVersion;
  numbers.writeUInt16LE(Buffer.byteLength(clusterId), 6);
  return createHmac("sha256", secret)
    .update("iono hello")
    .update(numbers)
    .update(clusterId)
    .update(rawKey(serverPublicKey))
    .update(rawKey(clientPublicKey))
    .digest();
}
