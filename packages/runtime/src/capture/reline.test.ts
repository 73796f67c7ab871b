import { parse } from "acorn";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { analyze } from "./analyze.ts";
import type { Token } from "./analyze.ts";
import { reline } from "./reline.ts";

function tokensOf(text: string): readonly Token[] {
  return analyze(text, "script", true).tokens ?? [];
}

/** Moves each token to the line that `lines` says, by its number. */
function moved(text: string, lines: readonly (number | undefined)[], startLine = 0): string {
  const tokens = tokensOf(text);
  return reline(text, tokens, startLine, (token) => {
    const line = lines[tokens.indexOf(token)];
    return line === undefined ? undefined : { url: undefined, line, column: 0 };
  });
}

/** The tree without positions. */
function tree(text: string): unknown {
  return JSON.parse(
    JSON.stringify(parse(text, { ecmaVersion: "latest", sourceType: "script" }), (key, value: unknown) =>
      key === "start" || key === "end" || key === "raw" ? undefined : value,
    ),
  );
}

describe("tokens go back to their lines", () => {
  test("of minified text", () => {
    expect(moved("function f(a){return a+1}", [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2])).toBe(
      "function f(a){\nreturn a+1\n}",
    );
  });

  test("of text that a printer spread out", () => {
    expect(moved("f({\n\ta,\n\tb\n});", [0, 0, 0, 0, 0, 0, 0, 0])).toBe("f({ a, b\n});");
  });

  test("never where a line break means something", () => {
    expect(moved("()=>{return x}", [0, 0, 0, 0, 1, 5, 6])).toBe("()=>{\nreturn x\n\n\n\n\n}");
    expect(moved("x++;async()=>1", [0, 3, 3, 4, 5, 5, 6, 6])).toBe("x++\n\n\n;\nasync(\n)=>\n1");
  });

  test("templates and comments stay whole", () => {
    expect(moved("`a${b}c`// d\n;e", [0, 5, 5, 5, 5, 5, 5, 6, 7])).toContain("c`// d\n");
    expect(tree(moved("`a${b}c`// d\n;e", [0, 5, 5, 5, 5, 5, 5, 6, 7]))).toEqual(tree("`a${b}c`// d\n;e"));
  });
});

const samples = [
  "function f(a,b=1,...c){for(let i=0;i<a;i++){if(i%2)continue;else break}return a?b:c[0]}",
  "class A extends B{static #x=1;static{this.y=2}get z(){return this.#w}#w=3;async*g(){yield*this.h();yield 1}[k](){}static async m(){await 1}}",
  "const f=async(x)=>{try{return await x}catch{throw new Error(`a${x}b${`c${x}`}`)}finally{x++;--x}}",
  "label:for(const[a,{b:c=1}]of d){switch(a){case 1:continue label;default:c--}}var r=/[/]\\/x/g.test(a)/2",
  "const o={get a(){return 1},set a(v){},async b(){},*c(){},async*d(){},[e]:1,f,...g};o?.a?.[0]??(o.b&&=1);",
  "function f(){\n  'use strict';\n  let a = 1\n  let b = a\n  ;[a, b] = [b, a]\n  return (\n    a\n  )\n}",
  "if(a)b;else c\nwhile(d)e++\ndo f--\nwhile(g)\nx\n++y",
];

test("whatever the map says, the text means the same", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(fc.option(fc.nat(12), { nil: undefined }), { maxLength: 150, size: "max" }),
      (text, steps) => {
        let line = 0;
        const lines = steps.map((step) => (step === undefined ? undefined : (line += step % 4)));
        expect(tree(moved(text, lines))).toEqual(tree(text));
      },
    ),
    { numRuns: 400 },
  );
});
