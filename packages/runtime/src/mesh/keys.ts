/**
 * The CURVE key pair of a node or head. CURVE keys are X25519 keys in Z85, so that node:crypto can compute with them.
 * Kept in a directory that only its user can enter; never in arguments of a process.
 */
import { IonoError, isPublicKey } from "@iono/core";
import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { curveKeyPair } from "zeromq";
import { decodeZ85, encodeZ85 } from "./keys-z85.ts";

export interface CurveKeys {
  /** Z85, 40 characters. */
  readonly publicKey: string;
  /** Z85, 40 characters. */
  readonly secretKey: string;
}

const secretFile = "secret.key";
const publicFile = "public.key";

/** What node:crypto wants around 32 raw bytes (RFC 8410). */
const privatePrefix = Buffer.from("302e020100300506032b656e04220420", "hex");
const publicPrefix = Buffer.from("302a300506032b656e032100", "hex");

/** A new pair, in memory only. */
export function makeKeys(): CurveKeys {
  const { publicKey, secretKey } = curveKeyPair();
  return { publicKey, secretKey };
}

/** @throws IonoError BadOption when the text is no CURVE key. The text is not shown: it may be a secret. */
export function rawKey(key: string): Buffer {
  const bytes = isPublicKey(key) ? decodeZ85(key) : undefined;
  if (bytes === undefined) throw new IonoError("BadOption", "a CURVE key must be 40 characters of Z85");
  return bytes;
}

/** The public key that belongs to a secret one. @throws IonoError BadOption. */
export function publicKeyOf(secretKey: string): string {
  const jwk = createPublicKey(privateObject(secretKey)).export({ format: "jwk" });
  return encodeZ85(Buffer.from(jwk.x ?? "", "base64url"));
}

/** What two key pairs share, from either side: 32 bytes. @throws when a key is no proper point. */
export function sharedSecret(secretKey: string, publicKey: string): Buffer {
  const other = createPublicKey({
    key: Buffer.concat([publicPrefix, rawKey(publicKey)]),
    format: "der",
    type: "spki",
  });
  return diffieHellman({ privateKey: privateObject(secretKey), publicKey: other });
}

function privateObject(secretKey: string): ReturnType<typeof createPrivateKey> {
  const key = Buffer.concat([privatePrefix, rawKey(secretKey)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/**
 * The pair kept in `directory`; made, with the directory, when there is none.
 * @throws IonoError BadOption when others can read it, it is broken, or the directory cannot be written.
 */
export function loadKeys(directory: string): CurveKeys {
  const file = path.join(directory, secretFile);
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    refuseOthers(directory, "700");
    return readKeys(file) ?? writeKeys(directory, file);
  } catch (error) {
    if (error instanceof IonoError) throw error;
    throw new IonoError("BadOption", `the keys in ${directory} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Whether there are keys in the directory, whatever they are worth. */
export function hasKeys(directory: string): boolean {
  return fs.existsSync(path.join(directory, secretFile));
}

function readKeys(file: string): CurveKeys | undefined {
  let fd: number;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    refuseOthers(file, "600", fs.fstatSync(fd));
    const secretKey = fs.readFileSync(fd, "latin1").trim();
    if (!isPublicKey(secretKey)) {
      throw new IonoError(
        "BadOption",
        `${file} holds no key of 40 characters; remove it, and a new one is made (machines that joined must join again)`,
      );
    }
    return { publicKey: publicKeyOf(secretKey), secretKey };
  } finally {
    fs.closeSync(fd);
  }
}

/** Whole or not at all, also when two processes do it at once: the first one's stays. */
function writeKeys(directory: string, file: string): CurveKeys {
  const keys = makeKeys();
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    fs.writeFileSync(draft, `${keys.secretKey}\n`, { mode: 0o600, flag: "wx", flush: true });
    fs.linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const other = readKeys(file);
    if (other !== undefined) return other;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
  fs.writeFileSync(path.join(directory, publicFile), `${keys.publicKey}\n`, { mode: 0o600 });
  return keys;
}

function refuseOthers(file: string, mode: string, stat: fs.Stats = fs.statSync(file)): void {
  if (process.platform === "win32") return;
  if ((stat.mode & 0o077) !== 0) {
    throw new IonoError(
      "BadOption",
      `${file} can be read by other users (mode ${(stat.mode & 0o777).toString(8)}), and it holds a secret key: ` +
        `chmod ${mode} ${file}, or make new keys if others may have read it`,
    );
  }
  const user = process.getuid?.();
  if (user !== undefined && stat.uid !== user)
    throw new IonoError(
      "BadOption",
      `${file} belongs to another user (uid ${stat.uid}); use keys of your own`,
    );
}
