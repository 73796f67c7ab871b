/** What a machine gives away of the program it runs, and what not. */
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { limits, readCodeReply, readCodeRequest } from "@iono/core";
import type { CodeReply, CodeRequest, ResolveRequest } from "@iono/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CodeServer } from "../../src/code/code-server.ts";

const base = realpathSync(mkdtempSync(join(tmpdir(), "iono-code-server-")));
const project = join(base, "repo", "apps", "main");
afterAll(() => rmSync(base, { recursive: true }));

function file(path: string, text: string): void {
  const at = join(base, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, text);
}

const url = (path: string): string => pathToFileURL(join(base, path)).href;
const inProject = (path: string): string => `repo/apps/main/${path}`;
const secret = "never seen elsewhere";
let server: CodeServer;

async function answer(request: CodeRequest, from = server): Promise<CodeReply> {
  return (await from.answer(request)).reply;
}

function ask(specifier: string, options: Partial<ResolveRequest> = {}): Promise<CodeReply> {
  return answer({
    t: "resolve",
    specifier,
    folder: /^(?:file:|\/)/.test(specifier) ? "" : url(inProject("src/")),
    kind: "import",
    conditions: ["node", "import"],
    ...options,
  });
}

beforeAll(() => {
  file("repo/pnpm-workspace.yaml", "packages: [apps/*, packages/*]");
  file("repo/secret.js", secret);
  file("outside.js", secret);
  file("repo/packages/lib/package.json", '{ "name": "@me/lib", "exports": "./src/index.ts" }');
  file("repo/packages/lib/src/index.ts", "export const lib: number = 1;");
  file("repo/packages/lib/src/deep.ts", "export {};");
  file("repo/packages/unlinked/package.json", '{ "name": "@me/unlinked" }');
  file("repo/packages/unlinked/index.js", secret);
  file("elsewhere/linked/package.json", '{ "name": "linked", "version": "0.0.1" }');
  file("elsewhere/linked/index.js", secret);
  file(
    inProject("package.json"),
    JSON.stringify({
      name: "main",
      type: "module",
      exports: { "./self": "./src/main.ts" },
      imports: { "#lib/*": "./src/lib/*.ts", "#fs": "node:fs", "#dep": "dep/sub.js" },
    }),
  );
  file(inProject("src/main.ts"), "export {};");
  file(inProject("src/lib/tool.ts"), "export const tool: string = 'tool';");
  file(inProject("src/old.cjs"), "exports.old = 1;");
  file(inProject("src/data.json"), '{ "a": 1 }');
  file(inProject("src/common/package.json"), '{ "main": "start" }');
  file(inProject("src/common/start.js"), "exports.started = true;");
  file(inProject(".env"), secret);
  file(inProject(".git/config.js"), secret);
  file(inProject("src/notes.txt"), secret);
  file(inProject("src/native.node"), secret);
  file(inProject("src/large.json"), "");
  file(
    inProject("node_modules/dep/package.json"),
    '{ "name": "dep", "version": "1.2.3", "main": "main.js" }',
  );
  file(inProject("node_modules/dep/main.js"), secret);
  file(inProject("node_modules/dep/sub.js"), secret);
  truncateSync(join(project, "src/large.json"), limits.moduleSource.value + 1);
  mkdirSync(join(project, "node_modules/@me"), { recursive: true });
  mkdirSync(join(project, "src/folder.js"));
  symlinkSync(join(base, "repo/packages/lib"), join(project, "node_modules/@me/lib"));
  symlinkSync(join(base, "elsewhere/linked"), join(project, "node_modules/linked"));
  symlinkSync(join(base, "outside.js"), join(project, "src/out.js"));
  symlinkSync("/etc/passwd", join(project, "src/passwd.js"));
  symlinkSync(join(project, ".env"), join(project, "src/env.js"));
  symlinkSync(base, join(project, "src/up"));
  symlinkSync(join(project, "src/lib/tool.ts"), join(project, "src/alias.ts"));
  server = new CodeServer(url(inProject("src/main.ts")));
});

