import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readToGateway } from "./gateway.ts";

const publicKey = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

describe("messages for a gateway", () => {
  it.each([
    { t: "hello", secret: "s", clusterId: "", serves: [0, 1], guards: true },
    { t: "allow", nodes: [{ node: 3, publicKey }], isWhole: false },
    { t: "revoke", node: 3 },
    { t: "join answer", id: 1, answer: new Uint8Array(3) },
    { t: "stats", id: 0 },
  ])("reads $t, and refuses it when a field is missing or wrong", (message) => {
    expect(readToGateway(message)).toBe(message);
    for (const field of Object.keys(message)) {
      for (const wrong of [
        undefined,
        null,
        -1,
        1.5,
        {},
        [null],
        "x".repeat(300),
        [{ node: 40_000, publicKey }],
      ])
        expect(readToGateway({ ...message, [field]: wrong }), `${field} ${String(wrong)}`).toBeUndefined();
      const { [field as keyof typeof message]: _, ...without } = message;
      expect(readToGateway(without)).toBeUndefined();
    }
  });

  it("refuses everything else", () => {
    for (const t of ["", "constructor", "__proto__", "toString", "bound"])
      expect(readToGateway({ t })).toBeUndefined();
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(readToGateway(value)).toBeUndefined();
      }),
    );
  });
});
