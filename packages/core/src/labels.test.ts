import { describe, expect, it } from "vitest";
import { formatLabelConditions, matchesLabels, parseLabels, parseLabelSelector } from "./labels.ts";

const node = { gpu: "H100", zone: "a", "io.net/tier": "secure" };
const matches = (selector: Record<string, string>) =>
  matchesLabels(parseLabelSelector(selector, "labels"), node);

describe("label selectors", () => {
  it.each([
    [{}, true],
    [{ gpu: "H100" }, true],
    [{ gpu: "H200" }, false],
    [{ gpu: "!H200" }, true],
    [{ gpu: "!H100" }, false],
    [{ gpu: "in(H100,H200)" }, true],
    [{ gpu: "in(A100, H100)" }, true],
    [{ gpu: "in(A100)" }, false],
    [{ gpu: "!in(A100,H200)" }, true],
    [{ gpu: "!in(A100,H100)" }, false],
    [{ region: "eu" }, false],
    [{ region: "!eu" }, true],
    [{ region: "!in(eu,us)" }, true],
    [{ constructor: "!x" }, true],
    [{ zone: "exists" }, true],
    [{ zone: "!exists" }, false],
    [{ region: "exists" }, false],
    [{ region: "!exists" }, true],
    [{ constructor: "exists" }, false],
    [{ zone: "in(exists)" }, false],
    [{ gpu: "H100", zone: "b" }, false],
    [{ gpu: "H100", zone: "!b", "io.net/tier": "secure" }, true],
  ])("%j → %s", (selector, expected) => {
    expect(matches(selector as Record<string, string>)).toBe(expected);
  });

  it.each(["", "!", "in()", "in(a,)", "!!a", "in(a", "a,b", "a b", "-a", "a".repeat(64), 5, null])(
    "refuses the condition %s",
    (condition) => {
      expect(() => parseLabelSelector({ gpu: condition }, "task option labels")).toThrow(
        expect.objectContaining({
          code: "BadOption",
          message: expect.stringMatching(
            /^task option labels\["gpu"\] must be "x", "!x", "in\(a,b\)", "!in\(a,b\)", "exists" or "!exists"; got /,
          ),
        }),
      );
    },
  );

  it.each(["", "a=b", " a", "a/", "a".repeat(129)])("refuses the label name %j", (label) => {
    expect(() => parseLabelSelector({ [label]: "x" }, "labels")).toThrow("is not a label name");
  });

  it("refuses what is no object", () => {
    expect(() => parseLabelSelector("gpu=x", "labels")).toThrow(
      'labels must be an object like { region: "eu" }',
    );
    expect(() => parseLabels(["a"], "labels")).toThrow("labels must be an object");
  });

  it("reads back as text", () => {
    expect(formatLabelConditions(parseLabelSelector({ gpu: "in(a,b,a)", zone: "!c" }, "labels"))).toBe(
      "gpu in(a,b), zone !c",
    );
    const words = { a: "exists", b: "!exists", c: "in(exists)", d: "!in(exists)" };
    expect(formatLabelConditions(parseLabelSelector(words, "labels"))).toBe(
      "a exists, b !exists, c in(exists), d !in(exists)",
    );
  });
});

it("parses the labels of a node", () => {
  expect(parseLabels({ a: "1", b: undefined }, "labels")).toEqual({ a: "1" });
  expect(() => parseLabels({ a: 1 }, "labels")).toThrow('labels["a"] must be 1 to 63 letters');
});
