/** Starts and ends worker processes, and learns how they ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { isConnectionLoss, type Link } from "../links/link.ts";
import { UnixLink } from "../links/unix.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { threadEnvironment } from "../worker/threads.ts";
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

const errorTailChars = 16 * 1024;
const shownTailChars = 600;
/** How long the output of a process that has ended may take to arrive: a child of it may hold it open for ever. */
const lastOutputMs = 250;

export function startWorker(
  number: number,
  gpuIds: readonly number[],
  options: AgentOptions,
  boot: WorkerOptions,
  flags: readonly string[],
  events: WorkerProcessEvents,
): WorkerProcess {
  const child = spawn(process.execPath, [...options.worker.execArgv, ...flags, options.worker.file], {
    env: { ...process.env, ...workerEnvironment(gpuIds, options), IONO_BOOT: JSON.stringify(boot) },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const worker: WorkerProcess = {
    number,
    child,
    link: new UnixLink(controlSocket(child), {
      frame: (_kind, chunk, start, end) => events.frame(worker, chunk, start, end),
      closed: (error) => {
        if (error !== undefined && !isConnectionLoss(error))
          killWorker(worker, `what it sent to its agent cannot be understood: ${error.message}`);
      },
    }),
    errorTail: "",
    reason: "",
  };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      if (stream === "stderr") worker.errorTail = (worker.errorTail + text).slice(-errorTailChars);
      events.output(worker, stream, text);
    });
  }
  let isOver = false;
  const ended = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    events.ended(worker, reason);
  };
  child.on("error", (error) => ended(`it could not be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    // What it had started, and still runs, goes with it.
    killGroup(child);
    const end = (): void => ended(describeExit(worker, code, signal));
    child.once("close", end);
    setTimeout(end, lastOutputMs);
  });
  return worker;
}

/** Without a file descriptor to spare there are no pipes at all, and the child's error is told in the next tick. */
function controlSocket({ stdio }: { stdio?: ChildProcess["stdio"] }): Socket {
  return (stdio?.[3] as Socket | undefined) ?? new Socket();
}

/** Workers see the GPUs they were given, and no others. */
function workerEnvironment(gpuIds: readonly number[], options: AgentOptions): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  if (gpuIds.length > 0) env["CUDA_VISIBLE_DEVICES"] = visibleDevices(gpuIds);
  else if ((options.resources["GPU"] ?? 0) > 0) env["CUDA_VISIBLE_DEVICES"] = "";
  return { ...env, ...threadEnvironment() };
}

/** The program itself may have been given some of the machine's GPUs only: ours are numbered within those. */
function visibleDevices(gpuIds: readonly number[]): string {
  const given = process.env["CUDA_VISIBLE_DEVICES"]?.split(",").filter((id) => id.trim() !== "") ?? [];
  return gpuIds.map((id) => given[id] ?? String(id)).join(",");
}

/** Ends a worker. Its process group goes with it: what user code started there ends too. */
export function killWorker(worker: WorkerProcess, reason: string): void {
  worker.reason = worker.reason === "" ? reason : worker.reason;
  const { child } = worker;
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (!killGroup(child)) child.kill("SIGKILL");
}

/** Ends a worker; resolves when it is gone, so that no process is left behind that nobody reaps. */
export function killed(worker: WorkerProcess, reason: string): Promise<void> {
  const { child } = worker;
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    killWorker(worker, reason);
  });
}

function killGroup({ pid }: ChildProcess): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

function describeExit(worker: WorkerProcess, code: number | null, signal: NodeJS.Signals | null): string {
  if (worker.reason !== "") return worker.reason;
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const tail = worker.errorTail.trim();
  // V8's last words stand above a long native stack.
  const fatal = /^.*FATAL ERROR:.*$/m.exec(tail)?.[0];
  const shown = fatal ?? tail.slice(-shownTailChars);
  return `${how}, pid ${worker.child.pid ?? 0}${shown === "" ? "" : `; it wrote: ${shown}`}`;
}
