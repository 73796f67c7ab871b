import { channels, headNode, hop, hopRefusals } from "@iono/core";
import * as fc from "fast-check";
import { curveKeyPair } from "zeromq";
import { describe, expect, it } from "vitest";
import { makeHello, readHello, verifyHello } from "./hello.ts";
import { makeKeys } from "./keys.ts";

const server = makeKeys();
const client = makeKeys();
const clusterId = "cluster-ä";
const check = {
  clusterId,
  keys: server,
  publicKeyOf: (node: number) => (node === 7 || node === headNode ? client.publicKey : undefined),
};
const identity = { clusterId, node: 7, channel: channels.bulk };

describe("a hello", () => {
  it("proves the node, the head too", () => {
    const hello = makeHello(identity, client, server.publicKey);
    expect(hello[0]).toBe(hop.hello);
    expect(readHello(hello)).toMatchObject(identity);
    expect(verifyHello(hello, check)).toEqual({ isGenuine: true, node: 7, channel: channels.bulk });
    const head = makeHello({ ...identity, node: headNode }, client, server.publicKey);
    expect(verifyHello(head, check)).toMatchObject({ isGenuine: true, node: headNode });
  });

  it("is refused with the reason", () => {
    const refusal = (hello: Buffer, other = {}): unknown => verifyHello(hello, { ...check, ...other });
    const hello = makeHello(identity, client, server.publicKey);
    const wrong = { isGenuine: false, refusal: hopRefusals.wrongProof };
    // The key of another, with this one's number.
    expect(refusal(makeHello(identity, makeKeys(), server.publicKey))).toEqual(wrong);
    // Said to another gateway, and passed on.
    expect(refusal(makeHello(identity, client, makeKeys().publicKey))).toEqual(wrong);
    expect(refusal(hello, { clusterId: "another" })).toEqual(wrong);
    expect(refusal(hello, { publicKeyOf: () => "0".repeat(40) })).toEqual(wrong);
    expect(refusal(hello, { publicKeyOf: () => "" })).toEqual(wrong);
    const unknown = makeHello({ ...identity, node: 8 }, client, server.publicKey);
    expect(refusal(unknown)).toEqual({ isGenuine: false, refusal: hopRefusals.notAllowed });
    expect(refusal(hello, { clusterId: "" })).toEqual({ isGenuine: false, refusal: hopRefusals.later });
    const newer = Buffer.from(hello);
    newer[1] = 2;
    expect(refusal(newer)).toEqual({ isGenuine: false, refusal: hopRefusals.version });
  });

  it("fails with any byte changed, and never throws", () => {
    const hello = makeHello(identity, client, server.publicKey);
    for (let at = 0; at < hello.length; at++) {
      const altered = Buffer.from(hello);
      altered[at] ^= 1;
      expect(verifyHello(altered, check).isGenuine, `byte ${at}`).toBe(false);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(verifyHello(Buffer.from(bytes), check).isGenuine).toBe(false);
        const like = Buffer.concat([hello.subarray(0, bytes[0] ?? 0), bytes]);
        if (!like.equals(hello)) expect(verifyHello(like, check).isGenuine).toBe(false);
      }),
    );
  });

  it("keys are those of zeromq", () => {
    const { publicKey, secretKey } = curveKeyPair();
    const hello = makeHello(identity, { publicKey, secretKey }, server.publicKey);
    expect(verifyHello(hello, { ...check, publicKeyOf: () => publicKey }).isGenuine).toBe(true);
  });
});
