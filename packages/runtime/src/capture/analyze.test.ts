import { describe, expect, test } from "vitest";
import { analyze } from "./analyze.ts";
import type { FunctionRecord } from "./lexical.ts";

/** What the function that starts at `start of ◆` leaves free. */
function record(marked: string, mode: "module" | "script" = "module"): FunctionRecord {
  const start = marked.indexOf("◆");
  const found = analyze(marked.replace("◆", ""), mode).functions.get(start);
  if (found === undefined) throw new Error(`no function starts at ${start} in ${marked}`);
  return found;
}

function free(marked: string, mode: "module" | "script" = "module"): string {
  return [...record(marked, mode).free.keys()].sort().join(" ");
}

describe("free names", () => {
  test.each<[string, string]>([
    ["const f = ◆() => a + b.c + d[e] + { f: g, h, [i]: 1 }.j", "a b d e g h i"],
    ["◆function f(a, { b, c: [d = e], ...g }, ...h) { return [a, b, d, f, g, h, i] }", "e f i"],
    ["const x = ◆function f() { return f }", ""],
    ["◆() => { use(hoisted, late); { var hoisted } let late; function inner() {} inner() }", "use"],
    ["◆() => { { let a; function b() {} } return [a, b] }", "a b"],
    ["◆() => { for (const a of b) for (let c in d) for (;e;) f(a, c); return [a, c] }", "a b c d e f"],
    ["◆() => { try { a() } catch ({ b = c }) { b() } finally { b }; try {} catch { d } }", "a b c d"],
    ["◆() => { switch (a) { case b: let c; default: c } return c }", "a b c"],
    ["◆() => { l: for (;;) { if (a) break l; continue l } }", "a"],
    ["◆() => { ({ a, b: c.d, [e]: f = g } = h); [i, ...j] = k }", "a c e f g h i j k"],
    ["◆() => `${a}` + tag`b${c}` + (d?.e?.[f] ?? typeof g)", "a c d f g tag"],
    ["◆(a = b, c = () => a + d) => c", "b d"],
    [
      "◆() => class A extends B { [c] = d; static { e(A); var f; f } #g = this.#g; h() { return super.h + i } }",
      "B c d e i",
    ],
    ["◆class A { static b = A.c; d = e; static f() { return A } }", "e"],
    ["const x = ◆class extends A { b() { return A } }", "A"],
    ["const x = ◆class extends mixin(A) {}", ""],
    ["const o = { async *◆b() {} }; void o", "never"],
    ["import a, { b as c } from 'd'; import * as e from 'f'; ◆() => [a, c, e, b]", "a b c e"],
    ["◆async () => { for await (const a of b) await a; await using(c) }", "b c using"],
    ["◆() => [undefined, NaN, globalThis]", "NaN globalThis undefined"],
    ["◆() => { x: 1; return { x: y } }", "y"],
    ["◆(x) => { function arguments2() { return arguments } return x }", ""],
    ["export default ◆function () { return a }", "a"],
    ["export const f = ◆() => a, g = 1", "a"],
  ])("%s", (marked, expected) => {
    if (expected === "never") expect(() => free(marked)).toThrow("no function starts");
    else expect(free(marked)).toBe(expected);
  });

  test("methods start where their own text does", () => {
    for (const method of [
      "◆a() { return x }",
      "◆async *a() { return x }",
      "◆['a' + y]() { return x }",
      "◆'a b'() { return x }",
    ]) {
      expect(free(`const o = { ${method} }`)).toBe("x");
      expect(free(`class A { ${method} }`)).toBe("x");
      expect(free(`class A { static /* static */ ${method} }`)).toBe("x");
    }
  });

  test("functions in blocks belong to the whole function only outside strict mode", () => {
    const text = "◆() => { if (a) { function b() {} } return b }";
    expect(free(text, "module")).toBe("a b");
    expect(free(text, "script")).toBe("a");
    expect(free(`"use strict"; ${text}`, "script")).toBe("a b");
    expect(free("◆function f() { 'use strict'; if (a) { function b() {} } return b }", "script")).toBe("a b");
  });
});

