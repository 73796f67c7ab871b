/** The public sockets of a gateway: how they are set up, bound and read. */
import { maxDatagramBytes, maxJoinBytes } from "@iono/core";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { Router } from "zeromq";
import type { CurveKeys } from "../keys.ts";

/** Names of the two doors at the key check (zap.ts). */
export const doors = { mesh: "iono", join: "iono-join" } as const;
export type Door = (typeof doors)[keyof typeof doors];

/** Messages that libzmq holds for one peer in each direction. With the largest datagrams that is 160 MiB. */
const highWaterMark = 32;

export function makeRouter(door: Door, keys: CurveKeys, host: string): Router {
  const isJoin = door === doors.join;
  return new Router({
    curveServer: true,
    curveSecretKey: keys.secretKey,
    zapDomain: door,
    // Without it a missing key check would admit everybody.
    zapEnforceDomain: true,
    mandatory: true,
    handover: false,
    sendTimeout: 0,
    linger: 0,
    ipv6: host.includes(":"),
    backlog: 1024,
    handshakeInterval: 5000,
    maxMessageSize: isJoin ? maxJoinBytes : maxDatagramBytes,
    sendHighWaterMark: isJoin ? 4 : highWaterMark,
    receiveHighWaterMark: isJoin ? 4 : highWaterMark,
    heartbeatInterval: 2000,
    heartbeatTimeout: 6000,
    heartbeatTimeToLive: 8000,
    tcpMaxRetransmitTimeout: 10_000,
  });
}

/** A socket that ended a moment ago may hold its port still. */
const bindTries = 10;
const bindWaitMs = 50;

/** Binds and tells the port. @throws the system's error, whose `code` may be EADDRINUSE, EADDRNOTAVAIL, EACCES. */
export async function bindRouter(socket: Router, host: string, port: number, tries = 1): Promise<number> {
  const shown = host.includes(":") ? `[${host}]` : host;
  for (let tried = 1; ; tried++) {
    try {
      await socket.bind(`tcp://${shown}:${port === 0 ? "*" : port}`);
      break;
    } catch (error) {
      if (tried >= tries || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      await sleep(bindWaitMs);
    }
  }
  return Number(/:(\d+)$/.exec(socket.lastEndpoint ?? "")?.[1]);
}

/** As `bindRouter`, for a port that an own socket held just now. */
export function bindAgain(socket: Router, host: string, port: number): Promise<number> {
  return bindRouter(socket, host, port, bindTries);
}

/** Work in one go before the loop turns to others: messages, bytes, time. */
const goMessages = 64;
const goBytes = 4 * 1024 * 1024;
const goMs = 2;

/**
 * To be awaited after each message with its size: now and then it turns to the rest of the process, which a loop over
 * messages that are there already would never do. Received memory, too, is freed in later turns only.
 */
export function turnEvery(): (bytes: number) => Promise<void> | void {
  let messages = 0;
  let bytes = 0;
  let sinceMs = performance.now();
  return (more) => {
    bytes += more;
    if (++messages < goMessages && bytes < goBytes && performance.now() - sinceMs < goMs) return undefined;
    messages = bytes = 0;
    return turn().then(() => {
      sinceMs = performance.now();
    });
  };
}

/**
 * Reads a socket until it is closed. `handle` gets single frames with the number that the socket gave the connection;
 * everything else (more frames, an identity that the peer chose itself) goes to `ignored`. `handle` must not throw.
 */
export async function readRouter(
  socket: Router,
  handle: (connection: number, frame: Buffer) => void,
  ignored: () => void,
): Promise<void> {
  const turnNow = turnEvery();
  while (!socket.closed) {
    let parts: Buffer[];
    try {
      parts = await socket.receive();
    } catch (error) {
      if (socket.closed) return;
      throw error;
    }
    const [identity, frame] = parts;
    if (parts.length === 2 && identity.length === 5 && identity[0] === 0)
      handle(identity.readUInt32BE(1), frame);
    else ignored();
    const turning = turnNow(parts.length === 2 ? frame.length : goBytes);
    if (turning !== undefined) await turning;
  }
}

/** The identity by which a message is sent to a connection. */
export function identityOf(connection: number): Buffer {
  const identity = Buffer.alloc(5);
  identity.writeUInt32BE(connection, 1);
  return identity;
}

/** Calls whenever a connection of the socket was made (`true`) or has ended, until the socket is closed. */
export async function watchRouter(socket: Router, tell: (isMade: boolean) => void): Promise<void> {
  const { events } = socket;
  const turnNow = turnEvery();
  while (!events.closed && !socket.closed) {
    let type: string;
    try {
      ({ type } = await events.receive());
    } catch {
      // Closed meanwhile; nothing else ends it.
      return;
    }
    if (type === "handshake") tell(true);
    else if (type === "disconnect") tell(false);
    const turning = turnNow(0);
    if (turning !== undefined) await turning;
  }
}
