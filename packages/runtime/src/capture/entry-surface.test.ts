import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { entrySurface } from "./entry-surface.ts";

const folder = mkdtempSync(join(tmpdir(), "iono-entry-"));
afterAll(() => rmSync(folder, { recursive: true }));

function surface(name: string, text: string): ReturnType<typeof entrySurface> {
  writeFileSync(join(folder, name), text);
  return entrySurface(pathToFileURL(join(folder, name)).href);
}

test("a module's exports, and where its functions start", () => {
  const { isModule, names, places, reexports } = surface(
    "a.ts",
    `export const a = (x: number) => x, [b] = [1];
export async function c() {}
class D {}
export { D as E, a as "odd name" };
export default class {}
export * from "./b.ts"; export { x } from "./c.ts";`,
  );
  expect(isModule).toBe(true);
  expect(names).toEqual(["a", "b", "c", "default", "E", "odd name"]);
  expect(places.get("0:17")).toEqual(["a", "odd name"]);
  expect(places.get("1:7")).toEqual(["c"]);
  expect(places.get("2:0")).toEqual(["E"]);
  expect(places.get("4:15")).toEqual(["default"]);
  expect(reexports).toEqual(['export * from "./b.ts";', 'export { x } from "./c.ts";']);
});

test("where the functions that CommonJS exports start", () => {
  const { names, places } = surface(
    "b.cjs",
    `exports.a = a; function a() {}
const b = exports.b = exports.c = () => 1;
module.exports.d = b;
0 && (module.exports = { a, e: () => 2, ...rest });
exports["f"] = 1; exports.missing = missing;`,
  );
  expect(names).toEqual(["a", "b", "c", "d", "missing", "e"]);
  expect([...places]).toEqual([
    ["0:15", ["a", "a"]],
    ["1:34", ["c", "b", "d"]],
    ["3:31", ["e"]],
  ]);
});

test("CommonJS exports", () => {
  const { isModule, names } = surface(
    "a.cjs",
    "exports.a = 1; module.exports.b = 2; module.exports = { c, d: 1, ...e };",
  );
  expect(isModule).toBe(false);
  expect(names).toEqual(["a", "b", "c", "d"]);
});

test("text that only a loader can parse", () => {
  const { names } = surface(
    "b.ts",
    `export enum Color { Red }
export abstract class A {}
export const b = 1;
export { c, type D, e as f };
export { g } from "./g.ts";
export default 1;`,
  );
  expect([...names].sort()).toEqual(["A", "Color", "b", "c", "default", "f"]);
});

test("a file that is gone", () => {
  expect(entrySurface(pathToFileURL(join(folder, "gone.ts")).href).names).toEqual([]);
});