describe("reassignment", () => {
  test.each<[string, boolean]>([
    ["const x = 1", false],
    ["let x = 1", false],
    ["let x; x = 1", true],
    ["let x = 1; x++", true],
    ["let x = 1; [x] = [2]", true],
    ["let x = 1; ({ x } = {})", true],
    ["let x = 1; for (x of []) ;", true],
    ["let x = 1; () => { x = 2 }", true],
    ["let x = 1; (x) => { x = 2 }", false],
    ["var x = 1", false],
    ["var x = 1; var x = 2", true],
    ["for (var x of []) ;", true],
    ["while (a) { var x = 1 }", true],
    ["function x() {}", false],
    ["function x() {} x = 1", true],
    ["class x {}", false],
    ["import x from 'y'", false],
    ["let x = 1; delete x.y; x.z = 1; x[0]++", false],
  ])("%s", (text, expected) => {
    const { functions } = analyze(
      `${text}; const probe = () => x`,
      text.startsWith("import") ? "module" : "script",
    );
    const probe = [...functions.values()].at(-1);
    expect(probe?.free.get("x")?.binding?.reassigned).toBe(expected);
  });

  test("inside the function itself is told apart", () => {
    expect(record("let x = 1, y = 2; ◆() => { x += y }").free.get("x")?.assignedInside).toBe(true);
    expect(record("let x = 1, y = 2; ◆() => { x += y }").free.get("y")?.assignedInside).toBe(false);
  });
});

describe("obstacles", () => {
  test.each<[string, string]>([
    ["◆() => this", "outer this"],
    ["function f() { return ◆() => () => this }", "outer this"],
    ["function f() { return ◆() => { class A extends this.b {} } }", "outer this"],
    ["function f() { return ◆() => { class A { b = this; static { this } c() { return this } } } }", ""],
    ["function f() { return ◆() => arguments }", "outer arguments"],
    ["const a = ◆() => function () { return arguments }", ""],
    ["const a = ◆(arguments2) => { var b = { arguments: 1 }; return b.arguments }", ""],
    ["function f() { return ◆() => new.target }", "new.target"],
    ["const o = { ◆a() { return super.b } }", "super"],
    ["const o = { ◆a() { return () => super.b } }", "super"],
    ["class A extends B { ◆constructor2() { super.x() } }", "super"],
    ["◆class A extends B { constructor() { super() } x() { super.x() } }", ""],
    ["◆() => eval('x')", "direct eval"],
    ["◆() => () => eval('x')", "direct eval"],
    ["◆(eval2) => (0, eval)('x')", ""],
    ["class A { #x; ◆a() { return this.#x } }", "outer #private"],
    ["class A { #x; ◆a(o) { return #x in o } }", "outer #private"],
    ["◆class A { #x; a() { return class { b(o) { return o.#x } } } }", ""],
    ["const o = { ◆get a() { return 1 } }", "accessor"],
    ["class A { static ◆set a(b) {} }", "accessor"],
    ["class A { ◆#a() {} }", "private method"],
  ])("%s", (marked, expected) => {
    expect([...record(marked).obstacles].join()).toBe(expected);
  });

  test("with", () => {
    expect([...record("◆function f(a) { with (a) b }", "script").obstacles]).toEqual(["with"]);
  });
});

test("module syntax is found wherever it stands", () => {
  const found = record("◆() => [import.meta.url, import ('x'), () => import . meta]").moduleSyntax;
  expect(found.map(({ kind }) => kind)).toEqual(["import.meta", "import()", "import.meta"]);
});

test("what is not JavaScript is a SyntaxError", () => {
  expect(() => analyze("const a: number = 1", "module")).toThrow(SyntaxError);
});
