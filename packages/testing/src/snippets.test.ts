import { expect, test } from "vitest";
import { matchesPromise, snippetsOf } from "./snippets.ts";

test("only fences marked ts are programs; each promises the lines of its arrows", () => {
  const page = [
    "# Title",
    "```sh",
    "echo // → no",
    "```",
    "```ts",
    "log(1); // → 1",
    "",
    "// → two",
    "```",
    "```ts",
    "```",
  ];
  expect(snippetsOf(page.join("\n"))).toEqual([
    { line: 6, source: "log(1); // → 1\n\n// → two\n", prints: ["1", "two"] },
    { line: 11, source: "\n", prints: [] },
  ]);
});

test("a fence that is not closed is an error with its line", () => {
  expect(() => snippetsOf("text\n```ts\nlog(1)")).toThrow("line 2");
});

test("… stands for any text, everything else for itself", () => {
  expect(matchesPromise("(square pid=12) hi", "(square pid=…) hi")).toBe(true);
  expect(matchesPromise("axb", "a.b")).toBe(false);
  expect(matchesPromise("[ 1, 2 ]", "[ 1, 2 ]")).toBe(true);
  expect(matchesPromise("a", "")).toBe(false);
});
