import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CannotTravelError } from "@iono/core";
import { decode } from "./decode.ts";
import { difference } from "./difference.ts";
import { encode } from "./encode.ts";
import type { MemoryHost } from "./memory-host.ts";
import { closeSamples, hostForSamples, openSamples, samples } from "./table-samples.ts";
import { valuesMarkdown, valueTable, type ValueKind } from "./table.ts";

beforeAll(openSamples);
afterAll(closeSamples);

const refusedAt = (value: unknown, host: MemoryHost): CannotTravelError => {
  try {
    encode(value, host, { path: ["argument 0"] });
  } catch (error) {
    expect(error).toBeInstanceOf(CannotTravelError);
    return error as CannotTravelError;
  }
  throw new Error("it was not refused");
};

describe("the table of values", () => {
  const kinds = Object.entries(valueTable) as [ValueKind, (typeof valueTable)[ValueKind]][];

  it.each(kinds.filter(([, row]) => row.verdict === "exact"))("%s: exact", (kind) => {
    for (const sample of samples[kind]()) {
      const host = hostForSamples();
      const wrapped = { list: [sample], map: new Map([["k", sample]]) };
      for (const value of [sample, wrapped]) {
        const became = decode(encode(value, host), host);
        expect(difference(value, became)).toBeUndefined();
      }
    }
  });

  it.each(kinds.filter(([, row]) => row.verdict === "refused"))(
    "%s: refused at any depth, with its path",
    (kind) => {
      for (const sample of samples[kind]()) {
        const host = hostForSamples();
        // Of two kinds it is a property of the sample that is refused.
        const inSample = kind === "unique symbols" || kind === "getters and setters";
        const within = inSample ? refusedAt(sample, host).path.slice(1) : [];
        expect(within.length).toBeLessThan(2);
        expect(refusedAt(sample, host).path).toEqual(["argument 0", ...within]);
        expect(refusedAt({ cfg: [0, { "odd key": sample }] }, host).path).toEqual([
          "argument 0",
          "cfg",
          "[1]",
          '["odd key"]',
          ...within,
        ]);
        expect(refusedAt(new Map([["db", sample]]), host).path).toEqual([
          "argument 0",
          'get("db")',
          ...within,
        ]);
        expect(refusedAt(new Error("x", { cause: sample }), host).path).toEqual([
          "argument 0",
          "cause",
          ...within,
        ]);
        let deep: unknown = sample;
        for (let i = 0; i < 500; i++) deep = { next: deep };
        const deepPath = refusedAt(deep, host).path;
        expect(deepPath.slice(0, 3)).toEqual(["argument 0", "next", "next"]);
        expect(deepPath.length).toBeLessThan(60);
        expect(refusedAt(sample, host).message).toMatch(/cannot travel/);
      }
    },
  );

  it("is what docs/values.md shows", () => {
    const page = readFileSync(new URL("../../../../docs/values.md", import.meta.url), "utf8");
    expect(page, "write valuesMarkdown() to docs/values.md").toBe(valuesMarkdown());
  });
});
