import * as fc from "fast-check";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadKeys, makeKeys, publicKeyOf, sharedSecret } from "./keys.ts";
import { decodeZ85, encodeZ85 } from "./keys-z85.ts";

let root: string;
let count = 0;
beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "iono-keys-"));
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const fresh = (): string => path.join(root, `deep/${count++}`);

describe("Z85", () => {
  it("is that of RFC 32", () => {
    const bytes = Buffer.from("864fd26fb559f75b", "hex");
    expect(encodeZ85(bytes)).toBe("HelloWorld");
    expect(decodeZ85("HelloWorld")).toEqual(bytes);
    for (const wrong of ["Hello World", "Hell", "ä0000", "#####", '"0000'])
      expect(decodeZ85(wrong)).toBeUndefined();
    expect(() => encodeZ85(new Uint8Array(3))).toThrow(RangeError);
  });

  it("reads what it writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(decodeZ85(encodeZ85(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
  });
});

describe("keys", () => {
  it("are pairs, and two share one secret", () => {
    for (let i = 0; i < 20; i++) {
      const [a, b] = [makeKeys(), makeKeys()];
      expect(publicKeyOf(a.secretKey)).toBe(a.publicKey);
      expect(sharedSecret(a.secretKey, b.publicKey)).toEqual(sharedSecret(b.secretKey, a.publicKey));
    }
    expect(() => publicKeyOf("short")).toThrow("40 characters of Z85");
  });

  it("are kept where only their user reads them", () => {
    const directory = fresh();
    const keys = loadKeys(directory);
    expect(loadKeys(directory)).toEqual(keys);
    expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
    for (const file of fs.readdirSync(directory))
      expect(fs.statSync(path.join(directory, file)).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(directory).toSorted()).toEqual(["public.key", "secret.key"]);
  });

  it("are refused when others can read them, with what to do", () => {
    const directory = fresh();
    loadKeys(directory);
    const file = path.join(directory, "secret.key");
    fs.chmodSync(file, 0o640);
    expect(() => loadKeys(directory)).toThrow(`chmod 600 ${file}`);
    fs.chmodSync(file, 0o600);
    fs.chmodSync(directory, 0o755);
    expect(() => loadKeys(directory)).toThrow(`chmod 700 ${directory}`);
  });

  it("are refused when broken, a link, or in a place that is no directory", () => {
    const directory = fresh();
    const { secretKey } = loadKeys(directory);
    const file = path.join(directory, "secret.key");
    fs.writeFileSync(file, secretKey.slice(0, 30));
    expect(() => loadKeys(directory)).toThrow("holds no key of 40 characters");
    fs.renameSync(file, path.join(root, "elsewhere"));
    fs.symlinkSync(path.join(root, "elsewhere"), file);
    expect(() => loadKeys(directory)).toThrow("cannot be used");
    expect(() => loadKeys(path.join(root, "elsewhere"))).toThrow("cannot be used");
  });
});
