/** A program as its user starts it, timed and weighed from outside. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { processTree, pssBytes } from "./process-tree.ts";

/** What to run, where, and with which additions to the environment. */
export interface Command {
  argv: string[];
  cwd: string;
  env?: Record<string, string>;
}

const LIMIT_MS = 120_000;

/** Seconds from spawning the command to the first line on its standard output, and to its end. */
export async function timeToFirstLine(command: Command): Promise<{ firstLine: number; end: number }> {
  const start = performance.now();
  const running = startCommand(command);
  await running.firstLine;
  const firstLine = (performance.now() - start) / 1000;
  running.child.stdin.end();
  await running.ended;
  return { firstLine, end: (performance.now() - start) / 1000 };
}

/**
 * Memory of the command and of every process it has started, some seconds after its first line.
 * The command must go on until its standard input ends.
 */
export async function idleMemory(
  command: Command,
  restMs: number,
): Promise<{ bytes: number; processes: number }> {
  const running = startCommand(command);
  await running.firstLine;
  await sleep(restMs);
  const tree = processTree(running.child.pid!);
  const weighed = { bytes: tree.reduce((sum, pid) => sum + pssBytes(pid), 0), processes: tree.length };
  running.child.stdin.end();
  await running.ended;
  return weighed;
}

function startCommand({ argv, cwd, env }: Command) {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`${argv.join(" ")} ended with ${signal ?? code}`));
    });
  });
  const firstLine = new Promise<void>((resolve) => {
    child.stdout.once("data", () => resolve());
  });
  // A command that fails before it prints must not be waited for.
  return { child, ended, firstLine: Promise.race([firstLine, ended]) };
}
