/** Starts the supervisor of a node, apart from this process, and learns how it went. */
import { IonoError, type ErrorCode } from "@iono/core";
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { StartReport, StartRequest, SupervisorOptions } from "../supervisor/options.ts";

export interface StartedNode {
  readonly report: Extract<StartReport, { t: "started" }>;
  readonly child: ChildProcess;
}

export interface StartHow {
  /** Where what it prints goes; undefined: to this process's own output. */
  readonly logFile?: string;
  /** It lives on without this process; else it ends with it. */
  readonly detached: boolean;
  readonly timeoutMs?: number;
}

const defaultMs = 40_000;
const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Resolves when the node has joined; a signal meanwhile ends it.
 * @throws IonoError that says why it did not start.
 */
export async function startSupervisor(request: StartRequest, how: StartHow): Promise<StartedNode> {
  const output = how.logFile === undefined ? "inherit" : openLog(how.logFile);
  const flags = fromSource ? ["--conditions=iono-source", "--no-warnings"] : [];
  const options: SupervisorOptions = { ...request, parentPid: how.detached ? 0 : process.pid };
  const child = spawn(process.execPath, [...flags, supervisorFile()], {
    env: { ...process.env, IONO_BOOT: JSON.stringify(options) },
    stdio: ["ignore", output, output, "pipe"],
    detached: how.detached,
  });
  if (typeof output === "number") fs.closeSync(output);
  const pipe = child.stdio[3] as Readable;
  // Who gives up waiting does not want it in the background either.
  const giveUp = (): void => void child.kill("SIGTERM");
  for (const signal of signals) process.on(signal, giveUp);
  try {
    const report = await firstLine(child, pipe, how.timeoutMs ?? defaultMs);
    if (report.t === "failed") throw new IonoError(report.code as ErrorCode, report.message);
    if (how.detached) child.unref();
    return { report, child };
  } catch (error) {
    child.kill("SIGTERM");
    throw error;
  } finally {
    for (const signal of signals) process.removeListener(signal, giveUp);
    pipe.destroy();
  }
}

function firstLine(child: ChildProcess, pipe: Readable, timeoutMs: number): Promise<StartReport> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(
      () => reject(new IonoError("Unreachable", `the node did not start within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const end = (): void => clearTimeout(timer);
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => {
      text += chunk;
      const at = text.indexOf("\n");
      if (at < 0) return;
      end();
      resolve(JSON.parse(text.slice(0, at)) as StartReport);
    });
    child.once("error", (error) => {
      end();
      reject(new IonoError("Unreachable", `the node could not be started: ${error.message}`));
    });
    child.once("exit", (code, signal) => {
      end();
      reject(new IonoError("ClusterLost", `the node ended at its start (${signal ?? `exit code ${code}`})`));
    });
  });
}

function openLog(file: string): number {
  fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return fs.openSync(file, "a", 0o600);
}

/** Running from source, Node strips the types of the files it runs; a build has one file a process. */
const fromSource = import.meta.url.endsWith(".ts");

function supervisorFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  if (fromSource) return join(here, "../supervisor/bin.ts");
  const places = [join(here, "supervisor/bin.js"), join(here, "../supervisor/bin.js")];
  return places.find((place) => fs.existsSync(place)) ?? places[0];
}
