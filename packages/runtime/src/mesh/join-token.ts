/**
 * What a machine needs to join: an address, `iono://host:port`, and a token, one word that no shell takes apart:
 *
 *   ionojoin1.<server key>.<join port>.<token id>.<secret>
 *
 * The server key (the gateway's CURVE public key) makes sure that the machine joins the cluster that was meant.
 */
import { badOption, IonoError } from "@iono/core";
import { createHash } from "node:crypto";
import { rawKey } from "./keys.ts";
import { encodeZ85 } from "./keys-z85.ts";

/** Port of a head's gateway, unless told otherwise. */
export const defaultPort = 7600;

export interface JoinAddress {
  /** Name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface JoinToken {
  /** Z85. */
  readonly serverPublicKey: string;
  readonly joinPort: number;
  readonly tokenId: string;
  readonly secret: string;
}

const prefix = "ionojoin1";
const scheme = "iono://";
const rightAddress = `${scheme}host:port, as the head's \`iono start\` prints it`;

/** @throws IonoError BadOption. */
export function parseJoinAddress(address: string, field = "address"): JoinAddress {
  const text = address.startsWith(scheme) ? address.slice(scheme.length) : address;
  const match = /^(?:\[([0-9a-fA-F:.%a-z]+)\]|([^\s:/@[\]?#]+))(?::(\d{1,5}))?\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) throw badOption(field, address, rightAddress);
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535)
    throw badOption(field, address, `${rightAddress}, with a port from 1 to 65535`);
  return { host, port };
}

export function formatJoinAddress({ host, port }: JoinAddress): string {
  return `${scheme}${formatHostPort(host, port)}`;
}

export function formatHostPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function formatJoinToken({ serverPublicKey, joinPort, tokenId, secret }: JoinToken): string {
  const key = rawKey(serverPublicKey).toString("base64url");
  return `${prefix}.${key}.${joinPort}.${tokenId}.${secret}`;
}

/** @throws IonoError BadOption that names the part which is wrong; the token itself is not shown. */
export function parseJoinToken(text: string, field = "token"): JoinToken {
  const wrong = (what: string): IonoError =>
    new IonoError(
      "BadOption",
      `${field} ${what}; copy it whole, as the head's \`iono start\` or \`iono token\` prints it`,
    );
  if (!text.startsWith("ionojoin")) throw wrong("is no join token: those begin with ionojoin1");
  const [version, key, port, tokenId, secret, ...rest] = text.trim().split(".");
  if (version !== prefix)
    throw wrong(`is of another version of iono: it begins with ${version.slice(0, 20)}, not ${prefix}`);
  if (secret === undefined) throw wrong("is cut off: it has not all its five parts");
  if (rest.length > 0) throw wrong("has more than five parts");
  if (!/^[\w-]{43}$/.test(key)) throw wrong("has a broken server key (its second part)");
  const joinPort = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (joinPort < 1 || joinPort > 65_535) throw wrong("has a broken port (its third part)");
  if (!/^[0-9a-z]{1,32}$/.test(tokenId)) throw wrong("has a broken id (its fourth part)");
  if (!/^[\w-]{32}$/.test(secret)) throw wrong("has a broken or cut off secret (its last part)");
  return { serverPublicKey: encodeZ85(Buffer.from(key, "base64url")), joinPort, tokenId, secret };
}

/** What the head keeps of a secret, in hex: the key with which it is proved. */
export function hashTokenSecret(secret: string): string {
  return createHash("sha256").update("iono token\0").update(secret).digest("hex");
}
