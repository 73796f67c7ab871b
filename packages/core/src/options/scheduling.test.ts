import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileScheduling, nearStrategy, parseStrategyKey, strategyKey } from "./scheduling.ts";

const key = (scheduling: unknown, labels?: unknown): string =>
  strategyKey(compileScheduling(scheduling, labels, "task option "));

describe("scheduling", () => {
  it.each([
    [undefined, undefined, ""],
    ["hybrid", {}, ""],
    ["spread", undefined, "spread"],
    [{ node: "gpu-1.lan" }, undefined, "node=gpu-1.lan"],
    [{ node: "node-3", soft: true }, undefined, "node=node-3?"],
    [{ node: "a" }, { zone: "b" }, "node=a;labels=zone=b"],
    [{ labels: { zone: "!b", gpu: "in(H200, H100)" } }, undefined, "labels=gpu=in(H100,H200)&zone=!b"],
    [{ labels: { zone: "exists" } }, { gpu: "A100" }, "labels=gpu=A100&zone=exists"],
    [{ labels: { zone: "a" }, soft: true }, { gpu: "!in(A100)" }, "labels=gpu=!A100;labels?=zone=a"],
    [{ labels: { zone: "a" } }, { zone: "!b" }, "labels=zone=!b&zone=a"],
    ["spread", { zone: "a" }, "spread;labels=zone=a"],
    [{ labels: {} }, undefined, ""],
  ])("%j with labels %j is %j", (scheduling, labels, expected) => {
    expect(key(scheduling, labels)).toBe(expected);
    expect(parseStrategyKey(expected)).toEqual(compileScheduling(scheduling, labels, ""));
  });

  it("near a node keeps the labels", () => {
    const strategy = nearStrategy(5, compileScheduling("spread", { zone: "a" }, ""));
    expect(strategyKey(strategy)).toBe("near=5;labels=zone=a");
    expect(parseStrategyKey("near=5;labels=zone=a")).toEqual(strategy);
  });

  it("a key that nobody made is refused", () => {
    for (const text of [
      "pack",
      "node=",
      "node=a b",
      "near=x",
      "labels=",
      "labels=zone=b&gpu=a",
      ";",
      "spread;",
    ])
      expect(() => parseStrategyKey(text), text).toThrow(expect.objectContaining({ code: "BadOption" }));
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(strategyKey(parseStrategyKey(text))).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "BadOption" });
        }
      }),
    );
  });
});
