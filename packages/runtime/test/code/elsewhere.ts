/** A program on one machine and a node on another, on one: the program's folder has a name that does not exist here. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { CodeAnswer, CodeRequest } from "@iono/core";
import { CodeRelay, CodeServer } from "../../src/code/index.ts";
import { publish } from "../../src/links/publish.ts";
import { version } from "../../src/version.ts";

export interface WorkerSetup {
  readonly root: string;
  readonly socketPath: string;
  readonly process: number;
  readonly secret: string;
  readonly packagesDir: string;
  readonly version: string;
  readonly entry: string;
  /** URL of the module whose default export is called. */
  readonly module: string;
}

export interface Outcome {
  readonly result: unknown;
  readonly warnings: readonly string[];
  readonly printed: string;
}

export interface Elsewhere {
  /** Paths of the program's files, and of the node's, to their texts. */
  readonly program: Readonly<Record<string, string>>;
  readonly node?: Readonly<Record<string, string>>;
  /** Symbolic links of the program, to others of its folders. */
  readonly links?: Readonly<Record<string, string>>;
  /** Where the program's machine has it; this machine has nothing there, unless a test puts it. */
  readonly home?: string;
  readonly entry?: string;
  readonly version?: string;
  readonly answerMs?: number;
  /** Between the two machines. */
  ask?(request: CodeRequest, server: CodeServer): Promise<CodeAnswer>;
}

export interface Machines {
  /** Folder that holds the program, as workers are told. */
  readonly home: string;
  readonly nodeFolder: string;
  readonly asked: CodeRequest[];
  /** Calls the default export of a module of the program in a new process. */
  run(module: string, more?: Partial<WorkerSetup> & { readonly flags?: readonly string[] }): Promise<Outcome>;
  urlOf(path: string): string;
  close(): void;
}

const job = "job-1";
const secret = "between worker and agent";
const worker = fileURLToPath(new URL("fixtures/worker.ts", import.meta.url));
const [node = process.execPath, ...nodeFlags] = process.env["IONO_TEST_NODE"]?.split(" ") ?? [];

export async function machines(elsewhere: Elsewhere): Promise<Machines> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "iono-elsewhere-")));
  const kept = join(base, "kept");
  const nodeFolder = join(base, "node");
  const home = elsewhere.home ?? join(base, "not-here");
  writeAll(kept, elsewhere.program);
  for (const [link, target] of Object.entries(elsewhere.links ?? {})) {
    mkdirSync(dirname(join(kept, link)), { recursive: true });
    symlinkSync(join(kept, target), join(kept, link));
  }
  writeAll(nodeFolder, elsewhere.node ?? { "package.json": "{}" });

  const entry = elsewhere.entry ?? "main.ts";
  const server = new CodeServer(pathToFileURL(join(kept, entry)).href);
  const there = (text: string): string => text.replaceAll(home, kept);
  const here = (text: string): string => text.replaceAll(kept, home);
  const asked: CodeRequest[] = [];
  const answer = elsewhere.ask ?? ((request: CodeRequest) => server.answer(request));
  const relay = new CodeRelay({
    ask: async (_job, request) => {
      asked.push(request);
      const translated = JSON.parse(there(JSON.stringify(request))) as CodeRequest;
      const answered = await answer(translated, server);
      return JSON.parse(here(JSON.stringify(answered, withBytes)), ofBytes) as CodeAnswer;
    },
    ...(elsewhere.answerMs === undefined ? {} : { answerMs: elsewhere.answerMs }),
  });
  const published = await publish(createServer((socket) => relay.accept(socket)));
  const urlOf = (path: string): string => pathToFileURL(join(home, path)).href;
  let processes = 0;

  return {
    home,
    nodeFolder,
    asked,
    urlOf,
    run: async (module, { flags = [], ...more } = {}) => {
      const process_ = ++processes;
      relay.admit(process_, secret, job);
      const setup: WorkerSetup = {
        root: here(server.root.url),
        socketPath: published.path,
        process: process_,
        secret,
        packagesDir: nodeFolder,
        version: elsewhere.version ?? version,
        entry: urlOf(entry),
        module: module.startsWith("file:") ? module : urlOf(module),
        ...more,
      };
      const outcome = await started([
        ...nodeFlags,
        "--conditions=iono-source",
        ...flags,
        worker,
        JSON.stringify(setup),
      ]);
      relay.processDied(process_);
      return outcome;
    },
    close: () => {
      relay.close();
      published.close();
      rmSync(base, { recursive: true });
    },
  };
}

interface BytesAsText {
  readonly $bytes: string;
}

function withBytes(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array)
    return { $bytes: Buffer.from(value).toString("latin1") } satisfies BytesAsText;
  const json = value as { type?: unknown; data?: number[] } | null;
  if (json?.type === "Buffer") return { $bytes: Buffer.from(json.data ?? []).toString("latin1") };
  return value;
}

function ofBytes(_key: string, value: unknown): unknown {
  const bytes = (value as Partial<BytesAsText> | null)?.$bytes;
  return typeof bytes === "string" ? Buffer.from(bytes, "latin1") : value;
}

export function writeAll(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

function started(arguments_: readonly string[]): Promise<Outcome> {
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawn(node, arguments_, { env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const line = out.trimEnd().split("\n").at(-1) ?? "";
      if (!line.startsWith("{")) reject(new Error(`exit ${code}: ${out}${printed}`));
      else resolve({ printed, ...(JSON.parse(line) as Omit<Outcome, "printed">) });
    });
  });
}
