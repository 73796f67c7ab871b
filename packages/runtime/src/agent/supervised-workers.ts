/** Workers whose parent is the supervisor: it starts and ends them for this agent, to which they connect. */
import { maxFrameBytes } from "@iono/core";
import * as net from "node:net";
import { isConnectionLoss } from "../links/link.ts";
import { LateLink } from "../links/late.ts";
import { publish } from "../links/publish.ts";
import { UnixLink } from "../links/unix.ts";
import { readHello } from "../member/hello.ts";
import type { SupervisorLink, ToChild } from "../supervisor/messages.ts";
import {
  describeExit,
  killWorker,
  noteOutput,
  workerCommand,
  type StartWorker,
  type WorkerProcess,
  type WorkerProcessEvents,
} from "./worker-processes.ts";

interface Supervised {
  readonly worker: WorkerProcess & { pid: number; signal: NodeJS.Signals | null };
  readonly link: LateLink;
  readonly events: WorkerProcessEvents;
  readonly resolveGone: () => void;
}

const helloBytes = 4096;
/** Connections that have not said which worker they are, at most: the oldest goes. */
const mostSilent = 128;

export class SupervisedWorkers {
  readonly #supervisor: SupervisorLink;
  readonly #secret: string;
  readonly #workers = new Map<number, Supervised>();
  readonly #silent = new Set<UnixLink>();

  constructor(supervisor: SupervisorLink, secret: string) {
    this.#supervisor = supervisor;
    this.#secret = secret;
  }

  /** Resolves with where workers connect. */
  async listen(): Promise<string> {
    const { path } = await publish(net.createServer((socket) => this.#accept(socket)));
    return path;
  }

  readonly start: StartWorker = (number, gpuIds, options, boot, flags, events) => {
    const link = new LateLink();
    let resolveGone = (): void => {};
    const gone = new Promise<void>((resolve) => (resolveGone = resolve));
    const kill = (): void => this.#supervisor.tell({ t: "kill worker", number });
    const worker = { number, pid: 0, signal: null, link, errorTail: "", reason: "", kill, gone };
    this.#workers.set(number, { worker, link, events, resolveGone });
    const { args, env } = workerCommand(gpuIds, options, boot, flags);
    this.#supervisor.tell({ t: "start worker", number, args, env });
    return worker;
  };

  /** What the supervisor says of workers. */
  heard(message: ToChild): void {
    if (!("number" in message)) return;
    const supervised = this.#workers.get(message.number);
    if (supervised === undefined) return;
    const { worker, events } = supervised;
    switch (message.t) {
      case "worker started":
        worker.pid = message.pid;
        break;
      case "worker output":
        noteOutput(worker, message.stream, message.text);
        events.output(worker, message.stream, message.text);
        break;
      case "worker ended": {
        const { number, code, signal, error } = message;
        this.#workers.delete(number);
        worker.signal = signal;
        supervised.resolveGone();
        const reason =
          error === "" ? describeExit(worker, code, signal) : `it could not be started: ${error}`;
        events.ended(worker, reason);
        break;
      }
    }
  }

  #accept(socket: net.Socket): void {
    let supervised: Supervised | undefined;
    const link = new UnixLink(socket, {
      frame: (kind, chunk, start, end) => {
        if (supervised !== undefined) {
          supervised.events.frame(supervised.worker, chunk, start, end);
          return;
        }
        this.#silent.delete(link);
        const hello = readHello(kind, chunk, start, end, this.#secret);
        supervised = hello === null ? undefined : this.#workers.get(hello.process);
        if (supervised === undefined) link.destroy();
        else {
          link.maxFrameBytes = maxFrameBytes;
          supervised.link.attach(link);
        }
      },
      closed: (error) => {
        this.#silent.delete(link);
        if (supervised !== undefined && error !== undefined && !isConnectionLoss(error))
          killWorker(supervised.worker, `what it sent to its agent cannot be understood: ${error.message}`);
      },
    });
    link.maxFrameBytes = helloBytes;
    this.#silent.add(link);
    const [oldest] = this.#silent;
    if (this.#silent.size > mostSilent) oldest.destroy();
  }
}
