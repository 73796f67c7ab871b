/** Starts and ends worker processes, and learns how they ended. */
import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { Link } from "../links/link.ts";
import { UnixLink } from "../links/unix.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { AgentOptions } from "./options.ts";

export interface WorkerProcess {
  readonly number: number;
  readonly child: ChildProcess;
  readonly link: Link;
  /** Last lines of its standard error, for the reason of its end. */
  errorTail: string;
  /** Why it was ended, when the agent did it. */
  reason: string;
}

export interface WorkerProcessEvents {
  frame(worker: WorkerProcess, chunk: Buffer, start: number, end: number): void;
  /** What it wrote to its own standard output or error, past the console. */
  output(worker: WorkerProcess, stream: "stdout" | "stderr", text: string): void;
  ended(worker: WorkerProcess, reason: string): void;
}

const errorTailBytes = 4096;

export function startWorker(number: number, gpuIds: readonly number[], options: AgentOptions, boot: WorkerOptions, events: WorkerProcessEvents): WorkerProcess {
  const env: NodeJS.ProcessEnv = { ...process.env, IONO_BOOT: JSON.stringify(boot) };
  if (gpuIds.length > 0) env["CUDA_VISIBLE_DEVICES"] = gpuIds.join(",");
  else if ((options.resources["GPU"] ?? 0) > 0) env["CUDA_VISIBLE_DEVICES"] = "";
  env["OMP_NUM_THREADS"] ??= "1";
  const child = spawn(process.execPath, [...options.worker.execArgv, options.worker.file], {
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const worker: WorkerProcess = {
    number,
    child,
    link: new UnixLink(child.stdio[3] as Socket, {
      frame: (_kind, chunk, start, end) => events.frame(worker, chunk, start, end),
      closed: () => {},
    }),
    errorTail: "",
    reason: "",
  };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      if (stream === "stderr") worker.errorTail = (worker.errorTail + text).slice(-errorTailBytes);
      events.output(worker, stream, text);
    });
  }
  child.on("error", (error) => events.ended(worker, `it could not be started: ${error.message}`));
  child.on("exit", (code, signal) => events.ended(worker, describeExit(worker, code, signal)));
  return worker;
}

/** Ends a worker. Its process group goes with it: what user code started there ends too. */
export function killWorker(worker: WorkerProcess, reason: string): void {
  worker.reason = worker.reason === "" ? reason : worker.reason;
  const { pid } = worker.child;
  if (pid === undefined || worker.child.exitCode !== null || worker.child.signalCode !== null) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    worker.child.kill("SIGKILL");
  }
}

function describeExit(worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): string {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  if (worker.reason !== "") return worker.reason;
  const tail = worker.errorTail.trim();
  const last = tail === "" ? "" : `; it wrote: ${tail.slice(-400)}`;
  return `${how}, pid ${worker.child.pid ?? 0}${last}`;
}