describe("what is given away", () => {
  test.each([
    ["./lib/tool.ts", "src/lib/tool.ts", "module"],
    ["./lib/tool.js", "src/lib/tool.ts", "module"],
    ["./lib/tool", "src/lib/tool.ts", "module"],
    ["../src/old.cjs", "src/old.cjs", "commonjs"],
    ["./data.json", "src/data.json", "json"],
    ["./alias.ts", "src/lib/tool.ts", "module"],
    ["#lib/tool", "src/lib/tool.ts", "module"],
    ["main/self", "src/main.ts", "module"],
  ])("%s is %s, %s", async (specifier, path, format) => {
    expect(await ask(specifier)).toMatchObject({
      t: "module",
      url: url(inProject(path)),
      root: url(inProject("")),
      format,
    });
  });

  test("a folder is required by its main, and a package without a type leaves its kind to the text", async () => {
    expect(await ask("./common", { kind: "require" })).toMatchObject({
      t: "module",
      url: url(inProject("src/common/start.js")),
      format: "detect",
    });
  });

  test("workspace packages that are linked into node_modules, by name and, then, by place", async () => {
    const root = url("repo/packages/lib/");
    expect(await ask("@me/lib")).toMatchObject({
      t: "module",
      url: url("repo/packages/lib/src/index.ts"),
      root,
    });
    const another = new CodeServer(url(inProject("src/main.ts")));
    const load = { t: "load", url: url("repo/packages/lib/src/deep.ts") } as const;
    expect(await answer(load, another)).toMatchObject({ t: "module", root });
    expect(await answer({ t: "load", url: url("repo/packages/unlinked/index.js") }, another)).toMatchObject({
      t: "refused",
    });
  });

  test("of installed packages the name and the version", async () => {
    const dep = { t: "package", name: "dep", version: "1.2.3" };
    const main = { ...dep, path: "main.js", url: url(inProject("node_modules/dep/main.js")) };
    expect(await ask("dep")).toEqual(main);
    expect(await ask(main.url)).toEqual(main);
    expect(await ask("#dep")).toMatchObject({ ...dep, path: "sub.js" });
    expect(await ask("dep/nothing")).toEqual({ ...dep, url: "", path: "" });
    expect(await ask("nothing")).toEqual({ t: "package", name: "nothing", version: "", url: "", path: "" });
    expect(await ask("linked")).toMatchObject({ t: "package", name: "linked", version: "0.0.1" });
  });

  test("built-in modules are everyone's own", async () => {
    expect(await ask("fs")).toEqual({ t: "builtin", url: "node:fs" });
    expect(await ask("#fs")).toEqual({ t: "builtin", url: "node:fs" });
  });
});

describe("what is not", () => {
  test.each([
    ["file:///etc/passwd"],
    ["/etc/passwd"],
    ["../../../../outside.js"],
    ["../../../../../../../../etc/passwd"],
    ["%2e%2e/%2e%2e/secret.js"],
    ["./%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret.js"],
    ["./..%2f..%2f..%2fsecret.js"],
    ["./..%5c..%5csecret.js"],
    ["file://server/share/x.js"],
    ["file:///repo%00.js"],
    [url("repo/secret.js")],
    [`${url(inProject("src/"))}../../../secret.js`],
    [url("repo/packages/unlinked/index.js")],
    ["../.env"],
    ["../.git/config.js"],
    ["./notes.txt"],
    ["./native.node"],
    ["./out.js"],
    ["./passwd.js"],
    ["./env.js"],
    ["./up/outside.js"],
    ["./large.json"],
    ["./folder.js"],
    ["../node_modules/dep/main.js"],
    ["dep/../../src/notes.txt"],
    ["dep/%2e%2e/x"],
    ["@me/lib/../../secret.js"],
    ["https://example.org/x.js"],
    ["data:text/javascript,1"],
    [""],
    ["#lib/../../../secret"],
  ])("%s", async (specifier) => {
    for (const kind of ["import", "require"] as const) {
      const reply = await ask(specifier, { kind });
      expect(reply.t).toMatch(/^(?:refused|missing|package)$/);
      expect(JSON.stringify(reply)).not.toContain(secret);
    }
  });

  test("by its URL no more than by a specifier", async () => {
    for (const path of [
      ".env",
      "src/out.js",
      "src/up/outside.js",
      "src/notes.txt",
      "node_modules/dep/main.js",
    ])
      expect((await answer({ t: "load", url: url(inProject(path)) })).t).toBe("refused");
    expect((await answer({ t: "load", url: "file:///etc/passwd" })).t).toBe("refused");
    expect((await answer({ t: "load", url: "nonsense" })).t).toBe("refused");
  });

  test("from folders that are not the program's", async () => {
    for (const folder of ["file:///etc/", url("repo/"), url(inProject("node_modules/dep/")), "", "nonsense"])
      expect((await ask("./secret.js", { folder })).t).toBe("refused");
  });

  test("the reasons say what would be right", async () => {
    const reason = async (specifier: string): Promise<string> => {
      const reply = await ask(specifier);
      return reply.t === "refused" ? reply.message : reply.t;
    };
    expect(await reason("../../../../outside.js")).toContain("keep them together, below one package.json");
    expect(await reason("../.env")).toBe(".env begins with a dot: such files stay where they are");
    expect(await reason("./native.node")).toContain("install it on each as a package");
    expect(await reason("./out.js")).toContain("is a symbolic link");
    expect(await reason("./large.json")).toContain("more than 8MiB");
    expect(await reason("./notes.txt")).toContain("is not a kind of file that is imported");
  });

  test("the same is said of what exists outside and what does not", async () => {
    const there = await ask(url("outside.js"));
    const nowhere = await ask(url("nowhere.js"));
    expect(there.t).toBe("refused");
    expect(JSON.stringify(there).replaceAll("outside", "nowhere")).toBe(
      JSON.stringify(nowhere).replaceAll("outside", "nowhere"),
    );
  });
});

