/**
 * What is said at a gateway.
 *
 * **On the wire**, between a dialling peer and a gateway, each message is one frame. Its first byte tells what it is: a
 * datagram begins with its version (1), everything else with a letter of `hop`. These concern this one connection only:
 *
 *   hello     'H'  peer → gateway: who dials (runtime/mesh/hello.ts); first on a connection, and whenever asked
 *   welcome   'W'  gateway → peer: the connection is bound; datagrams go through
 *   refused   'R'  gateway → peer: u8 reason (`hopRefusals`); the connection stays unbound
 *   unknown   'U'  gateway → peer: something came on a connection that is not bound: say hello
 *   ping      'P'  peer → gateway, and back as pong: up to 16 bytes that the pong repeats
 *   pong      'Q'
 *   probe     'N'  gateway → peer: nothing; to learn whether the connection is still there
 *
 * **Locally**, between a gateway and its head or agent, frames of kind `datagram` carry datagrams, and frames of kind
 * `gateway` these messages, in msgpack.
 */
import { mostNodes } from "../ids.ts";

export const hop = {
  hello: 0x48,
  welcome: 0x57,
  refused: 0x52,
  unknown: 0x55,
  ping: 0x50,
  pong: 0x51,
  probe: 0x4e,
} as const;

/** A number is never reused. */
export const hopRefusals = {
  /** The key is not, or no longer, that of a node of the cluster. */
  notAllowed: 1,
  /** The gateway does not know its cluster yet, or is asked too often: say hello again later. */
  later: 2,
  /** The proof is wrong, or of another cluster. */
  wrongProof: 3,
  /** The hello is of another version of iono. */
  version: 4,
} as const;

export type HopRefusal = (typeof hopRefusals)[keyof typeof hopRefusals];

export const maxPingBytes = 16;
/** A gateway forgets a connection on which nothing came for this long; peers ping at a third of it at least. */
export const connectionIdleMs = 15_000;
/** Largest message on a join connection, towards the gateway. */
export const maxJoinBytes = 4096;
/** Largest answer to a join request. */
export const maxJoinAnswerBytes = 1024 * 1024;

export interface AllowedNode {
  readonly node: number;
  /** Z85. */
  readonly publicKey: string;
}

export interface GatewayCounters {
  /** Connections bound to a node now. */
  readonly connections: number;
  readonly allowed: number;
  readonly receivedDatagrams: number;
  readonly receivedBytes: number;
  readonly sentDatagrams: number;
  readonly sentBytes: number;
  readonly relayedDatagrams: number;
  /** Datagrams and other messages that went nowhere, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly hellos: number;
  readonly hellosRefused: number;
  /** Handshakes that were let through, and that were not. */
  readonly admitted: number;
  readonly turnedAway: number;
  readonly joins: number;
  readonly joinsDropped: number;
  readonly queuedBytes: number;
  readonly rssBytes: number;
}

/** From a head or agent to its gateway. */
export type ToGateway =
  /** First message, and again when something of it changes. `guards`: it keeps the list of allowed nodes and answers joins. */
  | {
      readonly t: "hello";
      readonly secret: string;
      /** "" until known. */
      readonly clusterId: string;
      readonly serves: readonly number[];
      readonly guards: boolean;
    }
  /** `isWhole`: nodes that are not in it are not allowed any more. */
  | { readonly t: "allow"; readonly nodes: readonly AllowedNode[]; readonly isWhole: boolean }
  | { readonly t: "revoke"; readonly node: number }
  | { readonly t: "join answer"; readonly id: number; readonly answer: Uint8Array }
  | { readonly t: "stats"; readonly id: number };

/** From a gateway to a head or agent. */
export type FromGateway =
  | {
      readonly t: "bound";
      readonly port: number;
      /** 0 without joining. */
      readonly joinPort: number;
      /** Where other processes of this node connect. */
      readonly path: string;
    }
  | { readonly t: "failed"; readonly message: string }
  /** Datagrams reach the node from here: it has dialled, or another local link serves it. */
  | { readonly t: "connected"; readonly node: number; readonly channel: number }
  | {
      readonly t: "disconnected";
      readonly node: number;
      readonly channel: number;
      readonly reason: string;
    }
  | { readonly t: "join"; readonly id: number; readonly request: Uint8Array }
  | { readonly t: "stats"; readonly id: number; readonly counters: GatewayCounters };

const z85Key = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

export function isPublicKey(value: unknown): value is string {
  return typeof value === "string" && z85Key.test(value);
}

export function isNodeNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < mostNodes;
}

type Fields = Readonly<Record<string, unknown>>;

function isRequestId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, most: number): value is string {
  return typeof value === "string" && value.length <= most;
}

function isAllowedNode(value: unknown): value is AllowedNode {
  if (typeof value !== "object" || value === null) return false;
  return "node" in value && "publicKey" in value && isNodeNumber(value.node) && isPublicKey(value.publicKey);
}

const maxSecretChars = 256;
const maxServed = 16;

const toGateway: { readonly [T in ToGateway["t"]]: (fields: Fields) => boolean } = {
  hello: ({ secret, clusterId, serves, guards }) =>
    isText(secret, maxSecretChars) &&
    isText(clusterId, maxSecretChars) &&
    Array.isArray(serves) &&
    serves.length <= maxServed &&
    serves.every(isNodeNumber) &&
    typeof guards === "boolean",
  allow: ({ nodes, isWhole }) =>
    Array.isArray(nodes) &&
    nodes.length <= mostNodes &&
    nodes.every(isAllowedNode) &&
    typeof isWhole === "boolean",
  revoke: ({ node }) => isNodeNumber(node),
  "join answer": ({ id, answer }) =>
    isRequestId(id) && answer instanceof Uint8Array && answer.length <= maxJoinAnswerBytes,
  stats: ({ id }) => isRequestId(id),
};

/** Undefined when it is not a message for a gateway. */
export function readToGateway(value: unknown): ToGateway | undefined {
  if (typeof value !== "object" || value === null || !("t" in value)) return undefined;
  const { t } = value;
  if (typeof t !== "string" || !Object.hasOwn(toGateway, t)) return undefined;
  return toGateway[t as ToGateway["t"]](value) ? (value as ToGateway) : undefined;
}
