/** Joining a cluster from outside: one request to the head's join port, with an end to every wait. */
import { badOption, IonoError, type JoinRole } from "@iono/core";
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Dealer } from "zeromq";
import { version as ownVersion } from "../version.ts";
import {
  maxJoinInfoBytes,
  packJoin,
  readJoinAnswer,
  type JoinAnswer,
  type Welcome,
} from "./join-messages.ts";
import { probeAddress } from "./join-probe.ts";
import { formatHostPort, hashTokenSecret, parseJoinAddress, parseJoinToken } from "./join-token.ts";
import type { CurveKeys } from "./keys.ts";

export interface JoinOptions {
  /** `iono://host:port`. */
  readonly address: string;
  /** `ionojoin1.…`. */
  readonly token: string;
  /** Of this machine: with them it connects afterwards. */
  readonly keys: CurveKeys;
  /** Default node. */
  readonly role?: JoinRole;
  /** What the head is told of this machine: JSON, up to 3 KiB. */
  readonly info: object;
  /** Default 15 s. */
  readonly timeoutMs?: number;
  readonly version?: string;
}

const defaultTimeoutMs = 15_000;
/** A request that was lost (a gateway that starts anew, too many at once) is sent again. */
const againMs = 2500;
/** Handshakes fail for good when this many have failed: one may be lost with a gateway that ends. */
const failedHandshakes = 4;

/**
 * Asks to be taken into a cluster.
 * @throws IonoError BadOption (address, token, info), Unreachable (nobody there, or something else), JoinRefused (another
 *   server's key; a token that is wrong, expired or used up), VersionMismatch.
 */
export async function join(options: JoinOptions): Promise<Welcome> {
  const { keys, role = "node", info, timeoutMs = defaultTimeoutMs, version = ownVersion } = options;
  const { host, port } = parseJoinAddress(options.address);
  const { serverPublicKey, joinPort, tokenId, secret } = parseJoinToken(options.token);
  const infoBytes = Buffer.byteLength(JSON.stringify(info));
  if (infoBytes > maxJoinInfoBytes)
    throw badOption("info", info, `at most ${maxJoinInfoBytes} bytes of JSON (it has ${infoBytes})`);
  const nonce = randomBytes(16).toString("hex");
  const request = packJoin(
    { tokenId, nonce, publicKey: keys.publicKey, role, version, info },
    hashTokenSecret(secret),
    serverPublicKey,
  );

  const place = formatHostPort(host, joinPort);
  const startMs = performance.now();
  const deadlineMs = startMs + timeoutMs;
  const waited = (): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
  const ip = await resolve(host, place, deadlineMs, waited);
  await findGateway(ip, joinPort, place, deadlineMs, waited);
  // Joining is of no use where the cluster itself cannot be reached.
  if (port !== joinPort) await findGateway(ip, port, formatHostPort(host, port), deadlineMs, waited);

  const answer = await ask(formatHostPort(ip, joinPort), request, keys, serverPublicKey, deadlineMs);
  if (answer === "wrong key") {
    throw new IonoError(
      "JoinRefused",
      `the head at ${place} has another key than the token: the token is of another cluster, or somebody else answers there`,
    );
  }
  if (answer === undefined)
    throw new IonoError(
      "Unreachable",
      `the gateway at ${place} is there, but the head does not answer (waited ${waited()})`,
    );
  if (!answer.isWelcome) throw new IonoError(answer.code, `the head at ${place} refuses: ${answer.message}`);
  const { clusterId, node, details } = answer;
  const endpoint = answer.endpoint === "" ? `tcp://${formatHostPort(host, port)}` : answer.endpoint;
  return { clusterId, node, endpoint, serverPublicKey, details };
}

/** @throws IonoError Unreachable. */
async function findGateway(
  ip: string,
  port: number,
  place: string,
  deadlineMs: number,
  waited: () => string,
): Promise<void> {
  const probe = await probeAddress(ip, port, deadlineMs);
  if (probe.type === "nobody")
    throw new IonoError("Unreachable", `nobody answers at ${place}: ${probe.reason} (waited ${waited()})`);
  if (probe.type === "stranger")
    throw new IonoError("Unreachable", `what answers at ${place} is no head of iono: ${probe.what}`);
}

async function resolve(
  host: string,
  place: string,
  deadlineMs: number,
  waited: () => string,
): Promise<string> {
  const timer = new AbortController();
  try {
    const late = sleep(deadlineMs - performance.now(), undefined, { signal: timer.signal });
    const found = await Promise.race([lookup(host), late]);
    if (found !== undefined) return found.address;
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === "ENOTFOUND" ? "is not known" : "could not be looked up";
    throw new IonoError("Unreachable", `nobody answers at ${place}: the name ${host} ${reason}`, {
      cause: error,
    });
  } finally {
    timer.abort();
  }
  throw new IonoError(
    "Unreachable",
    `nobody answers at ${place}: the name ${host} could not be looked up (waited ${waited()})`,
  );
}

/** Undefined when no answer came in time. */
async function ask(
  place: string,
  request: Buffer,
  { publicKey, secretKey }: CurveKeys,
  curveServerKey: string,
  deadlineMs: number,
): Promise<JoinAnswer | "wrong key" | undefined> {
  const socket = new Dealer({
    curveServerKey,
    curvePublicKey: publicKey,
    curveSecretKey: secretKey,
    immediate: true,
    linger: 0,
    ipv6: place.startsWith("["),
    reconnectInterval: 200,
    reconnectMaxInterval: 1000,
    connectTimeout: 5000,
    handshakeInterval: 5000,
    maxMessageSize: 2 * 1024 * 1024,
  });
  const end = new AbortController();
  const close = (): void => {
    end.abort();
    socket.close();
  };
  const timer = setTimeout(close, deadlineMs - performance.now());
  try {
    socket.connect(`tcp://${place}`);
    return await Promise.race([
      answered(socket),
      wrongKey(socket),
      // Ends with the socket.
      sendAgain(socket, request, end.signal),
    ]);
  } finally {
    clearTimeout(timer);
    close();
  }
}

async function answered(socket: Dealer): Promise<JoinAnswer | undefined> {
  while (!socket.closed) {
    try {
      const parts = await socket.receive();
      const answer = parts.length === 1 ? readJoinAnswer(parts[0]) : undefined;
      if (answer !== undefined) return answer;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

async function sendAgain(socket: Dealer, request: Buffer, end: AbortSignal): Promise<undefined> {
  while (!socket.closed) {
    try {
      // Waits until the handshake is done.
      await socket.send(request);
      await sleep(againMs, undefined, { signal: end });
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Resolves when the server ends handshakes again and again before they are done: it cannot read what is meant for another. */
async function wrongKey(socket: Dealer): Promise<"wrong key" | undefined> {
  const { events } = socket;
  let failed = 0;
  while (!socket.closed) {
    let type: string;
    try {
      ({ type } = await events.receive());
    } catch {
      return undefined;
    }
    if (type === "handshake") failed = 0;
    else if (type === "handshake:error:protocol") return "wrong key";
    else if (type === "disconnect" && ++failed >= failedHandshakes) return "wrong key";
  }
  return undefined;
}
