import { claim, frameKinds, linkPage, taskEntryHeaderBytes } from "@iono/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { platform } from "../platform/index.ts";
import { FarClaims } from "./far-claims.ts";

const { sharedPages } = platform();

describe.skipIf(sharedPages === undefined)("claims of an owner on another node", () => {
  let said: [kind: number, payload: Buffer][];
  let states: Int32Array;
  let claims: FarClaims;
  beforeEach(() => {
    said = [];
    const page = sharedPages!.create(linkPage.totalBytes);
    states = new Int32Array(page.memory, linkPage.claimsAt, linkPage.claims);
    claims = new FarClaims(page, (kind, payload) => said.push([kind, Buffer.from(payload)]));
  });
  afterEach(() => claims.close());

  const entry = (slot: number): Buffer => {
    const bytes = Buffer.alloc(taskEntryHeaderBytes);
    bytes.writeUInt16LE(slot, 10);
    return bytes;
  };
  const slots = (...numbers: number[]): Buffer => Buffer.from(new Uint16Array(numbers).buffer);

  test("are taken back once, and those that have begun are not", () => {
    expect(claims.fromOwner(frameKinds.tasks, Buffer.concat([entry(3), entry(4)]))).toBe(false);
    states[4] = claim.running;
    expect(claims.fromOwner(frameKinds.takeBack, slots(3, 4))).toBe(true);
    expect(said).toEqual([[frameKinds.takenBack, slots(3, 1, 4, 0)]]);
    expect([states[3], states[4]]).toEqual([claim.taken, claim.running]);
  });

  test("are told free when the worker has passed them and says nothing", async () => {
    claims.fromOwner(frameKinds.tasks, Buffer.concat([entry(3), entry(4)]));
    claims.fromOwner(frameKinds.takeBack, slots(3, 4));
    said = [];
    states[3] = claim.free;
    await expect.poll(() => said).toEqual([[frameKinds.slotsFree, slots(3)]]);
    states[4] = claim.free;
    await expect.poll(() => said.at(-1)).toEqual([frameKinds.slotsFree, slots(4)]);
  });
});