describe("the program's folder", () => {
  test("is the nearest with a package.json, or the entry's own", () => {
    expect(server.root).toMatchObject({
      url: url(inProject("")),
      isShallow: false,
      workspace: join(base, "repo"),
    });
    const alone = new CodeServer(url("elsewhere/alone.mjs"));
    expect(alone.root).toMatchObject({ url: url("elsewhere/"), isShallow: false, workspace: undefined });
    expect(new CodeServer("", project).root.url).toBe(url(inProject("")));
    const tool = url(inProject("node_modules/vitest/vitest.mjs"));
    expect(new CodeServer(tool, join(project, "src")).root.url).toBe(url(inProject("")));
  });

  test("of a program that lies loose in a common folder is only what lies beside it", async () => {
    for (const common of [homedir(), tmpdir(), "/"]) {
      const loose = new CodeServer(pathToFileURL(join(common, "x.mjs")).href);
      expect(loose.root.isShallow).toBe(true);
      const reply = await answer({ t: "load", url: pathToFileURL(join(common, "deep/y.mjs")).href }, loose);
      expect(reply).toMatchObject({ t: "refused" });
      expect(reply).toHaveProperty(
        "message",
        expect.stringContaining("give the program a folder of its own"),
      );
    }
  });
});

test("whatever is asked, nothing from outside is answered", async () => {
  const step = fc.constantFrom(
    "..",
    ".",
    "%2e%2e",
    "src",
    "lib",
    "up",
    "outside.js",
    ".env",
    "out.js",
    "repo",
    "\0",
    "",
  );
  const specifier = fc.oneof(
    fc.array(step, { maxLength: 8 }).map((steps) => `./${steps.join("/")}`),
    fc.array(step, { maxLength: 8 }).map((steps) => `${url(inProject("src"))}/${steps.join("/")}`),
    fc.array(step, { maxLength: 4 }).map((steps) => `dep/${steps.join("/")}`),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(specifier, fc.constantFrom("import", "require"), async (each, kind) => {
      const reply = await ask(each, { kind });
      if (reply.t === "module") expect(reply.url.startsWith(url(inProject("")))).toBe(true);
      expect(reply.t === "module" ? Buffer.from(reply.source).toString() : "").not.toContain(secret);
      expect(readCodeReply(reply)).toEqual(reply);
    }),
    { numRuns: 500 },
  );
});

test("what arrives from another process is read strictly", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const request = readCodeRequest(value);
      if (request !== undefined) expect(["load", "resolve"]).toContain(request.t);
      readCodeReply(value);
    }),
  );
  const request = {
    t: "resolve",
    specifier: "./a",
    folder: "file:///",
    kind: "import",
    conditions: ["node"],
  };
  expect(readCodeRequest({ ...request, more: 1 })).toEqual(request);
  for (const wrong of [
    { ...request, kind: "eval" },
    { ...request, conditions: [1] },
    { ...request, conditions: Array.from({ length: 100 }, () => "x") },
    { ...request, specifier: "x".repeat(5000) },
    { ...request, folder: undefined },
    { t: "load", url: 1 },
    [],
    null,
  ])
    expect(readCodeRequest(wrong)).toBeUndefined();
});
