import { describe, expect, it } from "vitest";
import { ofProcess } from "./shared-pages.ts";

const mapping = (name: string, sizeKb: number, rssKb: number, anonymousKb: number): string =>
  `7f00000-7f80000 rw-p 00000000 00:01 1033 ${name}\nSize: ${sizeKb} kB\nRss:  ${rssKb} kB\nAnonymous: ${anonymousKb} kB\n`;

describe("ofProcess", () => {
  it("counts the resident, uncopied pages of large shared mappings", () => {
    const smaps =
      mapping("/memfd:segment (deleted)", 2048, 1024, 24) + // counted: 1000
      mapping("/memfd:segment (deleted)", 512, 512, 0) + // too small
      mapping("[heap]", 4096, 4096, 4096); // not shared
    expect(ofProcess(smaps, 1024 * 1024)).toBe(1000 * 1024);
  });
});
