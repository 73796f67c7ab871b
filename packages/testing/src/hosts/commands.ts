/** Runs the commands that make and change namespaces: `ip` and `tc`. */
import { execFile, spawnSync } from "node:child_process";

/** Where `ip` keeps namespaces. */
export const namespacesDirectory = "/run/netns";

/** Root's tools, also where the caller's PATH leaves them out. */
const environment = { ...process.env, LC_ALL: "C", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
const timeoutMs = 20_000;

/**
 * Runs a command to its end.
 * @throws Error with the command line and what it printed.
 */
export function run(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { env: environment, timeout: timeoutMs },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const said = stderr.trim() || error.message;
        reject(new Error(`${[command, ...args].join(" ")}: ${said}${input === "" ? "" : `\n${input}`}`));
      },
    );
    child.stdin?.on("error", () => {}); // It ended before it had read all: its exit says why.
    child.stdin?.end(input);
  });
}

/** The same, waited for without turning the event loop: for what must be done while the process exits. */
export function runSync(command: string, args: readonly string[]): { ok: boolean; said: string } {
  const { status, stderr, error } = spawnSync(command, args, {
    env: environment,
    timeout: timeoutMs,
    encoding: "utf8",
  });
  return { ok: status === 0, said: error?.message ?? stderr.trim() };
}

/** Lines of `ip -batch` in a namespace, all or an error. */
export async function ip(namespace: string, lines: readonly string[]): Promise<void> {
  await run("ip", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Lines of `tc -batch` in a namespace, all or an error. */
export async function tc(namespace: string, lines: readonly string[]): Promise<void> {
  await run("tc", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}
