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
  /** 0 before it is there. */
  readonly pid: number;
  readonly link: Link;
  /** How it ended, when by a signal. */
  readonly signal: NodeJS.Signals | null;
  /** Last lines of its standard error, for the reason of its end. */
  errorTail: string;
  /** Why it was ended, when the agent did it. */
  reason: string;
  /** Ends it at once, and with it what user code started there. */
  kill(): void;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
}

/** Starts worker processes: this process itself, or the supervisor of its machine for it. */
export type StartWorker = (
  number: number,
  gpuIds: readonly number[],
  options: AgentOptions,
  boot: WorkerOptions,
  flags: readonly string[],
  events: WorkerProcessEvents,
) => WorkerProcess;

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

/** A child of this process, connected to it by descriptor 3. */
export const startChild: StartWorker = (number, gpuIds, options, boot, flags, events) => {
  const { args, env } = workerCommand(gpuIds, options, boot, flags);
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const gone =
    child.pid === undefined
      ? Promise.resolve()
      : new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const worker: WorkerProcess = {
    number,
    get pid() {
      return child.pid ?? 0;
    },
    get signal() {
      return child.signalCode;
    },
    link: new UnixLink(controlSocket(child), {
      frame: (_kind, chunk, start, end) => events.frame(worker, chunk, start, end),
      closed: (error) => {
        if (error !== undefined && !isConnectionLoss(error))
          killWorker(worker, `what it sent to its agent cannot be understood: ${error.message}`);
      },
    }),
    errorTail: "",
    reason: "",
    kill: () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      if (!killGroup(child)) child.kill("SIGKILL");
    },
    gone,
  };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      noteOutput(worker, stream, text);
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
};

/** Arguments of node, and what is added to the environment. */
export function workerCommand(
  gpuIds: readonly number[],
  options: AgentOptions,
  boot: WorkerOptions,
  flags: readonly string[],
): { args: string[]; env: Record<string, string> } {
  const env = { ...workerEnvironment(gpuIds, options), IONO_BOOT: JSON.stringify(boot) };
  return { args: [...options.worker.execArgv, ...flags, options.worker.file], env };
}

/** The last lines that it wrote to its standard error are kept, for the reason of its end. */
export function noteOutput(worker: WorkerProcess, stream: "stdout" | "stderr", text: string): void {
  if (stream === "stderr") worker.errorTail = (worker.errorTail + text).slice(-errorTailChars);
}

/** Without a file descriptor to spare there are no pipes at all, and the child's error is told in the next tick. */
function controlSocket({ stdio }: { stdio?: ChildProcess["stdio"] }): Socket {
  return (stdio?.[3] as Socket | undefined) ?? new Socket();
}

/** Workers see the GPUs they were given, and no others. */
function workerEnvironment(gpuIds: readonly number[], options: AgentOptions): Record<string, string> {
  const env: Record<string, string> = {};
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
  worker.kill();
}

/** Ends a worker; resolves when it is gone, so that no process is left behind that nobody reaps. */
export function killed(worker: WorkerProcess, reason: string): Promise<void> {
  killWorker(worker, reason);
  return worker.gone;
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

export function describeExit(
  worker: WorkerProcess,
  code: number | null,
  signal: NodeJS.Signals | null,
): string {
  if (worker.reason !== "") return worker.reason;
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const tail = worker.errorTail.trim();
  // V8's last words stand above a long native stack.
  const fatal = /^.*FATAL ERROR:.*$/m.exec(tail)?.[0];
  const shown = fatal ?? tail.slice(-shownTailChars);
  return `${how}, pid ${worker.pid}${shown === "" ? "" : `; it wrote: ${shown}`}`;
}
