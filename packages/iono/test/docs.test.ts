/** The pages agree with each other and with the files around them. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { snippetsOf, workspaceRoot } from "@iono/testing";

const pages = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"], { cwd: workspaceRoot }).toSorted();
const read = (path: string): string => readFileSync(join(workspaceRoot, path), "utf8");

/** Heading → the anchor that Markdown viewers give it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

test.each(pages)("every relative link in %s leads somewhere", (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
  const broken = links.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path, anchor] = target.split("#");
    const file = path === "" ? page : join(dirname(page), path);
    if (!existsSync(join(workspaceRoot, file))) return true;
    if (anchor === undefined) return false;
    const anchors = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));
    return !anchors.includes(anchor);
  });
  expect(broken).toEqual([]);
});

describe("the README", () => {
  test("its first screen has the program, and its first shell lines are the demo and the tests", () => {
    const commands = [...read("README.md").matchAll(/```sh\n([^`]*)```/g)].flatMap(([, text]) =>
      text.trim().split("\n"),
    );
    expect(commands.slice(0, 2)).toEqual(["npx -y pnpm@12.21.0 demo", "npx -y pnpm@12.21.0 test"]);
    expect(snippetsOf(read("README.md"))[0].line).toBeLessThan(10);
  });

  test("the one of the published package shows the same program", () => {
    expect(snippetsOf(read("packages/iono/README.md"))[0].source).toBe(
      snippetsOf(read("README.md"))[0].source,
    );
  });
});

test("the published packages carry one version, and so does the code", () => {
  const versions = ["core", "runtime", "iono"].map(
    (name) => (JSON.parse(read(`packages/${name}/package.json`)) as { version: string }).version,
  );
  expect(new Set(versions).size).toBe(1);
  expect(read("packages/runtime/src/version.ts")).toContain(JSON.stringify(versions[0]));
});
