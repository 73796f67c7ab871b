import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as runtime from "@iono/runtime";
import * as iono from "iono";

test("iono gives everything of the runtime, and the very same values", () => {
  expect({ ...iono }).toEqual({ ...runtime });
});

test("so it does with types", () => {
  const namesIn = (folder: string): string[] =>
    [...readFileSync(join(folder, "index.ts"), "utf8").matchAll(/export type \{([^}]*)\}/g)]
      .flatMap(([, names]) => names.split(",").map((name) => name.trim()))
      .filter((name) => name !== "")
      .toSorted();
  expect(namesIn(import.meta.dirname)).toEqual(namesIn(join(import.meta.dirname, "../../runtime/src")));
});
