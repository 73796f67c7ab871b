/** Runs programs the way users do: a file, a new Node process, what it prints. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The root folder of this repository. */
export const workspaceRoot = join(import.meta.dirname, "../../..");

/** `packages/<name>` resolve to their source in a process started with these. */
export const sourceNodeArgs: readonly string[] = ["--conditions=iono-source"];

export interface ProgramOptions {
  /** Absolute path of the program. */
  readonly file: string;
  readonly argv?: readonly string[];
  /** Arguments of Node itself; those that make the workspace's packages resolve to their source, unless said. */
  readonly nodeArgs?: readonly string[];
  /** The Node to run it with; this one, unless said. */
  readonly node?: string;
  readonly cwd?: string;
  /** Added to this process's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** After this it is killed and `runProgram` rejects. 25 s unless said: less than a test may take. */
  readonly timeoutMs?: number;
}

export interface ProgramResult {
  readonly stdout: string;
  readonly stderr: string;
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Colours off, and none of the test runner's own settings. */
const plainEnvironment = {
  NO_COLOR: "1",
  FORCE_COLOR: undefined,
  NODE_OPTIONS: undefined,
  VITEST: undefined,
};

/**
 * Runs a program to its end, stdin closed. Settles when the process has ended and its output is closed, so that a
 * child which keeps the output open counts as a program that does not end.
 * @throws Error with what was printed so far when it takes longer than `timeoutMs`.
 */
export function runProgram(options: ProgramOptions): Promise<ProgramResult> {
  const { file, argv = [], nodeArgs = sourceNodeArgs, node = process.execPath, timeoutMs = 25_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(node, [...nodeArgs, file, ...argv], {
      cwd: options.cwd,
      env: { ...process.env, ...plainEnvironment, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`${file} did not end within ${timeoutMs} ms\nstdout: ${stdout}\nstderr: ${stderr}`));
    }, timeoutMs);
    child.on("error", reject);
    child.on("close", (exitCode, signal) => {
      clearTimeout(timer);
      resolve({ stdout, stderr, exitCode, signal });
    });
  });
}

export interface LinkedFolder {
  readonly path: string;
  [Symbol.dispose](): void;
}

/** A temporary folder whose programs find the workspace's packages: `using folder = linkedFolder()`. */
export function linkedFolder(): LinkedFolder {
  const path = mkdtempSync(join(tmpdir(), "program-"));
  symlinkSync(join(workspaceRoot, "node_modules"), join(path, "node_modules"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
