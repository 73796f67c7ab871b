import { spawn } from "node:child_process";
import type { Command } from "./spawned.ts";

/**
 * Runs a command to its end and returns what it wrote to its standard output. The command leads a process
 * group of its own, which is killed with it when it takes longer than `limitMs`.
 *
 * @param echo also print its output as it comes
 * @throws when it does not end with 0
 */
export async function run(
  { argv, cwd, env }: Command,
  { limitMs = 3_600_000, echo = false }: { limitMs?: number; echo?: boolean } = {},
): Promise<string> {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const killGroup = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const interrupted = (): never => {
    killGroup();
    process.exit(130);
  };
  process.once("SIGINT", interrupted);
  const timer = setTimeout(killGroup, limitMs);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (echo) process.stdout.write(text);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`${argv.join(" ")} ended with ${signal ?? code}\n${output}`));
      });
    });
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", interrupted);
  }
  return output;
}
